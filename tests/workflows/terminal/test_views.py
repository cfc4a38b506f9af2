"""How the tree of a run is drawn on a terminal that may be too small for it."""

import io
from datetime import timedelta

import pytest
from rich.console import Console

from workflows import Context, workflow
from workflows.terminal.views import folded, picture
from workflows.testing import Playground
from workflows.tree import Node, call_tree


def count(number: int) -> int:
    return number


@workflow(name="views.inner")
async def inner(ctx: Context) -> None:
    for number in range(40):
        await ctx.run(count, number)


@workflow(name="views.many")
async def many(ctx: Context) -> None:
    await ctx.run(inner)
    for number in range(60):
        await ctx.run(count, number)
    await ctx.options(id="now").promise()


@pytest.fixture
def tree() -> Node:
    """A hundred calls, of which one is awaited."""
    play = Playground()
    play.start(many)
    play.work()
    return call_tree(play.store, "r", play.probe.nodes())


@pytest.mark.parametrize("room", [200, 100, 30, 10, 6])
def test_it_fits_with_what_is_awaited_and_the_last_calls(tree: Node, room: int) -> None:
    found = [node.words() for node in all_nodes(folded(tree, room))]
    assert len(found) <= room
    assert found[0] == "views.many: waiting"
    assert found[-1] == "promise: waiting"
    assert len(found) == 103 if room == 200 else any("calls before" in words for words in found)


def test_long_names_are_cut_and_time_goes_on() -> None:
    console = Console(file=io.StringIO(), width=40)
    node = Node("r", None, "a" * 60, "running", started_at=1_000)
    console.print(picture(node, now=3_500))
    assert console.file.getvalue() == f"• {'a' * 37}…\n"  # type: ignore[attr-defined]
    console.print(picture(Node("r", None, "step", "running", started_at=1_000), now=3_500))
    assert console.file.getvalue().splitlines()[1] == "• step: running 2.5 s  r"  # type: ignore[attr-defined]


def test_a_tree_says_how_long_a_nested_workflow_took() -> None:
    @workflow(name="views.slow")
    async def slow(ctx: Context) -> None:
        await ctx.sleep(timedelta(minutes=5))

    @workflow(name="views.outer")
    async def outer(ctx: Context) -> None:
        await ctx.run(slow)

    play = Playground()
    play.run(outer)
    assert play.tree().splitlines()[1] == "└── :1 views.slow: resolved, 5 min"


def all_nodes(node: Node) -> list[Node]:
    return [node, *(found for child in node.children for found in all_nodes(child))]
