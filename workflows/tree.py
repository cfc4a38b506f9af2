"""The call graph of an execution in a memory store, as people read it in a terminal or beside a failing test: what was
called, how it ended, and what is still awaited."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import Any

from promises.records import PromiseRecord
from promises.states import PromiseState, TaskState
from promises.times import to_datetime
from promises.values import display
from workflows.durations import in_words
from workflows.errors import RemoteError, error_from_json
from workflows.kinds import kind_of
from workflows.stores.memory import MemoryStore

LONGEST_DETAIL = 100
SHORTEST_TIME = 10  # ms; below it there is nothing to tell

_ENDED = {
    PromiseState.RESOLVED: "resolved",
    PromiseState.REJECTED: "failed",
    PromiseState.REJECTED_CANCELED: "canceled",
    PromiseState.REJECTED_TIMEDOUT: "timed out",
}
_TASKS = {TaskState.PENDING: "ready", TaskState.ACQUIRED: "running", TaskState.SUSPENDED: "waiting"}
_OTHERS = {"sleep": "sleeping", "approval": "waiting", "promise": "waiting"}
_number = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Node:
    """One call. `state`: how it ended (resolved, failed, canceled, timed out), or ready, running, waiting, sleeping,
    failing (between two attempts) or halted. `detail`: what it waits for, or went wrong. `until` (ms): when that is
    over by itself."""

    id: str
    parent_id: str | None
    name: str
    state: str
    detail: str = ""
    attempts: int = 1
    until: int | None = None
    started_at: int | None = None
    settled_at: int | None = None
    children: "list[Node]" = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return self.state in _ENDED.values()

    @property
    def took(self) -> int | None:
        """How long it took (ms), once it is over. (A nested workflow is stored when it ends: it began before its
        children.)"""
        if self.settled_at is None or self.started_at is None:
            return None
        return self.settled_at - min([self.started_at, *(c.started_at for c in self.children if c.started_at)])

    def words(self, zone: tzinfo | None = None) -> str:
        """Everything but the id, in one line; times in this zone, the local one unless given."""
        notes = [self.state]
        if self.attempts > 1:
            notes.append(f"{self.attempts} attempts")
        moment = to_datetime(self.until)
        if moment is not None:
            notes.append(f"until {moment.astimezone(zone):%Y-%m-%d %H:%M:%S}")
        if self.took is not None and self.took >= SHORTEST_TIME:
            notes.append(in_words(self.took))
        return f"{self.name}: {', '.join(notes)}{f' ({self.detail})' if self.detail else ''}"

    def lines(self, zone: tzinfo | None = UTC) -> Iterator[str]:
        """The tree from here on, a line for each call."""
        yield f"{self.id} {self.words(zone)}"
        yield from self._lines_below(zone, "")

    def _lines_below(self, zone: tzinfo | None, indent: str) -> Iterator[str]:
        for number, child in enumerate(self.children, 1):
            is_last = number == len(self.children)
            yield f"{indent}{'└── ' if is_last else '├── '}{child.short_id} {child.words(zone)}"
            yield from child._lines_below(zone, indent + ("    " if is_last else "│   "))

    @property
    def short_id(self) -> str:
        """The id within its execution: ":1.2"; the whole id for the root."""
        root, colon, rest = self.id.partition(":")
        return f":{rest}" if colon else root


def ended(state: str) -> str:
    """The word for a settled promise's state."""
    return _ENDED[PromiseState(state)]


def node_of(promise: PromiseRecord, store: MemoryStore) -> Node:
    """What a stored promise says."""
    kind = kind_of(promise)
    name = promise.func if kind in ("workflow", "remote", "step") else kind
    attempts = int(promise.tags.get("countersign:attempt", 1))
    detail = _question(promise)
    node = Node(promise.id, promise.parent_id, name or promise.id, "", detail, attempts, started_at=promise.created_at)
    if promise.settled_at is not None:
        error = error_of(promise)
        return replace(
            node,
            state=ended(promise.state),
            detail=error or node.detail,
            settled_at=promise.settled_at,
        )
    task = store.tasks.get(promise.id)
    if task is None:
        return replace(node, state=_OTHERS.get(kind, "waiting"), until=promise.timeout_at)
    if task.state == TaskState.HALTED:
        return replace(node, state="halted", detail=task.halt_reason)
    return replace(node, state=_TASKS[TaskState(task.state)])


def call_tree(store: MemoryStore, id: str, unstored: Iterable[Node]) -> Node:
    """The execution's calls: those that are stored, and of others what is known (see `Sight`). Raises KeyError."""
    nodes = {node.id: node for node in unstored}
    with store.changed:
        store.apply_deadlines()
        nodes |= {promise.id: node_of(promise, store) for promise in store.promises.values()}
    for node in sorted(nodes.values(), key=_in_order):
        if node.parent_id in nodes:
            nodes[node.parent_id].children.append(node)
    return nodes[id]


def _in_order(node: Node) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in _number.split(node.id)]


def _question(promise: PromiseRecord) -> str:
    """What a latent promise was made with."""
    if promise.tags.get("resonate:external") != "true":
        return ""
    data = display(promise.param.data)
    if isinstance(data, dict) and isinstance(data.get("question"), str):
        return one_line(data["question"])
    return "" if data is None else one_line(json.dumps(data, ensure_ascii=False))


def error_of(promise: PromiseRecord) -> str:
    """What a failed one failed with, in one line: "ValueError: bad"; else ""."""
    if promise.state != PromiseState.REJECTED:
        return ""
    error = error_from_json(display(promise.value.data))
    name = error.name if isinstance(error, RemoteError) and error.name else type(error).__name__
    return one_line(f"{name}: {error}")


def one_line(text: object) -> str:
    """The text, short enough for a line of the tree."""
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST_DETAIL else f"{line[: LONGEST_DETAIL - 1]}…"
