"""What a request asks, frozen: question, audience, answers, blocks, risk, deadline, and the digest over all of it."""

import hashlib
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import rfc8785

from approvals import outcomes as offered_outcomes
from approvals import policies
from approvals.blocks import Block, blocks_check
from approvals.calendars import moment_after
from approvals.durations import After
from approvals.errors import InvalidCard
from approvals.outcomes import Outcome, outcomes_of
from approvals.policies import Policy

RISKS = ("low", "medium", "high")
TITLE_LIMIT = 500

_NAMESPACE = uuid.UUID("6f3f4c53-5e5d-5c7a-9f0d-6d3d0c1f7a10")


def request_id(promise_id: str) -> uuid.UUID:
    """The id of the request that settles this promise: the same however often it is opened."""
    return uuid.uuid5(_NAMESPACE, promise_id)


@dataclass(frozen=True, slots=True)
class Card:
    """A request for approval before anybody has seen it. `timeout_ms` counts from when it is opened, in the working
    time of `timeout_calendar` if one is named."""

    title: str
    policy: Policy
    outcomes: tuple[Outcome, ...]
    blocks: tuple[Block, ...] = ()
    risk: str = "medium"
    requester: str = ""
    timeout_ms: int | None = None
    timeout_outcome: str = ""
    timeout_calendar: str = ""

    def to_json(self) -> dict[str, Any]:
        """The card as JSON; `card_of` brings it back."""
        timing = {"timeout_ms": self.timeout_ms, "timeout_calendar": self.timeout_calendar}
        return {**self.content(), "requester": self.requester, **timing}

    def content(self) -> dict[str, Any]:
        """What a person agrees to: the part that the digest covers."""
        return {
            "title": self.title,
            "policy": policies.freeze(self.policy),
            "outcomes": offered_outcomes.freeze(self.outcomes),
            "blocks": list(self.blocks),
            "risk": self.risk,
            "timeout_outcome": self.timeout_outcome,
        }

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the RFC 8785 form of `content`."""
        return hashlib.sha256(rfc8785.dumps(_canonical(self.content()))).hexdigest()

    def deadline_from(self, now: int) -> int | None:
        """When the time to answer is over, if the request opens at `now`; both in ms. Errors: InvalidPolicy, when its
        calendar is not known here."""
        if self.timeout_ms is None:
            return None
        return moment_after(now, timedelta(milliseconds=self.timeout_ms), self.timeout_calendar)

    def outcome(self, name: str) -> Outcome | None:
        return next((outcome for outcome in self.outcomes if outcome.name == name), None)


def card(
    title: str,
    *,
    to: Any,
    show: Iterable[Block] = (),
    outcomes: Iterable[Outcome | str] | None = None,
    risk: str = "medium",
    timeout: After | None = None,
    requester: str = "",
    never: Any = (),
) -> Card:
    """A card, checked. Errors: InvalidCard, InvalidPolicy."""
    if not isinstance(title, str) or not title.strip():
        raise InvalidCard("A request needs a question.")
    if len(title) > TITLE_LIMIT or re.search(r"[\x00-\x1f\x7f]", title):
        raise InvalidCard(f"The question is one line of at most {TITLE_LIMIT} characters; the rest belongs in blocks.")
    if risk not in RISKS:
        raise InvalidCard(f"risk is one of {', '.join(RISKS)}, not {risk!r}.")
    offered = outcomes_of(outcomes)
    if timeout is not None and timeout.then not in [outcome.name for outcome in offered]:
        raise InvalidCard(f"after(..., then={timeout.then!r}): the request does not offer this outcome.")
    return Card(
        title.strip(),
        policies.policy_of(to, never=never),
        offered,
        tuple(blocks_check(list(show))),
        risk,
        requester or "",
        int(timeout.duration.total_seconds() * 1000) if timeout else None,
        timeout.then if timeout else "",
        timeout.calendar if timeout else "",
    )


def card_of(frozen: dict[str, Any]) -> Card:
    """The card in this JSON. Errors: InvalidCard."""
    timeout_ms = frozen.get("timeout_ms")
    return card(
        frozen["title"],
        to=policies.thaw(frozen["policy"]),
        show=frozen["blocks"],
        outcomes=offered_outcomes.thaw(frozen["outcomes"]),
        risk=frozen["risk"],
        timeout=None
        if timeout_ms is None
        else After(timedelta(milliseconds=timeout_ms), frozen["timeout_outcome"], frozen.get("timeout_calendar", "")),
        requester=frozen.get("requester", ""),
    )


def _canonical(value: Any) -> Any:
    """RFC 8785 knows only doubles: an integer that no double holds is written as a text."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1:
        return str(value)
    return value
