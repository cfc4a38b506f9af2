"""What a workflow gets back when people, or the deadline, have decided. Plain data, free of Django."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BallotRecord:
    """One person's answer. `input` is JSON."""

    by: str
    outcome: str
    comment: str
    at: datetime
    input: Any = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a request. It is true only for an approval by people: never for a deadline, a custom outcome or a
    request that was closed undecided.

    `by` is whose ballot decided it: None for the deadline. `comment` and `input` are that person's; each has his own in
    `ballots`. `input` is an instance of the form, `value` the proposal as it was decided, with what people corrected.
    Of a request that was withdrawn `comment` is the reason. `receipt` proves the decision to others: signed, None where
    there is no key.
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
    input: Any = None
    value: Any = None
    receipt: dict[str, Any] | None = None

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


@dataclass(frozen=True, slots=True)
class ItemDecision(Generic[T]):
    """The answer to one item of `approve_each`: true only if everybody who was needed approved it. `item` is what is
    approved, with what people corrected; `by` and `comment` are whose answer decided it."""

    item: T
    outcome: str
    kind: str
    by: str | None = None
    comment: str = ""
    timed_out: bool = False
    canceled: bool = False

    def __bool__(self) -> bool:
        return self.approved

    @property
    def approved(self) -> bool:
        return self.kind == "approve" and not self.timed_out and not self.canceled


def names_for(outcome: str, ballots: Iterable[BallotRecord]) -> list[str]:
    """Who voted for this outcome."""
    return [ballot.by for ballot in ballots if ballot.outcome == outcome]
