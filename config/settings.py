"""Settings of the whole project, read from the environment. Every variable is explained in
deploy/countersign.env.

Without DATABASE_URL the project uses its own PostgreSQL in the state folder (config/embedded_postgres.py),
and without CELERY_BROKER_URL the pgmq queue on that same database, so that a newcomer needs no server at all.
"""

import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
import django_stubs_ext
import environ

from config import broker, embedded_postgres
from config.log import logging_config
from config.secret_key import secret_file_read, secret_key_read
from promises.api.schema_settings import SPECTACULAR_SETTINGS  # noqa: F401

# Lets classes of Django that are generic for the type checker (ModelAdmin[...]) be written so at run time.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

# --- Where we are -------------------------------------------------------------------------------------------

VAR_DIR = Path(env.str("COUNTERSIGN_VAR", default=str(BASE_DIR / "var"))).absolute()
DEBUG = env.bool("DEBUG", default=False)
COUNTERSIGN_DEMO = env.bool("COUNTERSIGN_DEMO", default=False)
PUBLIC_URL = env.str("COUNTERSIGN_PUBLIC_URL", default="http://127.0.0.1:8000").rstrip("/")
DATABASE_URL = env.str("DATABASE_URL", default="")

# A generated key is right only where every process shares the state folder: with the embedded database, or in
# the demo.
SECRET_KEY = secret_key_read(
    env.str("SECRET_KEY", default=""),
    VAR_DIR / "secret_key",
    may_generate=COUNTERSIGN_DEMO or DEBUG or not DATABASE_URL,
)
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])

_public = urlsplit(PUBLIC_URL)
_local_hosts = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=sorted({*_local_hosts, _public.hostname or "localhost"}))

# --- Applications -------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_htmx",
    "django_structlog",
    "config.apps.WiringConfig",
    "promises",
    "workflows",
    "approvals",
    "examples",
    *env.list("COUNTERSIGN_APPS", default=[]),
]
if django.VERSION < (6, 0):  # Django 6 has template partials built in.
    INSTALLED_APPS.insert(0, "template_partials")

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "promises.outage.DatabaseOutageMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            # `{% partialdef %}` then needs no `{% load %}` on either Django.
            "builtins": ["template_partials.templatetags.partials"] if django.VERSION < (6, 0) else [],
        },
    }
]

# --- Database and broker ------------------------------------------------------------------------------------

DATABASES = {
    "default": {
        **(env.db_url_config(DATABASE_URL) if DATABASE_URL else embedded_postgres.database_settings(VAR_DIR)),
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }
}
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_broker = broker.broker_settings(env.str("CELERY_BROKER_URL", default=""), DATABASES["default"])
CELERY_BROKER_URL = _broker.url
CELERY_BROKER_TRANSPORT_OPTIONS = _broker.transport_options
CELERY_BROKER_CONNECTION_TIMEOUT = 4
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_DEFAULT_QUEUE = "default"
# The tasks table is the truth and a message only a wake-up: nothing is stored about it, and it may come
# twice.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TASK_SEND_SENT_EVENT = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = env.int("COUNTERSIGN_WORKER_CONCURRENCY", default=8)
CELERY_WORKER_PREFETCH_MULTIPLIER = 4
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_TIMER_PRECISION = 0.25  # the timer thread sleeps this long, and a stop waits for it
CELERY_TIMEZONE = "UTC"

# --- The product --------------------------------------------------------------------------------------------

