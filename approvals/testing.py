"""Virtual people for tests and local mode: they answer under the same policies and against the same forms, in memory,
with no Django.

    humans = Humans(finance=["bob", "carol"])
    play = Playground(services={"approvals": humans})    # from workflows.testing: a virtual clock
    play.start(refund, 7)
    play.work()
    humans["bob"].inbox.one("Refund*").approve("fine", edits={"amount": "12.00"})
    play.work()
    assert play.result() == "refunded"

With `auto` they answer by themselves, so that one call runs a workflow to its end:

    humans.auto(lambda request: "approve")
    local.run(refund, 7, services={"approvals": humans})

What answers for people is what a runner was given, and only where nothing is durable: no setting, and no service of a
worker, brings it into production.
"""

import base64
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from approvals import rules, verdicts
from approvals.answers import BallotRecord, Decision
from approvals.cards import Card, card_of, request_id
from approvals.changes import changes_between
from approvals.counting import Cast
from approvals.errors import AlreadyDecided, NotEligible, RequestChanged
from approvals.files import BINARY, File, upload_check
from approvals.rules import Eligibility, Standing, Voter
from approvals.submissions import Submission, submission_check
from approvals.verdicts import Decided
from promises.records import PromiseRecord
from promises.states import PromiseState
from promises.times import now_ms, to_datetime
from promises.values import Value
from workflows import codec
from workflows.stores.base import Store


@dataclass(frozen=True)
class Answer:
    """What a virtual person says: `input` for the form, `edits` for the proposal (the fields that change)."""

    outcome: str
    comment: str = "by the test"
    input: Any = None
    edits: Any = None


Said = Answer | str | tuple[str, str] | None


@dataclass(eq=False)
class HeldRequest:
    """A request as virtual people see it: the card as it is now, the ballots for it, and in `versions` the cards before
    it with theirs."""

    humans: "Humans"
    promise_id: str
    execution_id: str
    workflow: str
    card: Card
    opened_at: int
    revision: int = 0
    ballots: list[BallotRecord] = field(default_factory=list)
    casts: list[Cast] = field(default_factory=list)
    versions: list[tuple[Card, list[BallotRecord]]] = field(default_factory=list)
    outcome: str = ""
    by: BallotRecord | None = None
    withdrawn: str | None = None  # the reason

    @property
    def id(self) -> str:
        return str(request_id(self.promise_id))

    @property
    def title(self) -> str:
        return self.card.title

    @property
    def requester(self) -> str:
        return self.card.requester

    @property
    def version(self) -> int:
        return len(self.versions) + 1

    @property
    def is_pending(self) -> bool:
        return self.humans.promise(self).is_pending

    @property
    def stage(self) -> int:
        return verdicts.current_stage(self.card.policy, self.casts, self.humans.members, requester=self.requester)

    def eligibility(self, name: str) -> Eligibility:
        """Every rule for this person."""
        voter = Voter(name, self.humans.principals(name))
        return rules.eligibility(self.card.policy, voter, Standing(self.casts, self.requester, self.stage))

    def change(self, card: Card) -> None:
        """A new version: what was said to the old one is void."""
        self.versions.append((self.card, self.ballots))
        self.card, self.ballots, self.casts = card, [], []


@dataclass(frozen=True)
class Asked:
    """A request that waits for one person, who read it as it was when this was taken from the inbox."""

    human: "Human"
    request: HeldRequest
    digest: str

    @property
    def title(self) -> str:
        return self.card.title

    @property
    def card(self) -> Card:
        return self.request.card

    def approve(self, comment: str = "", *, input: Any = None, edits: Any = None) -> None:
        self.decide("approve", comment, input=input, edits=edits)

    def reject(self, comment: str = "", *, input: Any = None) -> None:
        self.decide("reject", comment, input=input)

    def decide(self, outcome: str, comment: str = "", *, input: Any = None, edits: Any = None) -> None:
        """Answer. Errors: as `approvals.operations.approval_decide`."""
        answer = Answer(outcome, comment, input, edits)
        self.human.humans.decide(self.request, self.human.name, answer, digest=self.digest)


