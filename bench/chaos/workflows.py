"""The executions that have to survive. Each returns the names of the effects that it must have had exactly once."""

import asyncio
import random
import time
from datetime import timedelta

from django.db import connection

from workflows import Constant, Context, Never, workflow

ANSWER = "chaos:answer"  # the tag of promises that the driver settles
TABLE = """
    CREATE TABLE IF NOT EXISTS chaos_effect (
        id bigserial PRIMARY KEY, execution text NOT NULL, effect text NOT NULL, is_exact boolean NOT NULL
    )
"""


def exact(execution: str, effect: str) -> str:
    """An effect that commits together with its promise."""
    _write(execution, effect, is_exact=True)
    time.sleep(random.random() / 50)
    return effect


def repeatable(execution: str, effect: str) -> str:
    """An effect outside: it happens again when the worker dies before the step is recorded."""
    _write(execution, effect, is_exact=False)
    time.sleep(random.random() / 50)
    return effect


def refuse() -> None:
    raise ValueError("refused")


def flaky() -> str:
    if random.random() < 0.5:
        raise ConnectionError("try again")
    return "went"


def _write(execution: str, effect: str, *, is_exact: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO chaos_effect (execution, effect, is_exact) VALUES (%s, %s, %s)", [execution, effect, is_exact]
        )


async def once(ctx: Context, effect: str) -> str:
    """An exact effect of this execution."""
    return await ctx.options(atomic=True).run(exact, ctx.info.id, effect)


@workflow(name="chaos.steps")
async def steps(ctx: Context) -> list[str]:
    """Effects of both kinds, one after the other."""
    done = []
    for number in range(3):
        done.append(await once(ctx, f"exact-{number}"))
        await ctx.run(repeatable, ctx.info.id, f"repeatable-{number}")
    return done


@workflow(name="chaos.sleeps")
async def sleeps(ctx: Context) -> list[str]:
    """Sleeps between two effects."""
    before = await once(ctx, "before")
    await ctx.sleep(timedelta(seconds=0.2 + await ctx.random()))
    return [before, await once(ctx, "after")]


@workflow(name="chaos.waits")
async def waits(ctx: Context) -> list[str]:
    """Waits for somebody outside, twice."""
    return [await once(ctx, await ctx.promise(tags={ANSWER: "1"})) for _ in range(2)]


@workflow(name="chaos.fans")
async def fans(ctx: Context) -> list[str]:
    """Eight effects at once."""
    return list(await asyncio.gather(*[once(ctx, f"exact-{number}") for number in range(8)]))


@workflow(name="chaos.calls")
async def calls(ctx: Context) -> list[str]:
    """Two executions elsewhere and one here; their effects are theirs."""
    elsewhere = [ctx.rpc(steps), ctx.rpc(sleeps)]
    here = await ctx.run(part)
    for call in elsewhere:
        await call
    return [here, await once(ctx, "end")]


@workflow(name="chaos.part")
async def part(ctx: Context) -> str:
    """The nested part of `calls`: its effect counts for the execution that it is part of."""
    return await ctx.options(atomic=True).run(exact, ctx.info.origin_id, "part")


@workflow(name="chaos.saga")
async def saga(ctx: Context) -> list[str]:
    """Something is refused, and what was done before is compensated."""
    reserved = await once(ctx, "reserve")
    try:
        await ctx.options(retry=Never()).run(refuse)
    except ValueError:
        return [reserved, await once(ctx, "release")]
    return [reserved]


@workflow(name="chaos.races")
async def races(ctx: Context) -> list[str]:
    """A race between somebody outside and a deadline; then a step that often fails."""
    await ctx.first(ctx.promise(tags={ANSWER: "1"}), ctx.sleep(timedelta(seconds=1)))
    await ctx.options(retry=Constant(seconds=0.05, max_retries=50)).run(flaky)
    return [await once(ctx, "won")]


MIX = [steps, sleeps, waits, fans, calls, saga, races]
