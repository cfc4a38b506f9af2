"""What a replay may rely on, and how what breaks it is caught: halted with a reason, resumable after a fix."""

import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from promises.records import NewPromise
from promises.states import TaskState
from promises.values import EMPTY, Value
from tests.workflows.playground import Playground
from workflows import Context, workflow
from workflows.errors import LeaseLost
from workflows.executor import execute
from workflows.local import Halted
from workflows.registry import registry
from workflows.stores.base import Lease


@pytest.fixture
def complaints(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is said where nobody can catch it: a coroutine that does not let go refuses to be closed, too."""
    found: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: found.append(str(unraisable.exc_value)))
    yield found
    gc.collect()


def one() -> int:
    return 1


def two() -> int:
    return 2


def suspended(play: Playground, fn: Any) -> None:
    """Start and run up to the first wait."""
    play.start(fn)
    play.work()
    assert play.outcomes[-1] == "suspended"


def resume(play: Playground) -> None:
    for id in play.ids():
        if play.promise(id).is_pending:
            play.store.settle(id, "resolved", EMPTY)
    play.work()


def continue_(play: Playground) -> None:
    """What `task_continue` does in durable mode."""
    play.store.tasks["r"].state = TaskState.PENDING


def test_recorded_steps_are_not_run_again(play: Playground) -> None:
    calls = []

    @workflow
    async def flow(ctx: Context) -> list[int]:
        values = [await ctx.run(lambda n=n: calls.append(n) or n) for n in range(3)]
        await ctx.sleep(timedelta(1))
        return values

    assert play.run(flow) == [0, 1, 2]
    assert calls == [0, 1, 2]


class TestNonDeterminism:
    def redefined(self, play: Playground, before: list[Any], after: list[Any]) -> str:
        """Record one body, replay another; the halt reason, or ""."""

        @workflow(name="flow")
        async def flow(ctx: Context) -> None:
            for step in before:
                await ctx.run(step)
            await ctx.promise()

        suspended(play, flow)

        async def changed(ctx: Context) -> None:
            for step in after:
                await ctx.run(step)
            await ctx.promise()

        flow.fn = changed
        try:
            resume(play)
        except Halted as halted:
            return str(halted)
        return ""

    def test_another_step_at_the_same_place(self, play: Playground) -> None:
        reason = self.redefined(play, [one], [two])
        assert "r:1 is recorded as 'one'" in reason
        assert "asks for 'two'" in reason

    def test_a_step_more_before_a_wait(self, play: Playground) -> None:
        assert "r:2 is recorded as 'ctx.promise'" in self.redefined(play, [one], [one, one])

    def test_a_step_less(self, play: Playground) -> None:
        assert "r:2 is recorded as 'one'" in self.redefined(play, [one, one], [one])

    def test_the_same(self, play: Playground) -> None:
        assert self.redefined(play, [one, two], [one, two]) == ""
        assert play.promise("r").state == "resolved"

    def test_a_body_that_ends_before_its_record(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.run(one)
            await ctx.promise()

        suspended(play, flow)

        async def shorter(ctx: Context) -> None:
            await ctx.run(one)

        flow.fn = shorter
        with pytest.raises(Halted, match=r"no longer asks for what is recorded: r:2 \(ctx.promise\)"):
            resume(play)

    def test_also_when_it_has_recorded_nested_workflows(self, play: Playground) -> None:
        @workflow
        async def child(ctx: Context) -> int:
            return await ctx.run(one)

        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.run(child)
            await ctx.promise()

        suspended(play, flow)

        async def shorter(ctx: Context) -> None:
            await ctx.run(child)

        flow.fn = shorter
        with pytest.raises(Halted, match="r:2"):
            resume(play)

    def test_it_cannot_be_swallowed(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> str:
            try:
                await ctx.options(id="x").run(one)
                await ctx.options(id="x").run(one)
            except BaseException:
                return "swallowed"
            return ""

        with pytest.raises(Halted, match="NonDeterminism"):
            play.run(flow)

    def test_after_the_fix_it_goes_on(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> int:
            value = await ctx.run(one)
            await ctx.promise()
            return value

        suspended(play, flow)
        right = flow.fn

        async def wrong(ctx: Context) -> int:
            return await ctx.run(two)

        flow.fn = wrong
        with pytest.raises(Halted):
            resume(play)
        assert play.store.tasks["r"].state == "halted"
        flow.fn = right
        continue_(play)
        assert play.finish().value.decode() == 1


class TestNonDurableAwait:
    @pytest.mark.parametrize(
        ("wait", "message"),
        [
            (lambda: asyncio.get_running_loop().create_future(), r"waits for something.*ctx only"),
            (lambda: asyncio.Event().wait(), r"waits for something.*ctx only"),
            (lambda: asyncio.sleep(60), r"sets a timer.*ctx\.sleep"),
            (lambda: asyncio.wait_for(asyncio.get_running_loop().create_future(), 60), r"sets a timer.*ctx\.options"),
            (lambda: asyncio.to_thread(one), r"to a thread.*ctx\.run"),
        ],
    )
    def test_a_body_that_waits_for_what_nobody_records_halts(
        self, play: Playground, wait: Callable[[], Any], message: str
    ) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.run(one)
            await wait()

        with pytest.raises(Halted, match=f"NonDurableAwait.*{message}"):
            play.run(flow)

    def test_a_timer_is_refused_even_while_a_step_would_let_it_ring(self, play: Playground) -> None:
        async def slow() -> None:
            await asyncio.sleep(0.01)

        @workflow
        async def flow(ctx: Context) -> None:
            await asyncio.gather(ctx.run(slow), asyncio.sleep(0.001), return_exceptions=True)

        with pytest.raises(Halted, match=r"NonDurableAwait.*sets a timer"):
            play.run(flow)

    def test_so_does_one_that_goes_round_and_round(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            step = ctx.run(one)
            while not step.done():
                await asyncio.sleep(0)

        with pytest.raises(Halted, match=r"NonDurableAwait.*round and round"):
            play.run(flow)

    def test_and_one_that_asks_again_and_again_after_it_is_refused(
        self, complaints: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            while True:
                with suppress(BaseException):
                    await ctx.options(id="same").run(one)

        with pytest.raises(Halted, match="Two calls have the id"):
            Playground().run(flow)
        caplog.clear()  # the reason that is logged holds the body

    def test_yielding_to_the_loop_is_no_wait(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> int:
            for _ in range(5):
                await asyncio.sleep(0)
            return await ctx.run(one)

        assert play.run(flow) == 1


def test_a_version_that_is_gone_halts_and_goes_on_when_it_is_back(play: Playground) -> None:
    @workflow(name="flow", version=1)
    async def first(ctx: Context) -> int:
        await ctx.promise()
        return 1

    @workflow(name="flow", version=2)
    async def second(ctx: Context) -> int:
        return 2

    suspended(play, first)
    gone = registry._functions.pop(("flow", 1))
    with pytest.raises(Halted, match=r"no version 1; registered: 2"):
        resume(play)
    registry._functions["flow", 1] = gone
    continue_(play)
    assert play.finish().value.decode() == 1


def test_a_call_that_the_store_refuses_halts(play: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    from promises.errors import BadRequest

    @workflow
    async def flow(ctx: Context) -> None:
        await ctx.promise()

    def refuse(*args: Any) -> None:
        raise BadRequest("Invalid resonate:target")

    monkeypatch.setattr(play.store, "suspend", refuse)
    with pytest.raises(Halted, match="BadRequest: Invalid"):
        play.run(flow)


@pytest.mark.parametrize(
    "param", [Value(), Value.of({}), Value.of([1]), Value(data="!"), Value.of({"func": "f", "version": "x"})]
)
def test_a_param_that_names_no_function_rejects(play: Playground, param: Value) -> None:
    play.store.create(NewPromise("r", 2**53 - 1, param, {"resonate:target": "celery://default"}))
    assert execute(play.store, "r") == "fulfilled"
    assert "InvalidArguments" in str(play.promise("r").value.decode())


class TestPutAway:
    def test_nothing_durable_happens_in_finally(self, play: Playground) -> None:
        seen = []

        @workflow
        async def flow(ctx: Context) -> None:
            try:
                await ctx.sleep(timedelta(1))
            finally:
                seen.append("finally")
                await ctx.run(lambda: seen.append("step"))

        suspended(play, flow)
        assert seen == ["finally"]
        assert play.ids() == ["r:1"]
        assert play.finish().state == "resolved"
        assert seen == ["finally", "finally", "step"]

    def test_a_body_that_swallows_everything_is_put_away_too(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> str:
            for _ in range(9):
                try:
                    await ctx.sleep(timedelta(1))
                    return "done"
                except BaseException:
                    continue
            return "given up"

        suspended(play, flow)
        assert play.finish().value.decode() == "done"

    @pytest.mark.parametrize("wait", [lambda ctx: ctx.promise(), lambda ctx: asyncio.sleep(0)])
    def test_a_body_that_never_lets_go_is_left_behind(
        self, wait: Callable[[Context], Any], caplog: pytest.LogCaptureFixture, complaints: list[str]
    ) -> None:
        @workflow
        async def stubborn(ctx: Context) -> None:
            with suppress(BaseException):
                await ctx.promise()
            while True:
                with suppress(BaseException):
                    await wait(ctx)

        @workflow
        async def flow(ctx: Context) -> int:
            return await ctx.run(one)

        play = Playground()
        play.start(stubborn, id="s")
        play.work()
        assert "cannot be put away" in caplog.text
        assert play.promise("s").is_pending
        assert play.run(flow) == 1

        del play
        gc.collect()
        assert "coroutine ignored GeneratorExit" in complaints

    def test_the_next_execution_on_this_thread_is_not_disturbed(self, play: Playground) -> None:
        @workflow
        async def stubborn(ctx: Context) -> None:
            while True:
                try:
                    await ctx.promise()
                except asyncio.CancelledError:
                    await asyncio.sleep(0)

        @workflow
        async def flow(ctx: Context) -> int:
            return await ctx.run(one)

        play.start(stubborn, id="s")
        assert play.run(flow) == 1

    def test_strands_leave_no_complaint(self, play: Playground, caplog: pytest.LogCaptureFixture) -> None:
        async def strand(ctx: Context) -> None:
            try:
                await ctx.promise()
            finally:
                await ctx.run(one)

        @workflow
        async def flow(ctx: Context) -> None:
            await asyncio.gather(strand(ctx), strand(ctx))

        with caplog.at_level(logging.WARNING, "asyncio"):
            suspended(play, flow)
        assert [record.message for record in caplog.records if record.name == "asyncio"] == []


class TestLeases:
    def test_a_lost_lease_ends_the_activation(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> int:
            return await ctx.run(lambda: play.store.release(Lease("r", 1)) or 7)

        play.start(flow)
        assert execute(play.store, "r") == "lost"
        assert play.ids() == []

    def test_also_when_a_parallel_atomic_step_finds_out(self, play: Playground) -> None:
        def steal() -> int:
            if play.store.tasks["r"].version == 1:
                play.store.tasks["r"].version = 2
            return 7

        @workflow
        async def flow(ctx: Context) -> list[int]:
            atomic = ctx.options(atomic=True)
            return list(await asyncio.gather(atomic.run(steal), atomic.run(steal)))

        play.start(flow)
        assert execute(play.store, "r") == "lost"
        assert play.store.tasks["r"].halt_reason == ""

    def test_a_duplicate_message_is_refused(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            assert execute(play.store, "r", 0) == "refused"
            assert execute(play.store, "r") == "refused"

        play.run(flow)

    def test_a_shutdown_gives_the_lease_back_at_the_next_step(self, play: Playground) -> None:
        stop = []
        calls = []

        @workflow
        async def flow(ctx: Context) -> str:
            for n in range(5):
                await ctx.run(lambda n=n: calls.append(n) or (stop.append(1) if n == 2 and not stop else None))
            return "done"

        play.start(flow)
        assert execute(play.store, "r", is_interrupted=lambda: bool(stop)) == "released"
        assert (play.ids(), play.store.due_tasks()) == (["r:1", "r:2", "r:3"], ["r"])
        play.finish()
        assert calls == [0, 1, 2, 3, 4]

    def test_a_shutdown_keeps_what_parallel_steps_have_done(self, play: Playground) -> None:
        import threading

        stop = threading.Event()
        calls = []

        def step(n: int) -> int:
            calls.append(n)
            if n == 0:
                stop.set()
            else:
                stop.wait(10)
                threading.Event().wait(0.02)
            return n

        @workflow
        async def flow(ctx: Context) -> list[int]:
            return list(await asyncio.gather(*(ctx.run(step, n) for n in range(4))))

        play.start(flow)
        assert execute(play.store, "r", is_interrupted=stop.is_set) == "released"
        assert play.finish().value.decode() == [0, 1, 2, 3]
        assert sorted(calls) == [0, 1, 2, 3]

    def test_a_store_that_fails_is_nobodys_outcome(self, play: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
        @workflow
        async def flow(ctx: Context) -> int:
            return await ctx.run(one)

        def fail(*args: Any) -> None:
            raise ConnectionError("gone")

        play.start(flow)
        with monkeypatch.context() as patch:
            patch.setattr(play.store, "record", fail)
            with pytest.raises(ConnectionError):
                execute(play.store, "r")
        assert play.promise("r").is_pending


def test_a_step_may_run_a_workflow_in_local_mode_itself(play: Playground) -> None:
    from workflows import local

    @workflow
    async def inner(ctx: Context) -> int:
        return await ctx.run(one) + await ctx.run(two)

    @workflow
    async def outer(ctx: Context) -> int:
        other = asyncio.create_task(asyncio.sleep(0))
        value = await ctx.run(lambda: local.run(inner))
        await other
        return value + await ctx.run(one)

    assert play.run(outer) == 4


def test_lease_lost_is_no_exception_that_a_step_could_swallow() -> None:
    assert not issubclass(LeaseLost, Exception)