class Inbox(list[Asked]):
    """The requests that wait for one person, oldest first."""

    def one(self, title: str = "*") -> Asked:
        """The only request whose title matches the pattern (`Refund*`). Raises LookupError."""
        found = [asked for asked in self if fnmatchcase(asked.title, title)]
        if len(found) != 1:
            raise LookupError(f"{len(found)} requests match {title!r}: {[asked.title for asked in self]}")
        return found[0]


@dataclass(frozen=True)
class Human:
    """One virtual person."""

    humans: "Humans"
    name: str

    @property
    def inbox(self) -> Inbox:
        mine = [r for r in self.humans.requests.values() if r.is_pending and r.eligibility(self.name).allowed]
        return Inbox(self.reads(request) for request in mine)

    def reads(self, request: HeldRequest | Asked) -> Asked:
        """Any request, whether or not it waits for this person."""
        held = request.request if isinstance(request, Asked) else request
        return Asked(self, held, held.card.digest)

    def upload(self, name: str, content: bytes, content_type: str = BINARY) -> File:
        """A file for the input of a form. Errors: InvalidInput."""
        file = upload_check(name, content_type, content)
        address = f"data:{file.content_type};base64,{base64.b64encode(content).decode()}"
        self.humans.files[address] = kept = file.model_copy(update={"id": address})
        return kept


