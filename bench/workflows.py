"""The workflows that the bench runs: their steps do nothing, so what is measured is the engine."""

from workflows import Context, workflow


def noop(number: int) -> int:
    """A step without work."""
    return number


@workflow(name="bench.sequential")
async def sequential(ctx: Context, steps: int) -> int:
    """W1: so many steps, one after the other."""
    for number in range(steps):
        await ctx.run(noop, number)
    return steps


@workflow(name="bench.waiting")
async def waiting(ctx: Context) -> str:
    """W3: waits for the outside world, then is done."""
    answer: str = await ctx.promise()
    return answer
