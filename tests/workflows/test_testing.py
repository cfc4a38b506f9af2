"""The author's test kit does what its first page says."""

import asyncio
import gc
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from workflows import Constant, Context, PromiseTimeout, RemoteError, workflow
from workflows.testing import Playground, Stuck, crash_everywhere
from workflows.testing.fixtures import playground  # noqa: F401 (a fixture)


def double(number: int) -> int:
    return number * 2


@workflow(name="kit.reminder")
async def reminder(ctx: Context, number: int) -> str:
    doubled = await ctx.run(double, number)
    await ctx.sleep(timedelta(hours=24))
    return f"reminded of {await ctx.run(double, doubled)}"


@workflow(name="kit.waiting")
async def waiting(ctx: Context) -> str:
    return str(await ctx.promise(data={"asks": "the world"}))


@workflow(name="kit.patient")
async def patient(ctx: Context) -> int:
    return await ctx.options(retry=Constant(seconds=3600, max_retries=3)).run(double, 21)


@workflow(name="kit.nested")
async def nested(ctx: Context) -> int:
    first = await ctx.run(patient)
    with suppress(PromiseTimeout):
        await ctx.promise(timeout=timedelta(hours=2))
    return first


activations = 0


@workflow(name="kit.forgetful")
async def forgetful(ctx: Context) -> int:
    # What a body must not do: remember something outside its steps.
    global activations  # noqa: PLW0603
    activations += 1
    await ctx.run(double, 1)
    return activations


class TestTime:
    def test_it_passes_only_when_it_is_told_to(self) -> None:
        play = Playground()
        play.start(reminder, 3)
        play.work()
        assert play.pending() == ["r:2"]
        play.clock.advance("23h")
        with pytest.raises(Stuck, match="r:2"):
            play.result()
        play.advance(timedelta(hours=2))
        assert play.result() == "reminded of 12"
        assert play.clock.moment == datetime(2026, 1, 6, 10, tzinfo=UTC)

    def test_what_comes_due_on_the_way_comes_at_its_time(self) -> None:
        play = Playground()
        play.start(reminder, 3)
        play.clock.advance("7d")
        assert play.promise("r").settled_at == play.promise("r:2").timeout_at == play.now - 6 * 86_400_000

    @pytest.mark.parametrize("duration", ["", "25", "h", "-1h", "1 year"])
    def test_a_duration_that_says_nothing_is_refused(self, duration: str) -> None:
        with pytest.raises(ValueError, match="no duration"):
            Playground().advance(duration)


class TestAsyncTests:
    def test_time_is_awaited(self) -> None:
        async def test() -> Any:
            play = Playground()
            play.start(reminder, 3)
            await play.work()
            await play.clock.advance("25h")
            return play.result()

        assert asyncio.run(test()) == "reminded of 12"

    def test_a_result_is_awaited(self) -> None:
        assert asyncio.run(Playground().arun(reminder, 3)) == "reminded of 12"

    def test_a_step_may_talk_to_the_loop_of_the_test(self) -> None:
        @workflow(name="kit.caller")
        async def caller(ctx: Context) -> str:
            return await ctx.run(lambda: asyncio.run_coroutine_threadsafe(answer(), loops[0]).result(timeout=10))

        async def answer() -> str:
            return "hello"

        async def test() -> Any:
            loops.append(asyncio.get_running_loop())
            play = Playground()
            play.start(caller)
            await play.work()
            return play.result()

        loops: list[asyncio.AbstractEventLoop] = []
        assert asyncio.run(test()) == "hello"

    def test_what_would_block_the_loop_is_refused_with_advice(self) -> None:
        async def test() -> None:
            Playground().run(reminder, 3)

        with pytest.raises(RuntimeError, match=r"await local\.arun"):
            asyncio.run(test())

    def test_a_playground_may_be_forgotten_between_two_attempts(self) -> None:
        async def test() -> None:
            play = Playground()
            play.fail(double, error=OSError("busy"))
            play.start(patient)
            await play.work()
            del play
            gc.collect()

        asyncio.run(test())


