"""The author's test kit does what its first page says."""

from datetime import timedelta

import pytest

from workflows import Context, workflow
from workflows.testing import Playground, Stuck, crash_everywhere


def double(number: int) -> int:
    return number * 2


@workflow(name="kit.reminder")
async def reminder(ctx: Context, number: int) -> str:
    doubled = await ctx.run(double, number)
    await ctx.sleep(timedelta(hours=24))
    return f"reminded of {await ctx.run(double, doubled)}"


@workflow(name="kit.waiting")
async def waiting(ctx: Context) -> str:
    return str(await ctx.promise())


activations = 0


@workflow(name="kit.forgetful")
async def forgetful(ctx: Context) -> int:
    # What a body must not do: remember something outside its steps.
    global activations  # noqa: PLW0603
    activations += 1
    await ctx.run(double, 1)
    return activations


def test_time_passes_only_when_it_is_told_to() -> None:
    play = Playground()
    play.start(reminder, 3)
    play.work()
    assert play.pending() == ["r:2"]
    play.advance("23h")
    with pytest.raises(Stuck, match="r:2"):
        play.result()
    play.advance(timedelta(hours=2))
    assert play.result() == "reminded of 12"


@pytest.mark.parametrize("duration", ["", "25", "h", "-1h", "1 year"])
def test_a_duration_that_says_nothing_is_refused(duration: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        Playground().advance(duration)


def test_the_outside_world_answers() -> None:
    play = Playground()
    play.start(waiting)
    play.work()
    play.settle("r:1", "hello")
    play.work()
    assert play.result() == "hello"


def test_what_nobody_settles_is_told_instead_of_waited_for() -> None:
    with pytest.raises(Stuck, match="r:1"):
        Playground().run(waiting)


def test_a_workflow_that_survives_every_crash() -> None:
    assert crash_everywhere(reminder, 5) == "reminded of 20"


def test_a_workflow_that_does_not_is_caught() -> None:
    with pytest.raises(AssertionError, match="with a crash"):
        crash_everywhere(forgetful)
