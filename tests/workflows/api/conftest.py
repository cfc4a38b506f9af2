"""Workflows to start by REST, and a worker that carries them on within the test."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.promises.api.caller import Caller, with_token
from workflows import Context, Never, registry, workflow
from workflows.executor import execute
from workflows.stores.durable import DurableStore


@dataclass
class Item:
    name: str
    amount: int


def add(left: int, right: int) -> int:
    return left + right


def refuse() -> None:
    raise ValueError("there is no money left")


async def rest_sum(ctx: Context, item: Item, extra: int = 0) -> dict[str, int]:
    return {"total": await ctx.run(add, item.amount, extra)}


async def rest_wait(ctx: Context) -> str:
    answer: str = await ctx.promise(data={"question": "go?"})
    return answer


async def rest_fail(ctx: Context) -> None:
    await ctx.options(retry=Never()).run(refuse)


@pytest.fixture(autouse=True)
def _workflows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The three workflows, for the length of one test."""
    monkeypatch.setattr(registry, "_functions", dict(registry._functions))
    for function in (rest_sum, rest_wait, rest_fail):
        workflow(function)


@pytest.fixture
def work() -> Callable[[str], str]:
    """Carries an execution on as far as it goes."""
    return lambda execution_id: execute(DurableStore(), execution_id)


@pytest.fixture
def robot(db: None) -> Caller:
    return with_token("robot")
