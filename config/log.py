"""Structured logging: one line an event, JSON for machines and coloured text for people."""

import logging.config
import re
import sys
from typing import Any

import structlog

from workflows.observing import place_merge

SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    place_merge,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.UnicodeDecoder(),
]

# Whoever knows a callback's address may answer it, so no line of a log carries one.
_callback = re.compile(r"(/callbacks/)[^\s/?\"'\\<>\x1b]+")


def secrets_redact(_logger: Any, _method: str, line: str) -> str:
    """The last processor: takes the token out of every callback address in the finished line, whichever field,
    message or traceback it came by."""
    return _callback.sub(r"\1[redacted]", line)


def logging_configure(config: dict[str, Any]) -> None:
    """Set up the standard library's logging, and structlog on top of it, for this process."""
    logging.config.dictConfig(config)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED_PROCESSORS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def logging_config(*, level: str, form: str) -> dict[str, Any]:
    """The `LOGGING` setting: everything to standard error, at `level`, as "json" or "console" lines."""
    renderer: list[Any] = (
        # Plain tracebacks: the coloured ones print local variables, and with them secrets.
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if form == "console"
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": SHARED_PROCESSORS,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer, secrets_redact],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # The request middleware already logs each request with its status; Django's own line would say it
            # again.
            "django.request": {"level": "ERROR"},
            "django.server": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "psycopg.pool": {"level": "ERROR"},
            "pgmq": {"level": "WARNING"},
            "py.warnings": {"level": "ERROR"},  # warnings are for developers; the tests make errors of them
        },
    }
