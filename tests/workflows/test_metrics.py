"""What a worker measures, and under which labels."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from promises.records import Acquired
from tests.workflows.playground import Playground
from workflows import Constant, Context, Never, workflow
from workflows.errors import LeaseLost
from workflows.executor import execute
from workflows.metrics import Metrics
from workflows.registry import registry


class Difference:
    """How much a metric has grown since this was made."""

    def __init__(self, name: str, **labels: str) -> None:
        self.name, self.labels = name, labels
        self.before = self._value()

    def _value(self) -> float:
        return REGISTRY.get_sample_value(self.name, self.labels) or 0.0

    def __call__(self) -> float:
        return self._value() - self.before


@pytest.fixture
def carry_on(play: Playground) -> Callable[[], str]:
    return lambda: execute(play.store, "r", observers=[Metrics(registry)])


def test_attempts_are_measured_by_function_and_outcome(
    play: Playground, carry_on: Callable[[], str], flaky: Any
) -> None:
    def settle() -> None:
        pass

    @workflow
    async def flow(ctx: Context) -> None:
        await ctx.run(settle)
        await ctx.options(retry=Constant(0.0)).run(flaky(2))
        await ctx.options(retry=Never()).run(flaky(1))

    def attempts(function: str, outcome: str) -> Difference:
        return Difference("countersign_step_seconds_count", function=function, outcome=outcome)

    settled, retried = attempts("settle", "resolved"), attempts("step", "retried")
    resolved, rejected = attempts("step", "resolved"), attempts("step", "rejected")
    retries = Difference("countersign_step_retries_total", function="step")
    play.start(flow)
    carry_on()
    assert (settled(), retried(), resolved(), rejected(), retries()) == (1, 2, 1, 1, 2)


def test_activations_are_measured_by_workflow_and_outcome(play: Playground, carry_on: Callable[[], str]) -> None:
    @workflow
    async def flow(ctx: Context) -> None:
        await ctx.promise()

    suspended = Difference("countersign_activation_seconds_count", workflow="flow", outcome="suspended")
    fulfilled = Difference("countersign_activation_seconds_count", workflow="flow", outcome="fulfilled")
    play.start(flow)
    carry_on()
    play.settle("r:1")
    carry_on()
    assert (suspended(), fulfilled()) == (1, 1)


def test_a_lost_lease_is_counted(play: Playground, carry_on: Callable[[], str]) -> None:
    def lose() -> None:
        raise LeaseLost

    @workflow
    async def losing(ctx: Context) -> None:
        await ctx.options(atomic=True).run(lose)

    lost = Difference("countersign_lease_losses_total", workflow="losing")
    cut_off = Difference("countersign_step_seconds_count", function="lose", outcome="cut off")
    play.start(losing)
    assert carry_on() == "lost"
    assert (lost(), cut_off()) == (1, 1)


def test_halts_are_counted_and_unknown_functions_share_a_label(play: Playground, carry_on: Callable[[], str]) -> None:
    @workflow(name="made up")
    async def flow(ctx: Context) -> None: ...

    play.start(flow)
    del registry._functions["made up", 1]
    unknown = Difference("countersign_halts_total", workflow="unknown")
    assert carry_on() == "halted"
    assert unknown() == 1
    assert REGISTRY.get_sample_value("countersign_halts_total", {"workflow": "made up"}) is None


def test_a_wake_is_measured_from_the_moment_the_task_was_ready(
    play: Playground, carry_on: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @workflow(queue="slow")
    async def flow(ctx: Context) -> None: ...

    acquire = play.store.acquire

    def acquired_late(*args: Any) -> Acquired | None:
        found = acquire(*args)
        return found and Acquired(found.task, found.promise, found.preload, ready_at=play.now - 2500)

    monkeypatch.setattr(play.store, "acquire", acquired_late)
    count = Difference("countersign_wake_seconds_count", queue="slow")
    seconds = Difference("countersign_wake_seconds_sum", queue="slow")
    play.start(flow)
    carry_on()
    assert (count(), seconds()) == (1, 2.5)
