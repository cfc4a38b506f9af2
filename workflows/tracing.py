"""OpenTelemetry traces: one for each execution, over all its activations, on whichever workers. Imported only in a
process that has set OpenTelemetry up (see `workflows/observers.py`).

    start expense                          where it was started, below the span that was current there
      expense                              an activation: a worker held the lease
        load_claim                         an attempt at a step; parallel ones lie beside each other
      suspended                            nothing held anything; known when it is over
      expense                              the next activation, linked to the one that had suspended and to the span
        pay                                that settled what it waited for
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TracerProvider,
)

from promises.records import Acquired, PromiseRecord
from promises.trace_context import TRACEPARENT, traceparent_of
from workflows.attempts import Attempt
from workflows.observing import End, outcome_of
from workflows.operations import Operation
from workflows.replay import Activation

_traceparent = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Tracing:
    """See `workflows.observing.Observer`. What an activation creates carries its span on as a tag."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("countersign", tracer_provider=provider)

    @contextmanager
    def starting(self, id: str, workflow: str) -> Iterator[dict[str, str]]:
        """A span around the start of an execution; gives the tags that its promise must have."""
        attributes = {"countersign.execution": id, "countersign.workflow": workflow}
        with self._tracer.start_as_current_span(
            f"start {workflow}", kind=SpanKind.PRODUCER, attributes=attributes
        ) as span:
            yield _tags(span)

    def activation(self, activation: Activation) -> End[str]:
        acquired = activation.acquired
        promise, parent = acquired.promise, parent_of(acquired.promise)
        woken_by = waking(acquired)
        if woken_by:
            self._suspended(acquired, woken_by, parent)
        span = self._tracer.start_span(
            promise.func or "unknown",
            parent,
            SpanKind.CONSUMER,
            {
                "countersign.execution": promise.tags.get("resonate:origin", promise.id),
                "countersign.promise": promise.id,
                "countersign.activation": acquired.task.version,
            },
            links=links_to(woken_by),
        )
        context.attach(trace.set_span_in_context(span))
        activation.remote_tags = _tags(span)

        def end(outcome: str) -> None:
            span.set_attribute("countersign.outcome", outcome)
            _end(span, activation.error, failed=outcome in ("halted", "lost", "failed"))

        return end

    def attempt(self, operation: Operation) -> "End[Attempt | None]":
        span = self._tracer.start_span(
            operation.func,
            attributes={"countersign.promise": operation.id, "countersign.attempt": operation.attempt},
        )
        context.attach(trace.set_span_in_context(span))

        def end(attempt: Attempt | None) -> None:
            outcome = outcome_of(attempt)
            span.set_attribute("countersign.outcome", outcome)
            _end(span, attempt.error if attempt else None, failed=outcome != "resolved")

        return end

    def _suspended(self, acquired: Acquired, woken_by: Sequence[PromiseRecord], parent: Context) -> None:
        """The time without a lease, from the last thing on record until the task was ready again."""
        began = max(
            (promise.settled_at or 0) if is_step(promise) else promise.created_at for promise in acquired.preload
        )
        ready_at = acquired.ready_at or 0
        attributes = {"countersign.promise": acquired.promise.id, "countersign.awaited": [p.id for p in woken_by]}
        span = self._tracer.start_span(
            "suspended", parent, attributes=attributes, start_time=min(began, ready_at) * 1_000_000
        )
        span.end(ready_at * 1_000_000)


def parent_of(promise: PromiseRecord) -> Context:
    """Below which span the function of a promise runs: that of whoever made it, by its tag. Where nobody traced that,
    one that is not there, of a trace that follows from the execution's id: so that all activations are of one trace."""
    span = read(promise.tags.get(TRACEPARENT)) or made_up(promise.tags.get("resonate:origin", promise.id))
    return trace.set_span_in_context(NonRecordingSpan(span))


def waking(acquired: Acquired) -> list[PromiseRecord]:
    """The promises whose settlement made the task ready; none when something else did (its start, a lapsed lease)."""
    ready_at = acquired.ready_at
    return [
        promise
        for promise in acquired.preload
        if ready_at is not None
        and promise.settled_at is not None
        and promise.settled_at >= ready_at
        and not is_step(promise)
    ]


def is_step(promise: PromiseRecord) -> bool:
    return promise.tags.get("resonate:scope") == "local"


def links_to(woken_by: Sequence[PromiseRecord]) -> list[Link]:
    """To the activations that made these promises, and to the spans that settled them."""
    made = [promise.tags.get(TRACEPARENT) for promise in woken_by]
    settled = [(promise.value.headers or {}).get(TRACEPARENT) for promise in woken_by]
    spans = {text: (read(text), kind) for kind, texts in (("suspended", made), ("settled", settled)) for text in texts}
    return [Link(span, {"countersign.link": kind}) for span, kind in spans.values() if span is not None]


def read(text: str | None) -> SpanContext | None:
    """The span that a tag or a header names; None when it names none."""
    found = _traceparent.fullmatch(text or "")
    if found is None:
        return None
    trace_id, span_id, flags = (int(text, 16) for text in found.groups())
    span = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return span if span.is_valid else None


def made_up(execution: str) -> SpanContext:
    digest = hashlib.sha256(execution.encode()).digest()
    trace_id, span_id = int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _tags(span: Span) -> dict[str, str]:
    written = traceparent_of(span.get_span_context())
    return {TRACEPARENT: written} if written else {}


def _end(span: Span, error: BaseException | None, *, failed: bool) -> None:
    if error is not None:
        span.record_exception(error)
        span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {error}")
    elif failed:
        span.set_status(StatusCode.ERROR)
    span.end()
