"""Histories of executions on PostgreSQL: what `execution export` prints, at any moment, replays."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from promises import store
from promises.store import timeouts_sweep
from promises.times import now_ms
from promises.values import Value
from workflows import Context, executions, workflow
from workflows.errors import ExecutionNotFound
from workflows.executions import Handle
from workflows.executor import execute
from workflows.stores.durable import DurableStore
from workflows.testing import assert_replays


def one() -> int:
    return 1


def fail() -> None:
    raise ValueError("no")


@pytest.fixture
def flow() -> Any:
    @workflow
    async def child(ctx: Context) -> Any:
        return [await ctx.run(one), await ctx.promise()]

    @workflow
    async def flow(ctx: Context, text: str) -> Any:
        await ctx.now()
        call = ctx.rpc(child)
        return await asyncio.gather(ctx.options(timeout=timedelta(hours=1)).run(child), call, ctx.promise())

    return flow


def work(id: str) -> str:
    return execute(DurableStore(), id)


def exported(id: str, *options: str) -> str:
    out = StringIO()
    call_command("execution", "export", id, *options, stdout=out)
    return out.getvalue()


def pending(handle: Handle[Any]) -> list[str]:
    return [promise.id for promise in handle.tree() if promise.is_pending and promise.func == "ctx.promise"]


def test_every_moment_of_an_execution_can_be_exported_and_replayed(flow: Any) -> None:
    handle = flow.start("ünicode\ud800", id="f", requester="ana")
    moments = [exported("f")]
    assert work("f") == "suspended"
    moments.append(exported("f"))
    assert work("f:2") == "suspended"
    for id in pending(handle):
        moments.append(exported("f"))
        store.promise_settle(id, "resolved", Value.of("yes"), now=now_ms())
    moments.append(exported("f"))
    assert work("f:2") == "fulfilled"
    assert work("f") == "fulfilled"
    moments.append(exported("f"))
    assert len(set(moments)) == 7
    for moment in moments:
        assert_replays(flow, json.loads(moment))


def test_an_execution_that_was_canceled(flow: Any) -> None:
    handle = flow.start("", id="f")
    work("f")
    handle.cancel()
    assert_replays(flow, handle.history())


def test_an_execution_that_failed_with_others_under_way() -> None:
    @workflow
    async def flow(ctx: Context) -> None:
        await asyncio.gather(ctx.promise(), ctx.options(retry=None).run(fail))

    handle = flow.start(id="f")
    assert work("f") == "fulfilled"
    assert [promise.state for promise in handle.tree()] == ["rejected", "rejected_canceled", "rejected"]
    assert_replays(flow, handle.history())


def test_a_deadline_that_nobody_has_applied_yet_is_pending_in_a_history() -> None:
    @workflow
    async def flow(ctx: Context) -> str:
        await ctx.sleep(timedelta(milliseconds=50))
        return "done"

    handle = flow.start(id="f")
    assert work("f") == "suspended"
    while handle.tree()[1].is_pending:
        time.sleep(0.01)
    assert handle.history().promises[1].is_pending
    assert_replays(flow, handle.history())
    timeouts_sweep(now_ms())
    assert work("f") == "fulfilled"
    assert_replays(flow, handle.history())


def test_a_history_is_one_round_trip(flow: Any, round_trips: Callable[[Any], tuple[int, int]]) -> None:
    handle = flow.start("", id="f")
    work("f")
    handle.history()
    assert round_trips(handle.history)[0] == 1


class TestCommand:
    def test_it_prints_the_history(self, flow: Any) -> None:
        handle = flow.start("", id="f")
        assert json.loads(exported("f")) == handle.history().document()

    def test_it_writes_a_file(self, flow: Any, tmp_path: Path) -> None:
        flow.start("", id="f")
        path = tmp_path / "f.json"
        assert exported("f", "--output", str(path)) == ""
        assert path.read_text() == exported("f")

    def test_a_file_that_cannot_be_written(self, flow: Any, tmp_path: Path) -> None:
        flow.start("", id="f")
        with pytest.raises(CommandError, match="nowhere"):
            exported("f", "--output", str(tmp_path / "nowhere" / "f.json"))

    def test_no_such_execution(self) -> None:
        with pytest.raises(CommandError, match="no execution 'f'"):
            exported("f")

    def test_a_promise_that_runs_nothing_is_no_execution(self) -> None:
        store.promise_create("p", timeout_at=now_ms() + 10_000, now=now_ms())
        with pytest.raises(ExecutionNotFound):
            executions.get("p").history()
