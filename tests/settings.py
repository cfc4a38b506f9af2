"""The project's settings as the tests want them: a state folder of this run, cheap passwords, no built static
files.

Whatever the tests write goes to a new folder in the temporary one; parallel workers inherit it by the
environment. No message leaves the process unless CELERY_BROKER_URL names a broker; the tests that need one
start it themselves.
"""

import atexit
import os
import shutil
import tempfile

if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["COUNTERSIGN_VAR"] = tempfile.mkdtemp(prefix="countersign-tests-")
    atexit.register(shutil.rmtree, os.environ["COUNTERSIGN_VAR"], ignore_errors=True)
os.environ.setdefault("COUNTERSIGN_DEMO", "1")  # lets the signing key be generated, whatever DATABASE_URL says
os.environ.setdefault("CELERY_BROKER_URL", "memory://")

from config.settings import *  # noqa: F403
from config.settings import PROMISES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True  # no scan of STATIC_ROOT, which does not exist
PROMISES = {**PROMISES, "BROKER_WAKES": True}  # no worker listens; what would be sent is looked at
