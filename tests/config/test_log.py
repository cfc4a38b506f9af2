"""What the lines of the log carry, and what they must not."""

import io
import logging
import sys
from typing import Any

import pytest
import structlog

from config.log import logging_config

TOKEN = "eyJwIjoiY2ktMSJ9.kV3-_x"
ADDRESS = f"/callbacks/{TOKEN}/"


def line_of(form: str, record: logging.LogRecord) -> str:
    """The line that the configured formatter makes of a record."""
    formatter: dict[str, Any] = dict(logging_config(level="INFO", form=form)["formatters"]["structured"])
    return str(formatter.pop("()")(**formatter).format(record))


def record_of(message: Any, *arguments: Any, exc_info: Any = None) -> logging.LogRecord:
    return logging.LogRecord("x", logging.INFO, __file__, 1, message, arguments, exc_info)


@pytest.mark.parametrize("form", ["json", "console"])
def test_the_token_of_a_callback_address_is_in_no_line(form):
    try:
        raise ValueError(f"http://127.0.0.1:8000{ADDRESS}")
    except ValueError:
        failure = sys.exc_info()
    lines = [
        line_of(form, record_of("Internal Server Error: %s", ADDRESS)),
        line_of(form, record_of(f"POST {ADDRESS}?a=b", exc_info=failure)),
        line_of(form, record_of("GET /callbacks/%s", TOKEN)),
    ]
    assert all(TOKEN not in line and "/callbacks/[redacted]" in line for line in lines)
    assert "ValueError" in lines[1]
    assert "/runs/expense-1/" in line_of(form, record_of("GET /runs/expense-1/"))


@pytest.mark.parametrize("form", ["json", "console"])
def test_nor_in_a_field_of_an_event(form):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    formatter: dict[str, Any] = dict(logging_config(level="INFO", form=form)["formatters"]["structured"])
    handler.setFormatter(formatter.pop("()")(**formatter))
    standard = logging.Logger("x")  # noqa: LOG001 (one that nobody else configures)
    standard.addHandler(handler)
    processors = [structlog.stdlib.add_log_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter]
    structlog.wrap_logger(standard, processors=processors, wrapper_class=structlog.stdlib.BoundLogger).info(
        "request_finished", request=f"POST {ADDRESS}", code=200
    )
    assert "request_finished" in stream.getvalue()
    assert "/callbacks/[redacted]/" in stream.getvalue()
    assert TOKEN not in stream.getvalue()
