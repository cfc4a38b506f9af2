"""A request as its events alone tell it: what the table must say too. Pure functions."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from approvals import amendments
from approvals.amendments import Amendment


class Event(Protocol):
    """What is read of an event of the audit."""

    @property
    def kind(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...
    @property
    def happened_at(self) -> int: ...


@dataclass
class RebuiltBallot:
    """A ballot as it was recorded."""

    actor: str
    on_behalf_of: str
    outcome: str
    matched: list[str]
    stage: int
    version: int
    cast_at: int


@dataclass
class Rebuilt:
    """The fields of a request that change, and the ballots; named as in the table."""

    state: str = ""
    outcome: str = ""
    digest: str = ""
    requester: str = ""
    version: int = 1
    stage: int = 0
    is_stalled: bool = False
    opened_at: int = 0
    deadline_at: int | None = None
    decided_at: int | None = None
    decided_by: str = ""
    closed_because: str = ""
    claimed_by: str = ""
    claimed_until: int | None = None
    amendments: list[dict[str, Any]] = field(default_factory=list)
    ballots: list[RebuiltBallot] = field(default_factory=list)


def rebuild(events: Iterable[Event]) -> Rebuilt:
    """The request after these events, in their order. Events that change nothing of it are passed over."""
    found = Rebuilt()
    for event in events:
        if change := _CHANGES.get(event.kind):
            change(found, event)
    return found


def differences(row: Any, ballots: Iterable[Any], events: Iterable[Event]) -> list[str]:
    """The names of the fields in which a request (and its ballots) is not what its events say."""
    told = rebuild(events)
    wanted = asdict(told)
    stored = [{name: getattr(ballot, name) for name in _BALLOT_FIELDS} for ballot in ballots]
    names = [name for name in wanted if name != "ballots" and getattr(row, name) != wanted[name]]
    return names if stored == wanted["ballots"] else [*names, "ballots"]


_BALLOT_FIELDS = tuple(RebuiltBallot.__dataclass_fields__)


# -- one change for each kind of event --------------------------------------------------------------------------------


def _opened(found: Rebuilt, event: Event) -> None:
    found.state, found.requester, found.opened_at = "pending", event.actor, event.happened_at
    found.digest, found.deadline_at = event.data["digest"], event.data["deadline_at"]


def _ballot(found: Rebuilt, event: Event) -> None:
    found.ballots.append(
        RebuiltBallot(
            event.actor,
            event.data.get("for", ""),
            event.data["outcome"],
            event.data["as"],
            event.data["stage"],
            event.data["version"],
            event.happened_at,
        )
    )
    if found.claimed_by == event.actor:
        _unclaimed(found, event)


def _revised(found: Rebuilt, event: Event) -> None:
    found.version, found.digest = event.data["version"], event.data["digest"]
    found.stage, found.is_stalled = 0, False


def _stage(found: Rebuilt, event: Event) -> None:
    found.stage = event.data["stage"]
    _unclaimed(found, event)


def _stalled(found: Rebuilt, event: Event) -> None:
    found.is_stalled = True


def _resumed(found: Rebuilt, event: Event) -> None:
    found.is_stalled = False


def _claimed(found: Rebuilt, event: Event) -> None:
    found.claimed_by, found.claimed_until = event.actor, event.data["until"]


def _unclaimed(found: Rebuilt, event: Event) -> None:
    found.claimed_by, found.claimed_until = "", None


def _reassigned(found: Rebuilt, event: Event) -> None:
    amendment = Amendment("reassign", tuple(event.data["to"]), instead_of=event.data["from"])
    found.amendments.append(amendments.freeze(amendment))
    _unclaimed(found, event)


def _approver_added(found: Rebuilt, event: Event) -> None:
    kind: amendments.Kind = "require" if event.data["required"] else "add"
    found.amendments.append(amendments.freeze(Amendment(kind, tuple(event.data["to"]), event.data["stage"])))


def _escalated(found: Rebuilt, event: Event) -> None:
    found.amendments.append(amendments.freeze(Amendment("escalate", tuple(event.data["to"]), event.data["stage"])))


def _decided(found: Rebuilt, event: Event) -> None:
    _closed(found, event, "decided")
    found.outcome = event.data["outcome"]


def _timed_out(found: Rebuilt, event: Event) -> None:
    _closed(found, event, "timed_out")
    found.outcome = event.data["outcome"]


def _canceled(found: Rebuilt, event: Event) -> None:
    _closed(found, event, "canceled")
    found.closed_because = event.data["because"]


def _closed(found: Rebuilt, event: Event, state: str) -> None:
    found.state, found.decided_at, found.decided_by = state, event.happened_at, event.actor
    found.is_stalled = False
    _unclaimed(found, event)


_CHANGES: dict[str, Callable[[Rebuilt, Event], None]] = {
    "opened": _opened,
    "ballot": _ballot,
    "revised": _revised,
    "stage": _stage,
    "stalled": _stalled,
    "resumed": _resumed,
    "claimed": _claimed,
    "released": _unclaimed,
    "reassigned": _reassigned,
    "approver_added": _approver_added,
    "escalated": _escalated,
    "decided": _decided,
    "overridden": _decided,
    "timed_out": _timed_out,
    "canceled": _canceled,
}
