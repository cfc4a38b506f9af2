"""What looks on in this process: metrics always, traces where OpenTelemetry has been set up before the worker began."""

import sys
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING

from workflows.metrics import Metrics
from workflows.observing import Observer

if TYPE_CHECKING:
    from workflows.tracing import Tracing


@cache
def observers() -> tuple[Observer, ...]:
    """The observers of a worker's executions."""
    traces = tracing()
    return (Metrics(),) if traces is None else (Metrics(), traces)


def starting(id: str, workflow: str) -> AbstractContextManager[dict[str, str]]:
    """Around the start of an execution; gives the tags that put its promise into the trace of whoever starts it."""
    traces = tracing()
    return nullcontext({}) if traces is None else traces.starting(id, workflow)


def tracing() -> "Tracing | None":
    """None unless this process has a tracer provider. Asks only what is imported already: what nobody uses costs
    nothing."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None or isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None
    from workflows.tracing import Tracing

    return Tracing()
