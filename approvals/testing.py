"""Virtual people for tests and local mode: they answer under the same policies, in memory, with no Django.

    humans = Humans(finance=["bob", "carol"])
    humans.auto(lambda request: "approve")
    local.run(expense, "ana", csv, services={"approvals": humans})

Without `auto`, requests wait: `humans["bob"].approve(humans["bob"].inbox.one("Refund*"))`, from another thread than
the one that runs the workflow. What answers for people is what the runner was given; no setting brings it into
production.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from approvals import rules, verdicts
from approvals.answers import BallotRecord, Decision
from approvals.cards import Card, card_of, request_id
from approvals.counting import Cast
from approvals.errors import AlreadyDecided, NotEligible
from approvals.rules import Eligibility, Standing, Voter
from approvals.verdicts import Decided
from promises.records import PromiseRecord
from promises.states import PromiseState
from promises.times import now_ms, to_datetime
from promises.values import Value
from workflows.stores.base import Store

Answer = str | tuple[str, str] | None


@dataclass(eq=False)
class HeldRequest:
    """A request as virtual people see it."""

    humans: "Humans"
    promise_id: str
    execution_id: str
    workflow: str
    card: Card
    opened_at: int
    ballots: list[BallotRecord] = field(default_factory=list)
    casts: list[Cast] = field(default_factory=list)
    outcome: str = ""

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
    def is_pending(self) -> bool:
        return self.humans.promise(self).is_pending

    def eligibility(self, name: str) -> Eligibility:
        """Every rule for this person."""
        policy = self.card.policy
        voter = Voter(name, self.humans.principals(name))
        return rules.eligibility(policy, voter, Standing(self.casts, self.requester, self.stage))

    @property
    def stage(self) -> int:
        return verdicts.current_stage(self.card.policy, self.casts, self.humans.members, requester=self.requester)


class Inbox(list[HeldRequest]):
    """The requests that wait for one person, oldest first."""

    def one(self, title: str = "*") -> HeldRequest:
        """The only request whose title matches the pattern (`Refund*`). Raises LookupError."""
        found = [request for request in self if fnmatchcase(request.title, title)]
        if len(found) != 1:
            raise LookupError(f"{len(found)} requests match {title!r}: {[request.title for request in self]}")
        return found[0]


@dataclass(frozen=True)
class Human:
    """One virtual person."""

    humans: "Humans"
    name: str

    @property
    def inbox(self) -> Inbox:
        return Inbox(r for r in self.humans.requests.values() if r.is_pending and r.eligibility(self.name).allowed)

    def approve(self, request: HeldRequest, comment: str = "") -> None:
        self.decide(request, "approve", comment)

    def reject(self, request: HeldRequest, comment: str) -> None:
        self.decide(request, "reject", comment)

    def decide(self, request: HeldRequest, outcome: str, comment: str = "") -> None:
        """Answer. Errors: as `approvals.operations.approval_decide`."""
        self.humans.decide(request, self.name, outcome, comment)


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
        self.opened = threading.Condition(threading.RLock())
        self._store: Store | None = None
        self._auto: Callable[[HeldRequest], Answer] | None = None

    def __getitem__(self, name: str) -> Human:
        return Human(self, name)

    def auto(self, answer: Callable[[HeldRequest], Answer]) -> None:
        """Answer every request as soon as it opens: `answer(request)` gives an outcome, (outcome, comment), or None to
        leave it open. As many eligible people as the policy takes vote for it; when the policy asks people that nobody
        here has heard of, they are invented."""
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
        if self._auto is not None:
            self._answer(request, self._auto(request))
        return request.id

    def read_decision(self, promise_id: str) -> Decision:
        request = self.requests[promise_id]
        promise = self.promise(request)
        card, outcome = request.card, request.outcome
        is_late = not outcome and promise.state == PromiseState.REJECTED_TIMEDOUT and bool(card.timeout_outcome)
        if is_late:
            outcome = card.timeout_outcome
        offered = card.outcome(outcome)
        last = request.ballots[-1] if request.ballots and not is_late else None
        return Decision(
            request.id,
            outcome,
            offered.kind if offered else "",
            timed_out=is_late,
            canceled=not outcome,
            by=last.by if last else None,
            comment=last.comment if last else "",
            ballots=tuple(request.ballots),
            digest=card.digest,
            opened_at=to_datetime(request.opened_at),
            decided_at=to_datetime(promise.settled_at),
        )

    # -- rules ---------------------------------------------------------------------------------------------------------

    def principals(self, name: str) -> frozenset[str]:
        """All that this person is: `user:`, `group:`, `permission:`."""
        return frozenset([f"user:{name}", *(p for p, people in self.members.items() if name in people)])

    def promise(self, request: HeldRequest) -> PromiseRecord:
        found = self._store.get(request.promise_id) if self._store else None
        if found is None:
            raise LookupError(request.promise_id)
        return found

    def decide(self, request: HeldRequest, name: str, outcome: str, comment: str = "") -> None:
        """Cast a ballot, and settle the promise when that decides the request."""
        with self.opened:
            if not self.promise(request).is_pending:
                by = request.ballots[-1].by if request.outcome and request.ballots else ""
                raise AlreadyDecided(by=by, outcome=request.outcome)
            found = request.eligibility(name)
            rules.ballot_check(found, request.card.outcomes, outcome, comment)
            at = to_datetime(self._now())
            assert at is not None
            request.casts.append(Cast(name, outcome, found.matched, request.stage))
            request.ballots.append(BallotRecord(name, outcome, comment, at))
            verdict = verdicts.evaluate(
                request.card.policy, request.casts, request.card.outcomes, self.members, requester=request.requester
            )
            if isinstance(verdict, Decided):
                request.outcome = verdict.outcome
                value = Value.of({"outcome": verdict.outcome, "comment": comment, "by": name})
                assert self._store is not None
                self._store.settle(request.promise_id, PromiseState.RESOLVED, value)

    def _answer(self, request: HeldRequest, answer: Answer) -> None:
        if answer is None:
            return
        outcome, comment = (answer, "by the test") if isinstance(answer, str) else answer
        while request.is_pending:
            self.decide(request, self._somebody(request), outcome, comment)

    def _somebody(self, request: HeldRequest) -> str:
        """A person who may decide now; invented when the policy asks people that nobody here has heard of."""
        policy = request.card.policy
        asked = policy.principals(request.stage)
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

    def _now(self) -> int:
        return self._store.now() if self._store else now_ms()
