"""What changed between two versions of a request: the places that differ, for programs and for people."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from approvals.schemas import pointer


@dataclass(frozen=True, slots=True)
class Change:
    """One place: `path` is a JSON pointer into the content of the request."""

    verb: Literal["add", "remove", "replace"]
    path: str
    old: Any = None
    new: Any = None

    def to_json(self) -> dict[str, Any]:
        """An operation in the way of RFC 6902 that also says what was there before: {"op", "path", "old", "value"}."""
        found: dict[str, Any] = {"op": self.verb, "path": self.path}
        if self.verb != "add":
            found["old"] = self.old
        if self.verb != "remove":
            found["value"] = self.new
        return found


def changes_between(old: Any, new: Any) -> list[Change]:
    """The smallest parts that differ, in the order of the content."""
    return list(_changes(old, new, ()))


def _changes(old: Any, new: Any, path: tuple[str | int, ...]) -> Iterator[Change]:
    if (isinstance(old, dict) and isinstance(new, dict)) or (isinstance(old, list) and isinstance(new, list)):
        before, after = _parts(old), _parts(new)
        for key in dict.fromkeys([*before, *after]):
            place = (*path, key)
            if key not in after:
                yield Change("remove", pointer(*place), old=before[key])
            elif key not in before:
                yield Change("add", pointer(*place), new=after[key])
            else:
                yield from _changes(before[key], after[key], place)
    elif type(old) is not type(new) or old != new:
        yield Change("replace", pointer(*path), old, new)


def _parts(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else dict(enumerate(value))
