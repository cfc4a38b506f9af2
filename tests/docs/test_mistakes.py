"""docs/explanation/replay.md quotes what a mistake in a workflow's body says: here each one is made, and says it."""

import asyncio
import random
import re
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction

from workflows import Context, Never, local, registry, step, workflow
from workflows.local import Runner
from workflows.registry import Registry, Workflow
from workflows.testing import Playground, crash_everywhere

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "explanation" / "replay.md").read_text()
QUOTES = set(re.findall(r"^\|.*\| `(\w+: .+)`[^`]*\|$", PAGE, re.MULTILINE))

Body = Callable[[Context], Awaitable[Any]]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_workflows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mistake is registered as `refund`, and forgotten."""
    monkeypatch.setattr(registry, "_functions", {})


def find_order() -> str:
    return "A-17"


def charge() -> None: ...


@step(name="look_up")
def renamed() -> str:
    return "A-17"


@workflow
async def check(ctx: Context) -> None: ...


# -- as soon as it runs ------------------------------------------------------------------------------------------------


async def sleeps(ctx: Context) -> None:
    await asyncio.sleep(60)


async def limits_the_time(ctx: Context) -> None:
    async with asyncio.timeout(60):
        await ctx.promise()


async def waits_with_a_limit(ctx: Context) -> None:
    await asyncio.wait([ctx.promise()], timeout=60)


async def starts_a_thread(ctx: Context) -> None:
    await asyncio.to_thread(find_order)


async def reads_the_database_async(ctx: Context) -> None:
    await Group.objects.acount()


async def opens_a_connection(ctx: Context) -> None:
    await asyncio.open_connection("127.0.0.1", 9)


async def waits_for_an_event(ctx: Context) -> None:
    await asyncio.Event().wait()


async def polls(ctx: Context) -> None:
    while True:
        await asyncio.sleep(0)


async def reads_the_database(ctx: Context) -> None:
    Group.objects.count()


async def opens_a_transaction(ctx: Context) -> None:
    with transaction.atomic():
        await ctx.run(charge)


async def starts_another(ctx: Context) -> None:
    check.start()


async def passes_its_context_to_a_step(ctx: Context) -> None:
    await ctx.options(retry=Never()).run(lambda: ctx.run(charge))


async def uses_its_context_in_a_thread(ctx: Context) -> None:
    errors = []

    def work() -> None:
        try:
            ctx.run(charge)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    raise errors[0]


async def returns_a_queryset(ctx: Context) -> None:
    await ctx.run(User.objects.all)


async def an_async_step_is_atomic(ctx: Context) -> None:
    async def find_order() -> None: ...

    await ctx.options(atomic=True).run(find_order)


async def names_two_calls_alike(ctx: Context) -> None:
    once = ctx.options(id="charge")
    await once.run(charge)
    await once.run(charge)


# -- on the replay -----------------------------------------------------------------------------------------------------


async def finds(ctx: Context) -> None:
    await ctx.run(find_order)


async def asks_for_the_time(ctx: Context) -> None:
    await ctx.now()


async def finds_under_another_name(ctx: Context) -> None:
    await ctx.run(renamed)


async def checks_here(ctx: Context) -> None:
    await ctx.run(check)


async def checks_elsewhere(ctx: Context) -> None:
    await ctx.rpc(check)


async def finds_and_charges(ctx: Context) -> None:
    await ctx.run(find_order)
    await ctx.run(charge)


# What a body does; and, of two, what it does first and what the replay does.
MISTAKES: list[tuple[Body, ...]] = [
    (sleeps,),
    (limits_the_time,),
    (waits_with_a_limit,),
    (starts_a_thread,),
    (reads_the_database_async,),
    (opens_a_connection,),
    (waits_for_an_event,),
    (polls,),
    (reads_the_database,),
    (opens_a_transaction,),
    (starts_another,),
    (passes_its_context_to_a_step,),
    (uses_its_context_in_a_thread,),
    (returns_a_queryset,),
    (an_async_step_is_atomic,),
    (names_two_calls_alike,),
    (finds, asks_for_the_time),
    (finds, finds_under_another_name),
    (checks_here, checks_elsewhere),
    (finds_and_charges, finds),
]


@pytest.mark.parametrize("bodies", MISTAKES, ids=lambda bodies: bodies[-1].__name__)
def test_a_mistake_says_what_the_page_quotes(bodies: tuple[Body, ...]) -> None:
    assert said_by(*bodies) in QUOTES


def test_the_page_quotes_nothing_else() -> None:
    assert {said_by(*bodies) for bodies in MISTAKES} | {said_by_a_version_that_is_gone()} == QUOTES


def test_an_argument_of_chance_is_not_noticed_by_the_replay_but_by_crashes() -> None:
    async def gambles(ctx: Context) -> tuple[float, float]:
        drawn = random.random()
        return drawn, await ctx.run(abs, drawn)

    assert said_by(gambles) == ""
    with pytest.raises(AssertionError, match="with a crash"):
        crash_everywhere(workflow(name="refund")(gambles))


def test_finally_runs_whenever_the_body_is_put_away_and_calls_nothing_then() -> None:
    unwound, charged = [], []

    async def cleans_up(ctx: Context) -> None:
        try:
            await ctx.sleep(timedelta(days=1))
        finally:
            unwound.append(1)
            await ctx.run(charged.append, 1)

    said_by(cleans_up)
    assert (len(unwound), len(charged)) == (2, 1)


def said_by(*bodies: Body) -> str:
    """How the execution `refund-17` goes wrong that does these things: the error's class and its message; '' if it does
    not."""
    registry._functions.clear()
    refund = workflow(name="refund")(one_after_the_other(*bodies) if len(bodies) > 1 else bodies[0])
    try:
        Playground().run(refund, id="refund-17")
    except local.Halted as halted:
        return str(halted).removeprefix("refund-17 is halted: ")
    except Exception as error:
        return f"{name_of(error)}: {error}"
    return ""


def name_of(error: Exception) -> str:
    return getattr(error, "name", "") or type(error).__name__


def one_after_the_other(first: Body, then: Body) -> Body:
    """A body that does one thing when it runs first, and another on the replay."""
    runs = count()

    async def body(ctx: Context) -> None:
        await (first if next(runs) == 0 else then)(ctx)
        await ctx.options(id="pause").sleep(timedelta(days=1))

    return body


def said_by_a_version_that_is_gone() -> str:
    functions = Registry()
    functions.add(Workflow(finds, "refund", version=2))
    runner = Runner(functions=functions)
    runner.start(Workflow(finds, "refund", version=1), id="refund-17")
    with pytest.raises(local.Halted) as halted:
        runner.step()
    return str(halted.value).removeprefix("refund-17 is halted: ")