PROMISES = {
    "PUBLIC_URL": PUBLIC_URL,
    "RETRY_INTERVAL_MS": env.int("COUNTERSIGN_RETRY_INTERVAL_MS", default=30_000),
    # Wake-ups as broker messages instead of NOTIFY, for workers that cannot LISTEN (a pooler shares their sessions).
    "BROKER_WAKES": env.bool("COUNTERSIGN_BROKER_WAKES", default=False),
    "LEASE_MS": env.int("COUNTERSIGN_LEASE_MS", default=15_000),
    # A worker that dies so often in a row on one execution, with nothing new recorded, halts it.
    "MAX_CRASHES": env.int("COUNTERSIGN_MAX_CRASHES", default=10),
    # Where the clock serves what it has counted ("host:port"); "" serves nothing.
    "CLOCK_METRICS": env.str("COUNTERSIGN_CLOCK_METRICS", default=""),
    # What the clock calls once, and what it calls when something is due: functions of `now` (ms) that return how many
    # rows they moved.
    "CLOCK_STARTS": ["workflows.schedules.declare"],
    "CLOCK_SWEEPS": [
        "promises.store.timeouts_sweep",
        "promises.store.schedules_fire",
        "approvals.operations.approvals_expire",
        "approvals.operations.alarms_ring",
        "approvals.operations.eligibility_sweep",
    ],
}
WORKFLOWS: dict[str, Any] = {
    # Limits of whole queues: {"default": {"concurrency": 20, "rate": "100/s"}}; workflows have theirs in the decorator.
    "QUEUES": env.json("COUNTERSIGN_QUEUES", default={}),
    # Where a worker serves what it has measured ("host:port"); "" serves nothing.
    "WORKER_METRICS": env.str("COUNTERSIGN_WORKER_METRICS", default=""),
    # Which executions a signed-in person may see: a function (user, executions) -> executions.
    "EXECUTIONS_VISIBLE_TO": "approvals.queries.executions_visible_to",
}
APPROVALS = {
    # Accounts in this group are services and agents: whatever a policy asks, they never decide.
    "MACHINES_GROUP": env.str("COUNTERSIGN_MACHINES_GROUP", default="machines"),
    # Signs receipts, exports and checkpoints of the audit; '' signs nothing. There is no default but in the demo.
    "SIGNING_KEY": env.str("COUNTERSIGN_SIGNING_KEY", default="")
    or (secret_file_read(VAR_DIR / "signing_key", size=32) if COUNTERSIGN_DEMO else ""),
}

# --- Security -----------------------------------------------------------------------------------------------

_https = env.bool("COUNTERSIGN_HTTPS", default=_public.scheme == "https")
if env.bool("COUNTERSIGN_TRUST_PROXY", default=_https):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[PUBLIC_URL])
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = _https
CSRF_COOKIE_SAMESITE = SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = int(timedelta(hours=env.int("COUNTERSIGN_SESSION_HOURS", default=12)).total_seconds())
SECURE_HSTS_SECONDS = env.int("COUNTERSIGN_HSTS_SECONDS", default=31_536_000) if _https else 0
SECURE_SSL_REDIRECT = env.bool("COUNTERSIGN_HTTPS_REDIRECT", default=_https)
SECURE_REDIRECT_EXEMPT = [r"^health/$", r"^ready/$", r"^metrics$"]  # asked by machines next door, over plain HTTP
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# A request body over this is refused with 413, before it is read to the end.
DATA_UPLOAD_MAX_MEMORY_SIZE = env.int("COUNTERSIGN_BODY_LIMIT", default=1024 * 1024)
FILE_UPLOAD_MAX_MEMORY_SIZE = DATA_UPLOAD_MAX_MEMORY_SIZE
# The same for a request that brings files to the form of an approval, all of them together.
UPLOAD_LIMIT = env.int("COUNTERSIGN_UPLOAD_LIMIT", default=10 * 1024 * 1024)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000  # a form with an answer for each of a hundred items

# Views that run at once in a web process; each has a database connection of its own.
WEB_THREADS = env.int("COUNTERSIGN_WEB_THREADS", default=8)

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
CSRF_FAILURE_VIEW = "promises.error_views.csrf_failure"
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login/"

# --- REST ---------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "approvals.tokens.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "promises.problems.exception_handler",
    "UNICODE_JSON": True,
    "STRICT_JSON": True,
}
# --- Languages and time -------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")

# --- Static files -------------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG
MEDIA_ROOT = VAR_DIR / "media"

# --- Logging ------------------------------------------------------------------------------------------------

LOGGING_CONFIG = "config.log.logging_configure"
LOGGING = logging_config(
    level=env.str("LOG_LEVEL", default="INFO").upper(),
    form=env.str("LOG_FORMAT", default="console" if DEBUG or COUNTERSIGN_DEMO else "json"),
)
DJANGO_STRUCTLOG_CELERY_ENABLED = False
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO  # a refused request is no fault of the server
os.environ.setdefault("GRANIAN_LOG_LEVEL", "warning")
