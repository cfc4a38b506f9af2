"""What a workflow gets back when people, or the deadline, have decided. Plain data, free of Django."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class BallotRecord:
    """One person's answer."""

    by: str
    outcome: str
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a request. It is true only for an approval by people: never for a deadline, a custom outcome or a
    request that was closed undecided.

    `by` is whose ballot decided it: None for the deadline. `comment` is that person's; each has his own in `ballots`.
    """

    request_id: str
    outcome: str
    kind: str
    timed_out: bool = False
    canceled: bool = False
    by: str | None = None
    comment: str = ""
    ballots: tuple[BallotRecord, ...] = field(default=())
    digest: str = ""
    opened_at: datetime | None = None
    decided_at: datetime | None = None

    def __bool__(self) -> bool:
        return self.approved

    @property
    def approved(self) -> bool:
        return self.kind == "approve" and not self.timed_out and not self.canceled

    @property
    def waited(self) -> timedelta | None:
        """How long the request was open."""
        if self.opened_at is None or self.decided_at is None:
            return None
        return self.decided_at - self.opened_at

    @property
    def approvers(self) -> list[str]:
        """Who voted for the outcome, in the order they did."""
        return names_for(self.outcome, self.ballots)


def names_for(outcome: str, ballots: Iterable[BallotRecord]) -> list[str]:
    """Who voted for this outcome."""
    return [ballot.by for ballot in ballots if ballot.outcome == outcome]
