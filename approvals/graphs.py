"""The call graph of an execution as a page shows it: a row for each promise, in the order of a tree, with the people
it waits for and what stands in its way."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

from approvals.models import ApprovalRequest
from promises.records import PromiseRecord, TaskRecord
from promises.states import PromiseState, TaskState
from promises.values import display
from workflows.kinds import kind_of

VALUE_LIMIT = 20_000  # characters of a value that a page shows
KINDS: Mapping[str, tuple[Any, str]] = {
    "workflow": (_("workflow"), "workflow"),
    "remote": (_("remote call"), "git-branch"),
    "step": (_("step"), "square-function"),
    "sleep": (_("sleep"), "alarm-clock"),
    "approval": (_("approval"), "users"),
    "promise": (_("callback"), "webhook"),
}

# What it means that a promise of this kind is pending.
_PENDING = {
    "workflow": "running",
    "remote": "running",
    "step": "running",
    "sleep": "sleeping",
    "approval": "waiting",
    "promise": "outside",
}

_number = re.compile(r"(\d+)")


@dataclass
class Node:
    """One promise of the tree. `opens`: a list of children follows. `closes`: so many lists end after it (one item of
    `closes` for each)."""

    promise: PromiseRecord
    kind: str
    depth: int
    now: int
    task: TaskRecord | None = None
    request: ApprovalRequest | None = None
    waits_for: str = ""
    can_open: bool = False
    callback_url: str = ""
    opens: bool = False
    closes: range = field(default_factory=lambda: range(0))

    @property
    def id(self) -> str:
        return self.promise.id

    @property
    def short_id(self) -> str:
        """The id within its execution: ":1.2"; the whole id for the root."""
        root, colon, rest = self.promise.id.partition(":")
        return f":{rest}" if colon else root

    @property
    def name(self) -> str:
        if self.request is not None:
            return self.request.title
        if self.kind in ("sleep", "promise", "approval"):
            return str(KINDS[self.kind][0])
        return self.promise.func or str(KINDS[self.kind][0])

    @property
    def kind_words(self) -> str:
        return str(KINDS[self.kind][0])

    @property
    def icon(self) -> str:
        return KINDS[self.kind][1]

    @property
    def is_halted(self) -> bool:
        return self.promise.is_pending and self.task is not None and self.task.state == TaskState.HALTED

    @property
    def is_waiting(self) -> bool:
        return self.promise.is_pending and self.request is not None and self.request.is_pending

    @property
    def state(self) -> str:
        """The promise's state; while it is pending, what that means: "halted", "waiting" (for people), "sleeping",
        "outside" (waits for a callback), "running"."""
        if not self.promise.is_pending:
            return str(self.promise.state)
        if self.is_halted:
            return "halted"
        return _PENDING.get(self.kind, str(self.promise.state))

    @property
    def param(self) -> Any:
        return shown(self.promise.param.data)

    @property
    def value(self) -> Any:
        return shown(self.promise.value.data)

    @property
    def error(self) -> str:
        """Why it was rejected, in one line, if its value says so."""
        return error_words(self.promise)

    @property
    def took(self) -> int:
        """How long it took, or has been pending (ms)."""
        return (self.promise.settled_at or self.now) - self.promise.created_at


def nodes_of(
    graph: Sequence[PromiseRecord],
    tasks: Mapping[str, TaskRecord],
    requests: Iterable[ApprovalRequest] = (),
    *,
    now: int,
) -> list[Node]:
    """The promises of `graph` (the root first) in the order of the tree: children by when they were made."""
    asked = {request.promise_id: request for request in requests}
    known = {promise.id for promise in graph}
    children: dict[str, list[PromiseRecord]] = defaultdict(list)
    for promise in graph[1:]:
        parent = promise.parent_id
        children[parent if parent in known else graph[0].id].append(promise)
    for listed in children.values():
        listed.sort(key=lambda promise: (promise.created_at, _natural(promise.id)))
    return [
        Node(promise, kind_of(promise), depth, now, tasks.get(promise.id), asked.get(promise.id))
        for promise, depth in _walk(graph[0], children)
    ]


def levels_mark(nodes: Sequence[Node]) -> None:
    """Set where lists of children begin and end, for a run of nodes that may be a part of a tree: every list that
    begins ends."""
    is_open: list[int] = []  # the depths of the nodes whose lists are open
    for index, node in enumerate(nodes):
        following = nodes[index + 1].depth if index + 1 < len(nodes) else -1
        node.opens = following > node.depth
        if node.opens:
            is_open.append(node.depth)
        ended = 0
        while is_open and is_open[-1] >= following:
            is_open.pop()
            ended += 1
        node.closes = range(ended)


def shown(data: str | None) -> Any:
    """A value for reading: whole if it is short, else its beginning as text."""
    if data is not None and len(data) > 2 * VALUE_LIMIT:
        whole = str(display(data))
        return whole[:VALUE_LIMIT] + "\n…" if len(whole) > VALUE_LIMIT else whole
    return display(data)


def error_words(promise: PromiseRecord) -> str:
    """Why a promise was rejected, in one line; "" for the other states and when nothing was said."""
    if promise.state != PromiseState.REJECTED:
        return ""
    value = display(promise.value.data)
    if isinstance(value, dict):
        return ": ".join(str(value[key]) for key in ("name", "message") if value.get(key))
    return "" if value is None else str(value)


def _walk(root: PromiseRecord, children: Mapping[str, list[PromiseRecord]]) -> Iterator[tuple[PromiseRecord, int]]:
    """Depth first, without recursion: a chain may be deeper than Python's stack."""
    waiting = [(root, 0)]
    seen = set()
    while waiting:
        promise, depth = waiting.pop()
        if promise.id in seen:
            continue
        seen.add(promise.id)
        yield promise, depth
        waiting.extend((child, depth + 1) for child in reversed(children.get(promise.id, ())))


def _natural(id: str) -> list[tuple[int, int, str]]:
    """A key that sorts `:2` before `:10`."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in _number.split(id)]
