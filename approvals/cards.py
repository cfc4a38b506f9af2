"""What a request asks, frozen: question, audience, answers, blocks, risk, deadline, and the digest over all of it."""

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from approvals import outcomes as offered_outcomes
from approvals import policies, proposals
from approvals.blocks import CARD_LIMIT, Block, blocks_check
from approvals.calendars import moment_after
from approvals.canonical import digest_of
from approvals.durations import After
from approvals.errors import InvalidCard
from approvals.outcomes import Outcome, outcomes_of
from approvals.policies import Policy
from approvals.proposals import Proposal, proposal_of
from approvals.schemas import Schema, is_storable, schema_of

RISKS = ("low", "medium", "high")
TITLE_LIMIT = 500

_NAMESPACE = uuid.UUID("6f3f4c53-5e5d-5c7a-9f0d-6d3d0c1f7a10")


def request_id(promise_id: str) -> uuid.UUID:
    """The id of the request that settles this promise: the same however often it is opened."""
    return uuid.uuid5(_NAMESPACE, promise_id)


@dataclass(frozen=True, slots=True)
class Card:
    """A request for approval before anybody has seen it. `timeout_ms` counts from when it is opened, in the working
    time of `timeout_calendar` if one is named; `form` is a JSON Schema; `previous` is the request that this one
    follows, and `note` says why it is asked again."""

    title: str
    policy: Policy
    outcomes: tuple[Outcome, ...]
    blocks: tuple[Block, ...] = ()
    risk: str = "medium"
    requester: str = ""
    timeout_ms: int | None = None
    timeout_outcome: str = ""
    timeout_calendar: str = ""
    form: Schema | None = None
    proposal: Proposal | None = None
    previous: str = ""
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """The card as JSON; `card_of` brings it back."""
        timing = {"timeout_ms": self.timeout_ms, "timeout_calendar": self.timeout_calendar}
        again = {"previous": self.previous, "note": self.note}
        return {**self.content(), "requester": self.requester, **timing, **again}

    def content(self) -> dict[str, Any]:
        """What a person agrees to: the part that the digest covers."""
        return {
            "title": self.title,
            "policy": policies.freeze(self.policy),
            "outcomes": offered_outcomes.freeze(self.outcomes),
            "blocks": list(self.blocks),
            "risk": self.risk,
            "timeout_outcome": self.timeout_outcome,
            "form": self.form,
            "proposal": self.proposal.to_json() if self.proposal else None,
        }

    @property
    def digest(self) -> str:
        """What tells this content from any other."""
        return digest_of(self.content())

    @property
    def offered(self) -> tuple[Outcome, ...]:
        """The outcomes that people can choose."""
        return tuple(outcome for outcome in self.outcomes if outcome.offered)

    def deadline_from(self, now: int) -> int | None:
        """When the time to answer is over, if the request opens at `now`; both in ms. Errors: InvalidPolicy, when its
        calendar is not known here."""
        if self.timeout_ms is None:
            return None
        return moment_after(now, timedelta(milliseconds=self.timeout_ms), self.timeout_calendar)

    def outcome(self, name: str) -> Outcome | None:
        return next((outcome for outcome in self.outcomes if outcome.name == name), None)

    def form_for(self, outcome: Outcome) -> Schema | None:
        """What this outcome asks for: a form of its own, or the request's, which a no does not need."""
        own: Schema | None = outcome.form
        return own if own is not None or outcome.is_negative else self.form

    def but(self, value: Any) -> "Card":
        """The card with the proposal that somebody has corrected."""
        return replace(self, proposal=self.proposal.but(value) if self.proposal else None)


def card(
    title: str,
    *,
    to: Any,
    show: Iterable[Block] = (),
    outcomes: Iterable[Outcome | str] | None = None,
    form: Any = None,
    propose: Any = None,
    editable: Iterable[str] | bool = (),
    risk: str = "medium",
    timeout: After | None = None,
    requester: str = "",
    never: Any = (),
    previous: str = "",
    note: str = "",
) -> Card:
    """A card, checked. Errors: InvalidCard, InvalidPolicy."""
    if risk not in RISKS:
        raise InvalidCard(f"risk is one of {', '.join(RISKS)}, not {risk!r}.")
    answers, timeout_outcome = _answers(outcomes_of(outcomes), timeout)
    return card_check(
        Card(
            title=title,
            policy=policies.policy_of(to, never=never),
            outcomes=answers,
            blocks=tuple(blocks_check(list(show))),
            risk=risk,
            requester=requester or "",
            timeout_ms=int(timeout.duration.total_seconds() * 1000) if timeout else None,
            timeout_outcome=timeout_outcome,
            timeout_calendar=timeout.calendar if timeout else "",
            form=schema_of(form),
            proposal=proposal_of(propose, editable),
            previous=previous,
            note=note,
        )
    )


def card_check(card: Card) -> Card:
    """The card, if its question is one line and everything in it can be stored and read. Errors: InvalidCard."""
    if not isinstance(card.title, str) or not card.title.strip():
        raise InvalidCard("A request needs a question.")
    if len(card.title) > TITLE_LIMIT or re.search(r"[\x00-\x1f\x7f]", card.title):
        raise InvalidCard(f"The question is one line of at most {TITLE_LIMIT} characters; the rest belongs in blocks.")
    content = card.to_json()
    if not is_storable(content):
        raise InvalidCard("The card holds a NUL character or half of a surrogate pair, which cannot be stored.")
    try:
        text = json.dumps(content, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, TypeError) as error:
        raise InvalidCard(f"The card cannot be stored: {error}") from None
    if len(text) > CARD_LIMIT:
        raise InvalidCard(
            f"The card is larger than {CARD_LIMIT // 1024} kB; show what a person can read, link the rest."
        )
    return replace(card, title=card.title.strip())


def card_of(frozen: dict[str, Any]) -> Card:
    """The card in this JSON, which `Card.to_json` has made: what was checked then is not checked again."""
    return Card(
        title=frozen["title"],
        policy=policies.thaw(frozen["policy"]),
        outcomes=offered_outcomes.thaw(frozen["outcomes"]),
        blocks=tuple(frozen["blocks"]),
        risk=frozen["risk"],
        requester=frozen.get("requester", ""),
        timeout_ms=frozen.get("timeout_ms"),
        timeout_outcome=frozen["timeout_outcome"],
        timeout_calendar=frozen.get("timeout_calendar", ""),
        form=frozen.get("form"),
        proposal=proposals.thaw(frozen.get("proposal")),
        previous=frozen.get("previous", ""),
        note=frozen.get("note", ""),
    )


def _answers(outcomes: tuple[Outcome, ...], timeout: After | None) -> tuple[tuple[Outcome, ...], str]:
    """The outcomes with their forms as schemas, and the name of the one that the deadline gives."""
    answers = tuple(replace(outcome, form=schema_of(outcome.form)) for outcome in outcomes)
    if timeout is None:
        return answers, ""
    if isinstance(timeout.then, Outcome):
        lapse = replace(timeout.then, form=None, offered=False)
        return (*(outcome for outcome in answers if outcome.name != lapse.name), lapse), lapse.name
    if timeout.then not in [outcome.name for outcome in answers]:
        raise InvalidCard(
            f"after(..., then={timeout.then!r:.60}): the request does not offer this outcome. One that only the "
            "deadline gives is written as then=Outcome(...)."
        )
    return answers, timeout.then