class Humans:
    """All virtual people: the groups by keyword, single users by `users`, holders of permissions by `permissions`
    ({"app.codename": ["ana"]}). Pass it to a runner as `services={"approvals": humans}`."""

    keeps_deadlines = False

    def __init__(
        self,
        *,
        users: Iterable[str] = (),
        permissions: Mapping[str, Iterable[str]] | None = None,
        **groups: Iterable[str],
    ) -> None:
        self.members: dict[str, set[str]] = {f"group:{name}": set(people) for name, people in groups.items()}
        self.members |= {f"permission:{name}": set(people) for name, people in (permissions or {}).items()}
        everyone = set(users).union(*self.members.values())
        self.members |= {f"user:{name}": {name} for name in everyone}
        self.requests: dict[str, HeldRequest] = {}
        self.files: dict[str, File] = {}
        self.opened = threading.Condition(threading.RLock())
        self._store: Store | None = None
        self._auto: Callable[[HeldRequest], Said] | None = None

    def __getitem__(self, name: str) -> Human:
        return Human(self, name)

    def auto(self, answer: Callable[[HeldRequest], Said]) -> None:
        """Answer every request as soon as it opens or changes: `answer(request)` gives an Answer, an outcome, (outcome,
        comment), or None to leave it open. As many eligible people as the policy takes vote for it; when the policy
        asks people that nobody here has heard of, they are invented."""
        self._auto = answer

    # -- as the answerer of a runner -----------------------------------------------------------------------------------

    def bind(self, store: Store) -> None:
        self._store = store

    def open_request(self, promise_id: str, execution_id: str, workflow: str, card: dict[str, Any]) -> str:
        with self.opened:
            request = self.requests.get(promise_id)
            if request is None:
                request = HeldRequest(self, promise_id, execution_id, workflow, card_of(card), self._now())
                self.requests[promise_id] = request
                self.opened.notify_all()
        self._answer_auto(request)
        return request.id

    def revise_request(self, promise_id: str, revision: int, card: dict[str, Any]) -> bool:
        request = self.requests[promise_id]
        with self.opened:
            if request.revision < revision and not request.is_pending:
                return False
            if request.revision < revision:
                request.revision = revision
                request.change(card_of(card))
        self._answer_auto(request)
        return True

    def withdraw_request(self, promise_id: str, reason: str) -> bool:
        request = self.requests[promise_id]
        with self.opened:
            if request.is_pending:
                request.withdrawn = reason
                self._settle(request, PromiseState.REJECTED_CANCELED, Value())
            return request.withdrawn is not None

    def read_decision(self, promise_id: str) -> Decision:
        request = self.requests[promise_id]
        promise = self.promise(request)
        card, outcome, last = request.card, request.outcome, request.by
        is_late = not outcome and promise.state == PromiseState.REJECTED_TIMEDOUT and bool(card.timeout_outcome)
        if is_late:
            outcome = card.timeout_outcome
        offered = card.outcome(outcome)
        return Decision(
            request.id,
            outcome,
            offered.kind if offered else "",
            timed_out=is_late,
            canceled=not outcome,
            by=last.by if last else None,
            comment=last.comment if last else request.withdrawn or "",
            ballots=tuple(request.ballots),
            digest=card.digest,
            opened_at=to_datetime(request.opened_at),
            decided_at=to_datetime(promise.settled_at),
            input=last.input if last else None,
            value=card.proposal.value if outcome and card.proposal else None,
        )

    def url(self, path: str) -> str:
        return f"memory:{path}"

    # -- rules ---------------------------------------------------------------------------------------------------------

    def principals(self, name: str) -> frozenset[str]:
        """All that this person is: `user:`, `group:`, `permission:`."""
        return frozenset([f"user:{name}", *(p for p, people in self.members.items() if name in people)])

    def promise(self, request: HeldRequest) -> PromiseRecord:
        found = self._store.get(request.promise_id) if self._store else None
        if found is None:
            raise LookupError(request.promise_id)
        return found

    def decide(self, request: HeldRequest, name: str, answer: Answer, *, digest: str = "") -> None:
        """Cast a ballot, and settle the promise when that decides the request. Errors: as
        `approvals.operations.approval_decide`."""
        with self.opened:
            if not self.promise(request).is_pending:
                raise AlreadyDecided(by=request.by.by if request.by else "", outcome=request.outcome)
            found = request.eligibility(name)
            if digest and digest != request.card.digest and found.allowed:
                raise self._changed(request, digest)
            sent = submission_check(
                request.card,
                found,
                outcome=answer.outcome,
                comment=answer.comment,
                input=codec.to_json(answer.input),
                value=codec.to_json(answer.edits),
                file=self.files.get,
            )
            self._cast(request, name, found, sent)

    def _cast(self, request: HeldRequest, name: str, found: Eligibility, sent: Submission) -> None:
        stage = request.stage
        if sent.is_edited:
            request.change(sent.card)
        at = to_datetime(self._now())
        assert at is not None
        ballot = BallotRecord(name, sent.outcome.name, sent.comment, at, sent.input)
        request.casts.append(Cast(name, sent.outcome.name, found.matched, stage))
        request.ballots.append(ballot)
        card = request.card
        verdict = verdicts.evaluate(card.policy, request.casts, card.offered, self.members, requester=request.requester)
        if isinstance(verdict, Decided):
            request.outcome = verdict.outcome
            request.by = next(b for b in reversed(request.ballots) if b.outcome == verdict.outcome)
            value = {"outcome": verdict.outcome, "comment": request.by.comment, "by": request.by.by}
            self._settle(request, PromiseState.RESOLVED, Value.of(value))

    def _changed(self, request: HeldRequest, digest: str) -> RequestChanged:
        read = next((card for card, _ballots in request.versions if card.digest == digest), request.card)
        changes = changes_between(read.content(), request.card.content())
        told = f"{request.title!r} has changed since it was read; take it from the inbox again."
        return RequestChanged(told, digest=request.card.digest, version=request.version, changes=changes)

    def _answer_auto(self, request: HeldRequest) -> None:
        said = self._auto(request) if self._auto is not None and request.is_pending else None
        if said is None:
            return
        answer = said if isinstance(said, Answer) else Answer(said) if isinstance(said, str) else Answer(*said)
        while request.is_pending:
            self.decide(request, self._somebody(request), answer)

    def _somebody(self, request: HeldRequest) -> str:
        """A person who may decide now; invented when the policy asks people that nobody here has heard of."""
        asked = request.card.policy.principals(request.stage)
        for principal in asked:
            if not self.members.get(principal):
                invented = principal.partition(":")[2] if principal.startswith("user:") else f"somebody of {principal}"
                self.members.setdefault(principal, set()).add(invented)
        for name in sorted({name for principal in asked for name in self.members[principal]}):
            if request.eligibility(name).allowed:
                return name
        name = f"somebody {len(request.casts) + 1} of {asked[0]}"
        self.members[asked[0]].add(name)
        if not request.eligibility(name).allowed:
            raise NotEligible(f"Nobody can decide {request.title!r}.", request.eligibility(name))
        return name

    def _settle(self, request: HeldRequest, state: str, value: Value) -> None:
        assert self._store is not None
        self._store.settle(request.promise_id, state, value)

    def _now(self) -> int:
        return self._store.now() if self._store else now_ms()
