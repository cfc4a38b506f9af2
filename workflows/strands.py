"""How the promises of an execution get their ids: by the order of calls within one strand of a function, never by the
order in which concurrent strands happen to run."""

import re
from contextvars import ContextVar
from typing import Any

from workflows.errors import InvalidId

_id = re.compile(r"[^\s:/\\\x00-\x1f\x7f?#%]{1,200}")


def check_id(id: str) -> str:
    """The id, if it may name an execution: the root of its call graph's ids. Errors: InvalidId."""
    if not isinstance(id, str) or not _id.fullmatch(id):
        raise InvalidId(f"{id!r:.80} cannot be an id: use 1 to 200 characters, without spaces and : / \\ ? # %.")
    return id


def child_id(parent: str, name: int | str) -> str:
    """The id below `parent`: `root` -> `root:1` -> `root:1.2`."""
    return f"{parent}.{name}" if ":" in parent else f"{parent}:{name}"


class Strand:
    """One line of control in a function's body: its main line, or an asyncio task it started. Numbers its calls from
    1."""

    __slots__ = ("count", "frame", "prefix")

    def __init__(self, frame: Any, prefix: str) -> None:
        self.frame = frame
        self.prefix = prefix
        self.count = 0

    def next_id(self, name: str | None = None) -> str:
        """The id of the next call; `name` replaces its number, which is used up all the same."""
        self.count += 1
        return child_id(self.prefix, name or self.count)

    def fork(self) -> "Strand":
        """The strand of an asyncio task started here; it takes one number of this strand."""
        return Strand(self.frame, self.next_id())


# The strand whose code is running; None outside workflow bodies (in steps, in the engine).
CURRENT: ContextVar[Strand | None] = ContextVar("workflow_strand", default=None)
