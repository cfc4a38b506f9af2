"""How a run is shown: a tree that is redrawn where it stands; where nothing can be redrawn, a line for each event."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from promises.records import PromiseRecord
from workflows.attempts import Attempt
from workflows.durations import in_words
from workflows.observing import End
from workflows.operations import Operation
from workflows.sight import Sight
from workflows.stores.memory import MemoryStore
from workflows.terminal.screen import Screen, clean
from workflows.tree import Node, call_tree, node_of

BREAK = 10  # after it was drawn, that many times as long is left to the workflow
_STYLES = {
    "resolved": "green",
    "failed": "bold red",
    "timed out": "red",
    "canceled": "dim",
    "halted": "bold red",
    "failing": "yellow",
    "waiting": "cyan",
    "sleeping": "cyan",
}
_MARKS = {
    "resolved": "✓",
    "failed": "✗",
    "timed out": "✗",
    "canceled": "–",
    "halted": "✗",
    "failing": "↻",
    "waiting": "…",
    "sleeping": "…",
}


class View(Sight):
    """An observer of the engine that shows what it sees, and what the store tells it."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self.screen = screen
        self.store = MemoryStore(on_change=self.changed)

    def changed(self, promise: PromiseRecord) -> None:
        """A promise is new, or settled."""

    def refresh(self) -> None:
        """Called again and again."""

    @contextmanager
    def running(self, id: str) -> Iterator[None]:
        """While the execution runs."""
        yield
        self.refresh()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While the person is asked something."""
        self.refresh()
        yield


class Lines(View):
    """A line for each promise that begins or ends, and for each attempt that fails; they stay where they are."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._events: deque[str] = deque()

    def changed(self, promise: PromiseRecord) -> None:
        self._tell(node_of(promise, self.store))

    def attempt(self, operation: Operation) -> End[Attempt | None]:
        end = super().attempt(operation)

        def told(attempt: Attempt | None) -> None:
            end(attempt)
            if attempt is not None and attempt.retry_in is not None:
                self._tell(self.steps[operation.id])

        return told

    def refresh(self) -> None:
        while self._events:
            self.screen.say(self._events.popleft())

    def _tell(self, node: Node) -> None:
        self._events.append(f"{node.id} {node.words()}")


class RedrawnTree(View):
    """The tree of calls. When it is higher than the screen, what has ended is folded."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._live = self._new()
        self._id = ""
        self._next_at = 0.0

    @contextmanager
    def running(self, id: str) -> Iterator[None]:
        self._id = id
        self._live.start()
        try:
            yield
        finally:
            self._live.stop()
        self.screen.show(picture(self._tree(), self.store.now()))

    @contextmanager
    def aside(self) -> Iterator[None]:
        self._live.stop()
        yield
        self._live = self._new()  # one that is started again would erase what was shown meanwhile
        self._live.start()

    def refresh(self) -> None:
        began = time.monotonic()
        if began < self._next_at:
            return
        tree = folded(self._tree(), self.screen.console.height - 2)
        self._live.update(picture(tree, self.store.now()), refresh=True)
        self._next_at = began + BREAK * (time.monotonic() - began)

    def _new(self) -> Live:
        return Live(console=self.screen.console, auto_refresh=False, transient=True)

    def _tree(self) -> Node:
        return call_tree(self.store, self._id, self.nodes())


def picture(node: Node, now: int, below: Tree | None = None) -> Tree:
    """The tree, drawn."""
    label = Text(no_wrap=True, overflow="ellipsis", style=_STYLES.get(node.state, ""))
    label.append(f"{_MARKS.get(node.state, '•')} {clean(node.words())}")
    if not node.is_over and node.started_at is not None and now - node.started_at >= 1000:
        label.append(f" {in_words(now - node.started_at)}")
    label.append(f"  {node.short_id}", "dim")
    branch = below.add(label) if below is not None else Tree(label, guide_style="dim")
    for child in node.children:
        picture(child, now, branch)
    return branch


def folded(node: Node, room: int) -> Node:
    """The tree in so many lines, if that can be: of what has ended only the last calls of each function."""
    for keep in (room, room // 2, 10, 5, 2, 0):
        found = _keeping(node, keep)
        if sum(1 for _ in found.lines()) <= room:
            break
    return found


def _keeping(node: Node, keep: int) -> Node:
    over = [child for child in node.children if child.is_over]
    hidden = {child.id for child in over[: max(len(over) - keep, 0)]}
    children = [_keeping(child, keep) for child in node.children if child.id not in hidden]
    if hidden:
        children.insert(0, Node("", node.id, f"{len(hidden)} calls before", "over"))
    return replace(node, children=children)
