"""Races, and everything else that a body itself cancels: what runs below it ends, and a replay sees the same."""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from workflows import Context, Never, PromiseCanceled, workflow
from workflows.testing import Playground, crash_everywhere

HOUR = timedelta(hours=1)


@pytest.fixture
def play() -> Playground:
    return Playground()


def one() -> int:
    return 1


def fail() -> int:
    raise ValueError("no")


@workflow
async def answer_or_hour(ctx: Context) -> list[Any]:
    late = ctx.sleep(HOUR)
    result = await ctx.first(ctx.promise(), late)
    return [result, late.state, await ctx.run(one)]


class TestFirst:
    def test_the_first_result_counts_and_the_other_call_is_canceled(self, play: Playground) -> None:
        play.start(answer_or_hour)
        play.work()
        play.settle("r:2", "yes")
        play.work()
        assert play.result() == ["yes", "rejected_canceled", 1]
        assert play.promise("r:1").state == "rejected_canceled"

    def test_a_deadline_can_win(self, play: Playground) -> None:
        play.start(answer_or_hour)
        play.advance("2h")
        assert play.result() == [None, "resolved", 1]
        assert play.promise("r:2").state == "rejected_canceled"

    def test_who_was_settled_first_wins_whatever_the_order_of_arguments(self, play: Playground) -> None:
        play.start(answer_or_hour)
        play.work()
        play.now += 3_600_000
        play.store.get("r")  # the deadline is applied before anybody works
        play.now += 1
        play.settle("r:2", "too late")
        play.work()
        assert play.result() == [None, "resolved", 1]

    def test_its_error_is_raised(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> str:
            try:
                await ctx.first(ctx.options(retry=Never()).run(fail), ctx.promise())
            except ValueError as error:
                return str(error)
            return "nothing was raised"

        assert play.run(flow) == "no"
        assert play.promise("r:2").state == "rejected_canceled"

    def test_awaiting_a_loser_says_that_it_was_canceled(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> str:
            loser = ctx.promise()
            await ctx.first(ctx.run(one), loser)
            await ctx.sleep(HOUR)  # also on a replay
            try:
                await loser
            except PromiseCanceled:
                return "canceled"
            return "no"

        assert play.run(flow) == "canceled"

    def test_a_nested_workflow_that_loses_is_canceled_with_all_below_it(self, play: Playground) -> None:
        @workflow
        async def remote(ctx: Context) -> None:
            await ctx.promise()

        @workflow
        async def nested(ctx: Context) -> None:
            await ctx.rpc(remote)

        @workflow
        async def flow(ctx: Context) -> int:
            await ctx.first(ctx.run(nested), ctx.sleep(HOUR))
            return await ctx.run(one)

        assert play.run(flow) == 1
        states = {id: play.promise(id).state for id in play.ids()}
        assert states == {
            "r:1": "rejected_canceled",
            "r:1.1": "rejected_canceled",
            "r:1.1.1": "rejected_canceled",
            "r:2": "resolved",
            "r:3": "resolved",
            "r:4": "resolved",
        }

    def test_an_async_step_that_loses_is_stopped(self, play: Playground) -> None:
        stopped = []

        async def endless() -> None:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                stopped.append(True)
                raise

        @workflow
        async def flow(ctx: Context) -> int:
            return int(await ctx.first(ctx.run(endless), ctx.run(one)) or 0)

        assert play.run(flow) == 1
        assert stopped == [True]
        assert play.promise("r:1").state == "rejected_canceled"

    def test_the_outcome_of_a_thread_that_loses_is_dropped(self, play: Playground) -> None:
        is_over = threading.Event()

        def slow() -> int:
            is_over.wait(10)
            return 2

        def quick() -> int:
            return 1

        def let_go() -> None:
            is_over.set()

        @workflow
        async def flow(ctx: Context) -> int:
            won = await ctx.first(ctx.run(slow), ctx.run(quick))
            await ctx.run(let_go)
            return won

        assert play.run(flow) == 1
        assert play.promise("r:1").state == "rejected_canceled"

    def test_what_is_detached_goes_on(self, play: Playground) -> None:
        @workflow
        async def other(ctx: Context) -> str:
            await ctx.sleep(HOUR)
            return "done"

        @workflow
        async def flow(ctx: Context) -> int:
            return int(await ctx.first(ctx.detached(other), ctx.run(one)))

        assert play.run(flow) == 1
        assert play.promise("r:1").is_pending
        play.advance("2h")
        assert play.promise("r:1").state == "resolved"

    def test_without_calls_it_says_what_it_needs(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.first()

        with pytest.raises(TypeError, match="futures"):
            play.run(flow)

    def test_any_crash_leaves_the_same_winner(self) -> None:
        @workflow
        async def flow(ctx: Context) -> list[Any]:
            late = ctx.sleep(HOUR)
            slow = ctx.promise()
            await ctx.first(late, slow, ctx.sleep(2 * HOUR))
            return [late.state, slow.state, await ctx.run(one)]

        assert crash_everywhere(flow) == ["resolved", "rejected_canceled", 1]


class TestWhatABodyCancels:
    def test_the_siblings_of_a_failed_task_are_canceled(self, play: Playground) -> None:
        assert play.run(group) == "1 of 1: no"
        assert {id: play.promise(id).state for id in play.ids() if id.startswith("r:1")} == {
            "r:1.1": "rejected_canceled"
        }

    def test_and_a_replay_sees_one_failure_too(self) -> None:
        assert crash_everywhere(group) == "1 of 1: no"

    def test_a_future_can_be_canceled(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> str:
            unwanted = ctx.promise()
            await unwanted.created()
            unwanted.cancel()
            await ctx.sleep(HOUR)
            return unwanted.state

        assert play.run(flow) == "rejected_canceled"

    def test_somebody_elses_cancel_is_an_answer(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> str:
            try:
                await ctx.promise()
            except PromiseCanceled:
                await ctx.sleep(HOUR)
                return "canceled"
            return "no"

        play.start(flow)
        play.work()
        play.settle("r:1", state="rejected_canceled")
        play.finish()
        assert play.result() == "canceled"


async def waits(ctx: Context) -> None:
    await ctx.promise()


async def fails(ctx: Context) -> None:
    await ctx.sleep(HOUR)
    await ctx.options(retry=Never()).run(fail)


@workflow
async def group(ctx: Context) -> str:
    """One task waits for ever, the other fails; then life goes on."""
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(waits(ctx))
            tasks.create_task(fails(ctx))
    except* ValueError as errors:
        shown = f"{len(errors.exceptions)} of 1: {errors.exceptions[0]}"
    await ctx.sleep(HOUR)
    return shown
