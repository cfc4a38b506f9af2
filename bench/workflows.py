"""The workflows that the bench runs: their steps do nothing, so what is measured is the engine."""

import asyncio

from workflows import Context, workflow


def noop(number: int) -> int:
    """A step without work."""
    return number


async def noop_async(number: int) -> int:
    """A step without work, for many at once: a thread for each would measure threads."""
    return number


@workflow(name="bench.sequential")
async def sequential(ctx: Context, steps: int) -> int:
    """So many steps, one after the other."""
    for number in range(steps):
        await ctx.run(noop, number)
    return steps


@workflow(name="bench.parallel")
async def parallel(ctx: Context, steps: int) -> int:
    """So many steps at once."""
    return len(await asyncio.gather(*[ctx.run(noop_async, number) for number in range(steps)]))


@workflow(name="bench.waiting")
async def waiting(ctx: Context, steps: int) -> str:
    """So many steps, then it waits for the outside world."""
    for number in range(steps):
        await ctx.run(noop, number)
    answer: str = await ctx.options(id="answer").promise()
    return answer
