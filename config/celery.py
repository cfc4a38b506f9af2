"""The Celery application: each app's `jobs.py` is found by name."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("countersign")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(related_name="jobs")

# Celery would close the database connection after every job, and with it the functions that PostgreSQL has compiled for
# it: 15 ms for each wake-up. The job itself lets go of a connection that is broken or too old.
app.conf.CELERY_DB_REUSE_MAX = 1_000_000_000
