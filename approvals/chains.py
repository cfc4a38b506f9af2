"""Whether a chain of events is whole: no number missing, each event as it was recorded, each after the one before.
Pure functions, for the table and for exported files alike."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from approvals.canonical import canonical


class Link(Protocol):
    """An event of the audit: a row, or a line of an export."""

    stream: str
    number: int
    kind: str
    actor: str
    channel: str
    data: Any
    happened_at: int
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where a stream is not whole."""

    stream: str
    number: int
    why: str

    def __str__(self) -> str:
        return f"{self.stream} {self.number}: {self.why}"


def link_content(event: Link) -> dict[str, Any]:
    """What the hash of an event covers: everything that it says, and the hash of the one before."""
    return {
        "stream": event.stream,
        "number": event.number,
        "kind": event.kind,
        "actor": event.actor,
        "channel": event.channel,
        "data": event.data,
        "at": event.happened_at,
        "previous": event.previous_hash,
    }


def link_hash(event: Link) -> str:
    """SHA-256, in hexadecimal, of the canonical form (RFC 8785) of the content."""
    return hashlib.sha256(canonical(link_content(event))).hexdigest()


def first_break(events: Iterable[Link], *, after: tuple[int, str] | None = (0, "")) -> Break | None:
    """The first break in the events of one stream, in their order; None when it is whole. `after` is the number and the
    hash that the first event follows; None when what came before is not known."""
    for event in events:
        number, previous = after or (event.number - 1, event.previous_hash)
        if event.number != number + 1:
            return Break(
                event.stream, number + 1, f"this event is missing; the next one there is has number {event.number}"
            )
        if event.previous_hash != previous:
            return Break(event.stream, event.number, "it does not follow the event before it")
        if link_hash(event) != event.hash:
            return Break(event.stream, event.number, "it is not what it was when it was recorded")
        after = (event.number, event.hash)
    return None
