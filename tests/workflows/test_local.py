"""Local mode: everything but other processes, in real time, with nothing set up."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import workflows
from promises.times import now_ms
from promises.values import Value
from workflows import Constant, Context, PromiseTimeout, local, workflow
from workflows.local import Halted, Runner

ROOT = Path(workflows.__file__).parent.parent


def meet(barrier: threading.Barrier) -> int:
    """Passes only when another one does at the same time."""
    return barrier.wait(timeout=20)


class TestRun:
    def test_it_gives_the_result_as_the_function_types_it(self) -> None:
        @workflow
        async def flow(ctx: Context, day: timedelta) -> timedelta:
            return day * 2

        assert local.run(flow, timedelta(days=1)) == timedelta(days=2)

    def test_it_raises_as_the_function_does(self) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            raise ValueError("bad")

        with pytest.raises(ValueError, match="bad"):
            local.run(flow)

    def test_its_id_requester_and_time(self) -> None:
        @workflow
        async def flow(ctx: Context) -> list[Any]:
            return [ctx.info.id, ctx.info.requester, ctx.info.timeout_at]

        before = now_ms()
        id, requester, timeout_at = local.run(flow, id="mine", requester="ana", timeout=timedelta(hours=1))
        assert (id, requester) == ("mine", "ana")
        assert before <= timeout_at - 3_600_000 <= now_ms()

    def test_its_own_time_may_run_out(self) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.sleep(timedelta(hours=1))

        with pytest.raises(PromiseTimeout):
            local.run(flow, timeout=timedelta(milliseconds=30))

    def test_retries_stay_within_a_steps_time(self, flaky: Callable[[int], Any]) -> None:
        step = flaky(99)

        @workflow
        async def flow(ctx: Context) -> str:
            patient = ctx.options(timeout=timedelta(milliseconds=100), retry=Constant(seconds=0.03, max_retries=99))
            try:
                return await patient.run(step)
            except PromiseTimeout:
                return "late"

        assert local.run(flow) == "late"
        assert 1 < step.calls <= 4

    def test_sleeps_take_their_time(self) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.sleep(timedelta(milliseconds=50))

        before = time.monotonic()
        local.run(flow)
        assert time.monotonic() - before >= 0.05

    def test_a_lone_execution_stays_on_the_callers_thread(self) -> None:
        @workflow
        async def flow(ctx: Context) -> list[int]:
            first = await ctx.run(threading.get_ident)
            await ctx.sleep(timedelta(milliseconds=1))
            return [first, await ctx.run(threading.get_ident)]

        assert local.run(flow) == [threading.get_ident()] * 2

    def test_a_halted_execution_says_why(self) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.rpc("nobody.has.this")

        with pytest.raises(Halted, match="No workflow is registered as 'nobody"):
            local.run(flow)


class TestSeveralExecutions:
    def test_remote_calls_run_at_the_same_time(self) -> None:
        barrier = threading.Barrier(3)

        @workflow
        async def child(ctx: Context) -> int:
            return await ctx.run(meet, barrier)

        @workflow
        async def parent(ctx: Context) -> list[int]:
            return sorted(await asyncio.gather(*(ctx.rpc(child) for _ in range(3))))

        assert local.run(parent) == [0, 1, 2]

    def test_also_beside_a_long_step_of_their_caller(self) -> None:
        barrier = threading.Barrier(2)

        @workflow
        async def child(ctx: Context) -> int:
            return await ctx.run(meet, barrier)

        @workflow
        async def parent(ctx: Context) -> int:
            call = ctx.rpc(child)
            return await ctx.run(meet, barrier) + await call

        assert local.run(parent) == 1

    def test_more_of_them_than_there_are_threads(self) -> None:
        @workflow
        async def child(ctx: Context, n: int) -> int:
            await ctx.sleep(timedelta(milliseconds=5))
            return n

        @workflow
        async def parent(ctx: Context) -> int:
            return sum(await asyncio.gather(*(ctx.rpc(child, n) for n in range(50))))

        assert local.run(parent) == sum(range(50))

    def test_what_is_detached_ends_before_the_process_does(self) -> None:
        done: list[str] = []

        @workflow
        async def later(ctx: Context) -> None:
            await ctx.sleep(timedelta(milliseconds=20))
            await ctx.run(done.append, "later")

        @workflow
        async def parent(ctx: Context) -> str:
            ctx.detached(later)
            return "now"

        assert (local.run(parent), done) == ("now", ["later"])

    def test_but_not_what_waits_for_somebody_outside(self) -> None:
        @workflow
        async def waits(ctx: Context) -> None:
            await ctx.promise()

        @workflow
        async def parent(ctx: Context) -> str:
            ctx.detached(waits)
            return "now"

        assert local.run(parent) == "now"

    def test_nor_what_a_failed_function_has_canceled(self) -> None:
        @workflow
        async def sleeps(ctx: Context) -> None:
            await ctx.sleep(timedelta(days=1))

        @workflow
        async def parent(ctx: Context) -> None:
            await ctx.rpc(sleeps).created()
            await ctx.sleep(timedelta(milliseconds=20))
            raise ValueError("bad")

        with pytest.raises(ValueError, match="bad"):
            local.run(parent)

    def test_an_error_in_another_thread_reaches_the_caller(self) -> None:
        barrier = threading.Barrier(2)

        @workflow
        async def child(ctx: Context) -> None:
            await ctx.run(meet, barrier)
            await ctx.rpc("nobody.has.this")

        @workflow
        async def parent(ctx: Context) -> None:
            await asyncio.gather(ctx.rpc(child), ctx.rpc(child))

        with pytest.raises(Halted, match="nobody"):
            local.run(parent)


def test_somebody_in_another_thread_settles_a_promise() -> None:
    @workflow
    async def flow(ctx: Context) -> Any:
        return await ctx.promise()

    runner = Runner()
    id = runner.start(flow)
    runner.work()
    threading.Timer(0.02, runner.store.settle, (f"{id}:1", "resolved", Value.of("hello"))).start()
    assert runner.run_until_settled(id).value.decode() == "hello"


def test_from_async_code() -> None:
    @workflow
    async def flow(ctx: Context, word: str) -> str:
        return await ctx.run(str.upper, word)

    async def main() -> str:
        with pytest.raises(RuntimeError, match=r"await local\.arun"):
            local.run(flow, "a")
        return await local.arun(flow, "hello")

    assert asyncio.run(main()) == "HELLO"


def test_it_needs_no_environment_and_writes_no_file(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from datetime import timedelta
from workflows import Context, local, workflow

@workflow
async def child(ctx: Context) -> str:
    await ctx.sleep(timedelta(milliseconds=5))
    return await ctx.options(durable=False).run(lambda: "done")

@workflow
async def parent(ctx: Context) -> list[str]:
    ctx.detached(child)
    return list(await asyncio.gather(ctx.rpc(child), ctx.run(child)))

assert local.run(parent, id="p") == ["done", "done"]
assert asyncio.run(local.arun(parent)) == ["done", "done"]
assert not [name for name in sys.modules if name.split(".")[0] in ("django", "celery", "psycopg")]
"""
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
