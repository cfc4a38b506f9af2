"""Where a promise stands in a trace, as W3C writes it (`traceparent`): on the tags of one that is made, on the headers
of a value that settles one. Imports nothing: without OpenTelemetry in this process there is no current span."""

import sys

from promises.values import Value

TRACEPARENT = "countersign:traceparent"


def traceparent_current() -> str | None:
    """The current span; None when there is none."""
    trace = sys.modules.get("opentelemetry.trace")
    return None if trace is None else traceparent_of(trace.get_current_span().get_span_context())


def traceparent_of(span: object) -> str | None:
    """A span context (of OpenTelemetry's API) in writing; None for one that is not valid."""
    trace_id, span_id, flags = (getattr(span, name) for name in ("trace_id", "span_id", "trace_flags"))
    return f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}" if trace_id and span_id else None


def value_traced(value: Value) -> Value:
    """The value with the span that settles a promise with it."""
    current = traceparent_current()
    return Value({**(value.headers or {}), TRACEPARENT: current}, value.data) if current else value