class TestFailures:
    def test_a_retry_waits_in_virtual_time(self) -> None:
        play = Playground()
        play.fail("double", times=2, error=OSError("busy"))
        play.start(patient)
        play.work()
        assert play.attempts("double") == 1
        play.clock.advance("59m")
        assert play.attempts("double") == 1
        play.clock.advance("1m")
        assert play.attempts("double") == 2
        play.clock.advance("1h")
        assert (play.result(), play.attempts(double)) == (42, 3)

    def test_retries_and_other_executions_share_the_time(self) -> None:
        play = Playground()
        play.fail("double", times=1, error=OSError("busy"))
        play.start(patient, id="slow")
        play.start(waiting, id="other", timeout_at=play.now + 1_800_000)
        play.clock.advance("31m")
        assert (play.promise("other").state, play.promise("slow").state) == ("rejected_timedout", "pending")
        assert play.finish("slow").state == "resolved"

    def test_the_attempt_is_chosen(self) -> None:
        play = Playground()
        play.fail(double, first=1, error=OSError("first"))
        play.fail("r:1", times=9, first=1, error=OSError("always"))
        with pytest.raises(OSError, match="always"):
            play.run(patient)
        assert play.attempts(double) == 4

    def test_a_later_attempt_is_not_made_when_the_first_is_good(self) -> None:
        play = Playground()
        play.fail(double, first=2, error=OSError("busy"))
        assert (play.run(patient), play.attempts(double)) == (42, 1)

    def test_an_async_step_fails_too(self) -> None:
        async def fetch() -> int:
            return 7

        @workflow(name="kit.fetching")
        async def fetching(ctx: Context) -> int:
            return await ctx.run(fetch)

        play = Playground()
        play.fail("fetch", times=3, error=OSError("busy"))
        assert (play.run(fetching), play.attempts("fetch")) == (7, 4)

    def test_an_error_without_a_class_here_comes_back_by_name(self) -> None:
        class Broken(Exception):
            pass

        play = Playground()
        play.fail(double, times=9, error=Broken("no"))
        with pytest.raises(RemoteError, match="no"):
            play.run(patient)


class TestTheOutsideWorld:
    def test_it_answers(self) -> None:
        play = Playground()
        play.start(waiting)
        play.work()
        play.settle("r:1", "hello")
        play.work()
        assert play.result() == "hello"

    def test_it_is_played_where_a_test_runs_to_the_end(self) -> None:
        play = Playground(outside=lambda play: [play.settle(id, "hello") for id in play.pending()])
        assert play.run(waiting) == "hello"

    def test_what_nobody_settles_is_told_instead_of_waited_for(self) -> None:
        with pytest.raises(Stuck, match="r:1"):
            Playground().run(waiting)


class TestInspection:
    def test_the_tree_shows_what_is_done_and_what_is_awaited(self) -> None:
        play = Playground()
        play.fail(double, times=1, error=OSError("busy"))
        play.start(nested)
        play.work()
        assert play.tree() == (
            "r kit.nested: running\n"
            "└── :1 kit.patient: running\n"
            "    └── :1.1 double: failing, until 2026-01-05 10:00:00 (OSError: busy)"
        )
        play.clock.advance("1h")
        assert play.tree() == (
            "r kit.nested: waiting\n"
            "├── :1 kit.patient: resolved, 1 h\n"
            "│   └── :1.1 double: resolved, 2 attempts, 1 h\n"
            "└── :2 promise: waiting, until 2026-01-05 12:00:00"
        )
        play.clock.advance("2h")
        assert play.tree().endswith("└── :2 promise: timed out, 2 h")

    def test_it_shows_questions_and_errors(self) -> None:
        play = Playground()
        play.start(waiting)
        play.work()
        assert play.tree().endswith(':1 promise: waiting ({"asks": "the world"})')
        play.settle("r:1", {"name": "ValueError", "message": "bad"}, state="rejected")
        play.work()
        assert play.tree() == "r kit.waiting: failed (ValueError: bad)\n└── :1 promise: failed (ValueError: bad)"

    def test_of_what_is_not_stored_it_knows_as_much_as_runs(self) -> None:
        seen: list[str] = []

        @workflow(name="kit.unstored")
        async def unstored(ctx: Context) -> None:
            await ctx.options(durable=False).run(double, 1)
            await ctx.run(lambda: seen.append(play.tree()))

        play = Playground()
        play.run(unstored)
        assert seen == ["r kit.unstored: running\n├── :1 double: resolved\n└── :2 <lambda>: running"]


def test_the_fixture_is_one_import_away(playground: Playground) -> None:  # noqa: F811
    assert playground.run(reminder, 5) == "reminded of 20"


class TestCrashEverywhere:
    def test_a_workflow_that_survives_every_crash(self) -> None:
        assert crash_everywhere(reminder, 5) == "reminded of 20"

    def test_also_between_attempts_at_a_step(self) -> None:
        calls: list[int] = []

        def flaky() -> str:
            calls.append(1)
            if len(calls) % 3:
                raise OSError("busy")
            return "done"

        @workflow(name="kit.flaky")
        async def flow(ctx: Context) -> str:
            await ctx.sleep(timedelta(1))
            other = ctx.rpc(reminder, 1)
            return await ctx.options(retry=Constant(seconds=86_400)).run(flaky) + await other

        assert crash_everywhere(flow) == "donereminded of 4"

    def test_the_outside_world_answers_after_a_crash_too(self) -> None:
        assert crash_everywhere(waiting, outside=lambda play: [play.settle(id, 1) for id in play.pending()]) == "1"

    def test_a_workflow_that_does_not_survive_is_caught(self) -> None:
        with pytest.raises(AssertionError, match="with a crash"):
            crash_everywhere(forgetful)
