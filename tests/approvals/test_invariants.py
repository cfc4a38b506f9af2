"""Whatever people, memberships, delegations and time do, in any order: a request is never decided without its policy
satisfied, never undecidable without being stalled, never decided twice, and the audit always verifies and alone tells
the state of every request.

What "satisfied" and "undecidable" mean is said here a second time, in the plainest way: by counting, and by trying
every way in which people could still vote.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import combinations
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from approvals import operations, queries
from approvals.cards import card
from approvals.delegations import Delegation
from approvals.durations import after
from approvals.errors import ApprovalError
from approvals.models import Alarm, ApprovalRequest, Ballot, Decision
from approvals.operations.rechecking import LOOK_EVERY_MS
from approvals.policies import Policy, requester, same_person_twice
from approvals.requirements import AllOf, AnyOf, Count, Requirement, all_of, any_of, n_of, percent_of
from approvals.verification import breaks
from promises import store
from promises.clock import Clock, sweeps_from_settings
from tests.approvals.conftest import request_open

pytestmark = pytest.mark.slow

NOW = 1_800_000_000_000
HOUR = 3_600_000
GROUPS = {"bob": ["finance"], "carol": ["finance"], "dave": ["sre"], "erin": ["sre", "finance"], "lea": ["leads"]}
PEOPLE = sorted(GROUPS)
POLICIES = [
    Policy("one", stages=["group:finance"], never=[requester(), "user:carol"]),
    Policy("two", stages=[n_of(2, "group:finance", "group:sre")], escalate=after("3h", to="group:leads"), remind="1h"),
    Policy("half", stages=[percent_of(50, "group:finance"), "group:leads"], veto="user:lea"),
    Policy("each", stages=[all_of("group:sre", "user:bob"), "group:finance"], never=same_person_twice()),
    Policy("either", stages=[any_of("user:lea", n_of(2, "group:sre"))], escalate=after("2h", to="user:bob")),
]

people = st.sampled_from([*PEOPLE, "ana", "robot"])
groups = st.sampled_from(["finance", "sre", "leads", "machines"])
principals = st.one_of(people.map("user:{}".format), groups.map("group:{}".format))
numbers = st.integers(0, 2)
outcomes = st.sampled_from(["approve", "approve", "approve", "canary", "reject"])


class Office(RuleBasedStateMachine):
    """People at work, in a transaction that is rolled back when the example is over."""

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        for name, their in {**GROUPS, "ana": [], "robot": ["machines", "finance"]}.items():
            User.objects.create_user(name).groups.set([Group.objects.get_or_create(name=g)[0] for g in their])
        User.objects.create_superuser("admin")
        Group.objects.get_or_create(name="leads")
        self.now = NOW
        self.asked: list[Any] = []
        self.clock = Clock(sweeps_from_settings())
        self.stages: dict[Any, int] = {}
        self.decisions: dict[Any, tuple[str, str]] = {}
        self.ballots = 0

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    # -- what happens --------------------------------------------------------------------------------------------------

    @initialize(first=st.sampled_from(POLICIES), second=st.sampled_from(POLICIES))
    def two_are_asked(self, first: Policy, second: Policy) -> None:
        self.ask(first, "ana", None, None)
        self.ask(second, "bob", 4, ["approve", "canary", "reject"])

    @precondition(lambda self: len(self.asked) < 3)
    @rule(
        policy=st.sampled_from(POLICIES),
        by=people,
        hours=st.sampled_from([None, 4]),
        outcomes=st.sampled_from([None, ["approve", "canary", "reject"]]),
    )
    def another_is_asked(self, policy: Policy, by: str, hours: int | None, outcomes: list[str] | None) -> None:
        self.ask(policy, by, hours, outcomes)

    def ask(self, policy: Policy, by: str, hours: int | None, outcomes: list[str] | None) -> None:
        timeout = None if hours is None else after(f"{hours}h", then="reject")
        made = request_open(requester=by, to=policy, timeout=timeout, outcomes=outcomes, now=self.now)
        self.asked.append(made.pk)

    @rule(n=numbers, outcomes=st.lists(outcomes, min_size=1, max_size=3), first=numbers)
    def those_who_may_decide(self, n: int, outcomes: list[str], first: int) -> None:
        for number, outcome in enumerate(outcomes, first):
            with self.request(n) as request:
                self.cast(request, self.one_who_may(request, number), outcome, stage=request.stage)

    @rule(n=numbers, first=numbers, deputy=people, outcome=outcomes)
    def a_deputy_decides(self, n: int, first: int, deputy: str, outcome: str) -> None:
        with self.request(n) as request:
            place = self.one_who_may(request, first)
            self.delegate(place, deputy, 1)
            self.cast(request, deputy, outcome, on_behalf_of=place)

    @rule(n=numbers, who=people, outcome=outcomes, stage=st.sampled_from([None, 0, 1]), place=st.sampled_from(PEOPLE))
    def anybody_tries_to_decide(self, n: int, who: str, outcome: str, stage: int | None, place: str) -> None:
        for on_behalf_of in ("", place):
            with self.request(n) as request:
                self.cast(request, who, outcome, stage=stage, on_behalf_of=on_behalf_of)

    def one_who_may(self, request: ApprovalRequest, number: int) -> str:
        may = [name for name in PEOPLE if queries.eligibility(request, user(name), self.now).allowed]
        return may[number % len(may)] if may else "ana"

    def cast(self, request: ApprovalRequest, who: str, outcome: str, **more: Any) -> None:
        operations.approval_decide(
            request.pk, actor=user(who), outcome=outcome, comment="so", channel="page", now=self.now, **more
        )

    @rule(n=numbers, number=numbers, who=people, is_over=st.booleans())
    def claim(self, n: int, number: int, who: str, is_over: bool) -> None:
        claimant = "ana"
        with self.request(n) as request:
            claimant = self.one_who_may(request, number)
            operations.approval_claim(request.pk, actor=user(claimant), channel="page", now=self.now)
        with self.request(n) as request:
            by = user(claimant if is_over else who)
            operations.approval_release(request.pk, actor=by, channel="page", now=self.now)

    @rule(n=numbers, number=numbers, to=principals, is_own=st.booleans())
    def reassign(self, n: int, number: int, to: str, is_own: bool) -> None:
        with self.request(n) as request:
            asked = request.thawed_policy.principals()
            old = asked[number % len(asked)]
            by = user(old.removeprefix("user:")) if is_own and old.startswith("user:") else user("admin")
            operations.approval_reassign(
                request.pk, instead_of=old, to=to, actor=by, reason="", channel="page", now=self.now
            )

    @rule(n=numbers, number=numbers, principal=principals, is_required=st.booleans())
    def add(self, n: int, number: int, principal: str, is_required: bool) -> None:
        with self.request(n) as request:
            operations.approval_add_approver(
                request.pk,
                principal=principal,
                actor=user(self.one_who_may(request, number) if is_required else "admin"),
                is_required=is_required,
                reason="",
                channel="page",
                now=self.now,
            )

    @rule(n=numbers, principal=principals)
    def escalate(self, n: int, principal: str) -> None:
        with self.request(n) as request:
            operations.approval_escalate(
                request.pk, to=principal, actor=user("admin"), reason="", channel="page", now=self.now
            )

    @rule(n=numbers, policy=st.sampled_from(POLICIES))
    def revise(self, n: int, policy: Policy) -> None:
        with self.request(n) as request:
            asked = card("Another question?", to=policy, requester=request.requester)
            operations.approval_revise(request.pk, asked.to_json(), revision=request.revision + 1, now=self.now)

    @rule(n=numbers, is_withdrawn=st.booleans(), is_meant=st.sampled_from([False, False, True]))
    def close_without_people(self, n: int, is_withdrawn: bool, is_meant: bool) -> None:
        if not is_meant:
            return
        with self.request(n) as request:
            if is_withdrawn:
                operations.approval_withdraw(request.pk, by="ana", reason="", channel="page", now=self.now)
            else:  # around the approval
                store.promise_settle(request.promise_id, "rejected_canceled", now=self.now)
        self.tick(0)

    @rule(a=people, b=people, hours=st.integers(1, 6))
    def somebody_delegates(self, a: str, b: str, hours: int) -> None:
        self.delegate(a, b, hours)

    def delegate(self, a: str, b: str, hours: int) -> None:
        with suppress(ApprovalError):
            operations.delegation_create(
                a, b, starts_at=self.now, ends_at=self.now + hours * HOUR, by=user(a), now=self.now
            )

    @rule()
    def revoke(self) -> None:
        for made in Delegation.objects.active(self.now)[:1]:
            operations.delegation_revoke(made.pk, by=user("admin"), now=self.now)

    @rule(who=st.sampled_from(PEOPLE), group=groups)
    def join_or_leave(self, who: str, group: str) -> None:
        theirs, found = user(who).groups, Group.objects.get(name=group)
        (theirs.remove if theirs.filter(pk=found.pk).exists() else theirs.add)(found)
        self.tick(LOOK_EVERY_MS)

    @rule(who=st.sampled_from(PEOPLE))
    def come_or_go(self, who: str) -> None:
        User.objects.filter(username=who).update(is_active=not user(who).is_active)
        self.tick(LOOK_EVERY_MS)

    @rule(hours=st.sampled_from([0, 0, 1, 2, 5]))
    def time_passes(self, hours: int) -> None:
        self.tick(hours * HOUR + LOOK_EVERY_MS)

    def tick(self, ms: int) -> None:
        self.now += ms
        self.clock.tick(self.now)

    @contextmanager
    def request(self, n: int) -> Iterator[ApprovalRequest]:
        """One of the requests; what is refused about it is no matter."""
        with suppress(ApprovalError):
            yield ApprovalRequest.objects.get(pk=self.asked[n % len(self.asked)])

    # -- what holds ----------------------------------------------------------------------------------------------------

    @invariant()
    def the_audit_verifies_and_tells_every_state(self) -> None:
        assert [str(item) for item in breaks([])] == []

    @invariant()
    def nothing_is_decided_without_its_policy_satisfied(self) -> None:
        for request in ApprovalRequest.objects.all():
            begun = self.stages.get((request.pk, request.version), 0)
            self.stages[request.pk, request.version] = request.stage
            policy, cast = request.thawed_policy, list(request.ballots.filter(version=request.version))
            done = range(begun, request.stage)
            if request.state == "decided":
                decisive = next(o for o in request.thawed_outcomes if o.name == request.outcome)
                if decisive.is_negative:
                    assert any(ballot.outcome == request.outcome for ballot in cast)
                    continue
                done = range(begun, len(policy.stages))
            for stage in done:
                assert is_satisfied(policy, stage, cast, request), (request.policy_name, stage)

    @invariant()
    def nothing_is_undecidable_without_being_stalled(self) -> None:
        for request in ApprovalRequest.objects.pending():
            can_be_decided = can_be_approved(request)
            assert request.is_stalled is not can_be_decided, (request.policy_name, request.stage, request.amendments)
            if request.is_stalled:  # and everybody who could have been asked was
                assert not Alarm.objects.filter(request=request, kind="escalate").exists()

    @invariant()
    def nothing_is_decided_twice(self) -> None:
        for decision in Decision.objects.all():
            told = (decision.outcome, decision.by)
            assert self.decisions.setdefault(decision.pk, told) == told
            promise = store.promise_get(decision.request.promise_id, now=self.now)
            assert promise.value.decode()["outcome"] == decision.outcome

    @invariant()
    def every_ballot_was_somebodys_to_cast(self) -> None:
        cast = Ballot.objects.order_by("pk")
        for ballot in cast[self.ballots :]:
            voter = ballot.on_behalf_of or ballot.actor
            policy = ballot.request.thawed_policy
            assert ballot.matched
            assert all(voter in members(principal) for principal in ballot.matched)
            for name in {ballot.actor, voter}:
                assert not any(name in members(principal) for principal in policy.barred)
                assert not (policy.excludes_requester and name == ballot.request.requester)
            assert ballot.actor in active_people()
            if ballot.on_behalf_of:
                active = Delegation.objects.active(self.now)
                assert active.filter(delegator=voter, delegate=ballot.actor).exists()
        self.ballots = cast.count()


# -- the rules, a second time ----------------------------------------------------------------------------------------


def user(name: str) -> User:
    return User.objects.get(username=name)


def active_people() -> set[str]:
    active = User.objects.filter(is_active=True)
    return {u.username for u in active if not u.groups.filter(name="machines").exists()}


def members(principal: str) -> set[str]:
    kind, _, name = principal.partition(":")
    return {n for n in active_people() if (n == name if kind == "user" else user(n).groups.filter(name=name).exists())}


def able(principal: str, policy: Policy, request: ApprovalRequest) -> set[str]:
    out = {name for barred in policy.barred for name in members(barred)}
    return members(principal) - out - ({request.requester} if policy.excludes_requester else set())


def is_met(need: Requirement, voters: dict[str, set[str]], policy: Policy, request: ApprovalRequest) -> bool:
    match need:
        case AllOf(parts):
            return all(is_met(part, voters, policy, request) for part in parts)
        case AnyOf(parts):
            return any(is_met(part, voters, policy, request) for part in parts)
        case Count():
            wanted = need.need
            if need.percent is not None:
                crowd = set().union(*(able(principal, policy, request) for principal in need.principals))
                wanted = max(1, -(-len(crowd) * need.percent // 100))
            counted = {*need.principals, *need.also, *need.former}
            return len([name for name, matched in voters.items() if matched & counted]) >= wanted


def is_satisfied(policy: Policy, stage: int, cast: list[Ballot], request: ApprovalRequest) -> bool:
    """Whether this stage is met by the ballots for one outcome."""
    return any(
        is_met(
            policy.stages[stage],
            {b.actor: set(b.matched) for b in cast if b.stage == stage and b.outcome == outcome},
            policy,
            request,
        )
        for outcome in {b.outcome for b in cast}
    )


def can_be_approved(request: ApprovalRequest) -> bool:
    """By trying every set of people in every stage that is left, for every outcome that is no no."""
    policy, cast = request.thawed_policy, list(request.ballots.filter(version=request.version))
    asked = [p for n in range(len(policy.stages)) for p in policy.principals(n)]
    principals_of = {p: able(p, policy, request) for p in asked}
    everybody = set().union(*principals_of.values())
    out = {name for b in cast for name in (b.actor, b.on_behalf_of) if b.stage == request.stage}
    before = {name for b in cast for name in (b.actor, b.on_behalf_of) if b.stage < request.stage}
    twice = policy.excludes_same_person

    def rest(stage: int, voters: dict[str, set[str]], free: set[str]) -> bool:
        if stage == len(policy.stages):
            return True
        for size in range(len(free) + 1):
            for more in combinations(sorted(free), size):
                chosen = {name: {p for p in policy.principals(stage) if name in principals_of[p]} for name in more}
                if is_met(policy.stages[stage], {**chosen, **voters}, policy, request):
                    left = (free - set(more)) if twice else everybody
                    if rest(stage + 1, {}, left):
                        return True
        return False

    free = everybody - out - (before if twice else set())
    return any(
        rest(
            request.stage,
            {b.actor: set(b.matched) for b in cast if b.stage == request.stage and b.outcome == o.name},
            free,
        )
        for o in request.thawed_outcomes
        if not o.is_negative
    )


def test_whatever_happens(db: None) -> None:
    run_state_machine_as_test(
        Office,
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
