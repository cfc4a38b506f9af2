"""One trace for each execution, as an exporter in memory sees it."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from promises import store
from promises.models import Promise
from promises.records import NewPromise
from promises.store import timeouts_sweep
from promises.times import NEVER, now_ms
from promises.values import Value
from workflows import Constant, Context, Never, claims, executions, observers, workflow
from workflows.frames import root_tags
from workflows.tracing import Tracing

Spans = Callable[..., list[ReadableSpan]]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> TracerProvider:
    """OpenTelemetry as set up in a process of ours, but for this test alone."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = Tracing(provider)
    monkeypatch.setattr(observers, "tracing", lambda: tracing)
    monkeypatch.setattr(claims, "observers", lambda: (tracing,))
    return provider


@pytest.fixture
def tracer(provider: TracerProvider) -> Tracer:
    """That of the user's own code."""
    return provider.get_tracer("shop")


@pytest.fixture
def spans(exporter: InMemorySpanExporter, provider: TracerProvider) -> Spans:
    """The spans that have ended, in the order of their beginning; of one name when it is given."""

    def find(name: str | None = None) -> list[ReadableSpan]:
        found = sorted(exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
        return [span for span in found if name in (None, span.name)]

    return find


def work() -> None:
    claims.execute_ready(["default"])


def work_elsewhere(in_thread: Callable[[Callable[[], object]], Callable[[], object]]) -> None:
    other = threading.Thread(target=in_thread(work))
    other.start()
    other.join()


def one() -> int:
    return 1


def is_below(span: ReadableSpan, parent: ReadableSpan) -> bool:
    return span.parent is not None and span.parent.span_id == parent.context.span_id


def linked(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]


def test_an_execution_is_one_trace_across_suspensions_and_workers(tracer: Tracer, spans: Spans, in_thread: Any) -> None:
    @workflow
    async def flow(ctx: Context) -> None:
        await ctx.run(one)
        await ctx.promise()
        await ctx.run(one)

    with tracer.start_as_current_span("request") as request:
        flow.start(id="f")
    work()
    with tracer.start_as_current_span("decision") as decision:
        store.promise_settle("f:2", "resolved", Value.of("yes"), now=now_ms())
    work_elsewhere(in_thread)
    (start,), (first, second), (suspended,) = spans("start flow"), spans("flow"), spans("suspended")
    steps = spans("one")
    of_one_trace = [start, first, second, suspended, *steps]
    assert {span.context.trace_id for span in of_one_trace} == {request.get_span_context().trace_id}
    assert start.parent is not None
    assert start.parent.span_id == request.get_span_context().span_id
    assert all(is_below(span, start) for span in (first, suspended, second))
    assert [is_below(step, run) for step, run in zip(steps, (first, second), strict=True)] == [True, True]
    assert linked(second) == [first.context.span_id, decision.get_span_context().span_id]
    assert linked(first) == []
    assert suspended.attributes is not None
    assert suspended.attributes["countersign.awaited"] == ("f:2",)
    assert suspended.start_time is not None
    assert suspended.end_time is not None
    assert suspended.start_time <= suspended.end_time


def test_parallel_steps_lie_beside_each_other_and_hold_the_users_own_spans(tracer: Tracer, spans: Spans) -> None:
    def read(name: str) -> None:
        with tracer.start_as_current_span(f"read {name}"):
            pass

    async def fetch(name: str) -> None:
        with tracer.start_as_current_span(f"read {name}"):
            await asyncio.sleep(0.001)

    @workflow
    async def flow(ctx: Context) -> None:
        with tracer.start_as_current_span("in the body"):
            await asyncio.gather(ctx.run(read, "a"), ctx.run(read, "b"), ctx.run(fetch, "c"), ctx.run(fetch, "d"))
        await ctx.run(read, "e")

    flow.start(id="f")
    work()
    (activation,), (body,) = spans("flow"), spans("in the body")
    assert is_below(body, activation)
    for name, step in [("a", "read"), ("b", "read"), ("c", "fetch"), ("d", "fetch"), ("e", "read")]:
        (own,) = spans(f"read {name}")
        (above,) = [span for span in spans(step) if is_below(own, span)]
        assert is_below(above, activation)


def test_remote_calls_are_below_the_activation_that_made_them(spans: Spans) -> None:
    @workflow
    async def inner(ctx: Context) -> int:
        return await ctx.run(one)

    @workflow
    async def outer(ctx: Context) -> int:
        return await ctx.rpc(inner)

    handle = outer.start(id="f")
    work()
    assert handle.result(0) == 1
    (first, second), (called,) = spans("outer"), spans("inner")
    assert is_below(called, first)
    assert linked(second) == [first.context.span_id, called.context.span_id]
    assert len({span.context.trace_id for span in spans()}) == 1


def test_what_failed_says_so(spans: Spans, flaky: Any) -> None:
    @workflow
    async def flow(ctx: Context) -> None:
        await ctx.options(retry=Constant(0.0)).run(flaky(1))
        await ctx.options(retry=Never()).run(flaky(1))

    flow.start(id="f")
    work()
    retried, resolved, rejected = spans("step")
    (activation,) = spans("flow")
    assert [span.status.status_code.name for span in (retried, resolved, rejected, activation)] == [
        "ERROR",
        "UNSET",
        "ERROR",
        "ERROR",
    ]
    assert [span.attributes["countersign.attempt"] for span in (retried, resolved, rejected)] == [1, 2, 1]  # type: ignore[index]
    assert [event.name for event in rejected.events] == ["exception"]
    assert activation.status.description == "OSError: failure 1"


def test_a_halt_is_an_error(spans: Spans) -> None:
    @workflow
    async def flow(ctx: Context) -> None:
        await asyncio.sleep(60)

    flow.start(id="f")
    work()
    (activation,) = spans("flow")
    assert activation.status.status_code.name == "ERROR"
    assert "NonDurableAwait" in (activation.status.description or "")


def test_a_timer_ends_the_suspension_at_its_deadline(spans: Spans) -> None:
    @workflow
    async def flow(ctx: Context) -> None:
        await ctx.sleep(timedelta(minutes=1))

    flow.start(id="f")
    work()
    timeouts_sweep(now_ms() + 90_000)
    work()
    (suspended,) = spans("suspended")
    deadline = Promise.objects.get(id="f:1").timeout_at
    assert suspended.end_time == deadline * 1_000_000


def test_what_nobody_traced_when_it_was_started_is_one_trace_all_the_same(spans: Spans) -> None:
    @workflow
    async def flow(ctx: Context) -> None:
        await ctx.promise()

    param = Value.of({"func": "flow", "args": [], "version": 1})
    promise = NewPromise("f", NEVER, param, root_tags("f", flow, ""))
    store.promise_create(promise.id, timeout_at=NEVER, now=now_ms(), param=param, tags=promise.tags)
    work()
    store.promise_settle("f:1", "resolved", now=now_ms())
    work()
    first, second = spans("flow")
    assert first.context.trace_id == second.context.trace_id
    assert linked(second) == [first.context.span_id]


def test_a_settled_value_keeps_its_own_headers(tracer: Tracer) -> None:
    store.promise_create("p", timeout_at=NEVER, now=now_ms())
    with tracer.start_as_current_span("decision"):
        store.promise_settle("p", "resolved", Value({"mine": "1"}, None), now=now_ms())
    headers = store.promise_get("p", now=now_ms()).value.headers
    assert headers is not None
    assert headers.keys() == {"mine", "countersign:traceparent"}


def test_without_opentelemetry_nothing_is_imported_and_nothing_recorded() -> None:
    program = """
import sys
import django
django.setup()
import workflows.jobs, workflows.executions
from workflows.observers import observers, starting
assert [type(one).__name__ for one in observers()] == ["Metrics"]
with starting("f", "flow") as tags:
    assert tags == {}
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_provider_is_what_sets_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert observers.tracing() is None
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: TracerProvider(shutdown_on_exit=False))
    assert isinstance(observers.tracing(), Tracing)


def test_starting_twice_keeps_the_first_trace(spans: Spans) -> None:
    @workflow
    async def flow(ctx: Context) -> None: ...

    executions.start(flow, id="f")
    executions.start(flow, id="f")
    work()
    first, _ = spans("start flow")
    (activation,) = spans("flow")
    assert is_below(activation, first)
