"""Generated workflow bodies: programs as data, run by one workflow function."""

import asyncio
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from workflows import Context, registry, workflow

# What ran, in order: ("step", n). Cleared by each test.
RAN: list[int] = []

Program = list[dict[str, Any]]


def count(n: int) -> int:
    RAN.append(n)
    return n


def fail(n: int) -> int:
    RAN.append(n)
    raise ValueError(str(n))


async def perform(ctx: Context, program: Program) -> list[Any]:
    """Carry the instructions out one after the other; the list of what each gave."""
    return [await instruction(ctx, line) for line in program]


async def instruction(ctx: Context, line: dict[str, Any]) -> Any:
    match line["do"]:
        case "step":
            return await ctx.run(count, line["n"])
        case "fail":
            try:
                return await ctx.options(retry=None).run(fail, line["n"])
            except ValueError as error:
                return f"error {error}"
        case "atomic":
            return await ctx.options(atomic=True).run(count, line["n"])
        case "sleep":
            return await ctx.sleep(timedelta(milliseconds=line["n"]))
        case "nested":
            return await ctx.run(generated, line["program"])
        case "remote":
            return await ctx.rpc(generated, line["program"])
        case "gather" | "group" | "later":
            return await at_once(ctx, line["do"], line["strands"])
    raise AssertionError(line)


async def at_once(ctx: Context, way: str, strands: list[Program]) -> list[Any]:
    """Carry programs out beside each other, as coroutines, as tasks of a group, or on other workers."""
    if way == "gather":
        return list(await asyncio.gather(*(perform(ctx, strand) for strand in strands)))
    if way == "group":
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(perform(ctx, strand)) for strand in strands]
        return [task.result() for task in tasks]
    calls = [ctx.rpc(generated, strand) for strand in strands]
    return [await call for call in calls]


@workflow(name="generated")
async def generated(ctx: Context, program: Program) -> list[Any]:
    return await perform(ctx, program)


GENERATED = registry._functions["generated", 1]


def expected(program: Program) -> list[Any]:
    """What the program gives, by plain evaluation."""
    return [_expected(line) for line in program]


def _expected(line: dict[str, Any]) -> Any:
    match line["do"]:
        case "step" | "atomic":
            return line["n"]
        case "fail":
            return f"error {line['n']}"
        case "sleep":
            return None
        case "nested" | "remote":
            return expected(line["program"])
    return [expected(strand) for strand in line["strands"]]


def steps(program: Program) -> list[int]:
    """The numbers of all steps, sorted: what has to run."""
    found: list[int] = []
    for line in program:
        if line["do"] in ("step", "fail", "atomic"):
            found.append(line["n"])
        for below in [line.get("program", []), *line.get("strands", [])]:
            found.extend(steps(below))
    return sorted(found)


_numbers = st.integers(1, 99)
_simple = st.one_of(
    st.builds(lambda n: {"do": "step", "n": n}, _numbers),
    st.builds(lambda n: {"do": "fail", "n": n}, _numbers),
    st.builds(lambda n: {"do": "atomic", "n": n}, _numbers),
    st.builds(lambda n: {"do": "sleep", "n": n}, st.integers(0, 5)),
)


def _deeper(programs: Any) -> Any:
    short = st.lists(programs, max_size=3)
    strands = st.lists(short, min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda program: {"do": "nested", "program": program}, short),
        st.builds(lambda program: {"do": "remote", "program": program}, short),
        st.builds(lambda strands: {"do": "gather", "strands": strands}, strands),
        st.builds(lambda strands: {"do": "group", "strands": strands}, strands),
        st.builds(lambda strands: {"do": "later", "strands": strands}, strands),
    )


programs = st.lists(st.recursive(_simple, _deeper, max_leaves=5), min_size=1, max_size=3)
short_programs = st.lists(st.recursive(_simple, _deeper, max_leaves=3), min_size=1, max_size=2)
