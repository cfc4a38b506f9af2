"""Delegation: dated, by whom, no chains, the rules again; the audit says who for whom."""

from collections.abc import Callable
from functools import partial

import pytest
from django.contrib.auth.models import Group, Permission, User

from approvals import operations, queries
from approvals.audit import events_in, events_of
from approvals.delegations import Delegation
from approvals.errors import AlreadyVoted, DelegationNotFound, InvalidDelegation, NotAllowed, NotEligible
from approvals.models import ApprovalRequest, Ballot
from approvals.operations.delegating import LONGEST_MS, stream_of
from approvals.policies import requester
from approvals.requirements import all_of, n_of
from approvals.wording import of_event
from promises.times import now_ms
from tests.approvals.conftest import people_create, request_open
from tests.approvals.threads import at_once

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]
HOUR = 3_600_000
NOW = 1_800_000_000_000


def delegate(people: People, delegator: str, to: str, **more: object) -> Delegation:
    more = {"starts_at": NOW, "ends_at": NOW + HOUR, "by": people[delegator], "now": NOW, **more}
    return operations.delegation_create(delegator, to, **more)


def decide(request: ApprovalRequest, actor: User, outcome: str = "approve", **more: object) -> operations.Vote:
    more = {"channel": "page", "now": NOW, "comment": "because", **more}
    return operations.approval_decide(request.pk, actor=actor, outcome=outcome, **more)


def test_the_deputy_decides_and_the_record_says_for_whom(people: People, ask: Ask) -> None:
    delegate(people, "bob", "dave")
    request = ask(now=NOW)
    vote = decide(request, people["dave"])
    assert vote.is_decided
    assert (vote.ballot.actor, vote.ballot.on_behalf_of, vote.ballot.matched) == ("dave", "bob", ["group:finance"])
    assert (request.decision.by, request.decision.on_behalf_of) == ("dave", "bob")
    ballot, decided = events_of(request)[1:]
    assert (ballot.actor, ballot.data["for"], decided.data["for"]) == ("dave", "bob", "bob")
    assert of_event(ballot, request) == "dave for bob: Approve"


@pytest.mark.parametrize(("offset", "may"), [(-1, False), (0, True), (HOUR - 1, True), (HOUR, False)])
def test_it_holds_for_its_period_alone(people: People, ask: Ask, offset: int, may: bool) -> None:
    delegate(people, "bob", "dave", now=NOW - HOUR)
    request = ask(now=NOW - HOUR)
    assert queries.eligibility(request, people["dave"], NOW + offset).allowed is may
    assert (request in queries.inbox(people["dave"], NOW + offset)) is may
    assert queries.can_see(people["dave"], request, NOW + offset) is may


def test_a_revoked_delegation_ends_at_once_and_its_ballots_stay(people: People, ask: Ask) -> None:
    made = delegate(people, "bob", "dave")
    request = ask(to=n_of(2, "group:finance"), now=NOW)
    decide(request, people["dave"])
    operations.delegation_revoke(made.pk, by=people["bob"], reason="back", now=NOW + 1)
    assert not queries.can_see(people["dave"], ask(now=NOW), NOW + 1)
    assert decide(request, people["carol"], now=NOW + 2).is_decided


def test_what_was_delegated_is_not_passed_on(people: People, ask: Ask) -> None:
    delegate(people, "bob", "dave")
    delegate(people, "dave", "erin")
    with pytest.raises(NotEligible, match="not among those"):
        decide(ask(now=NOW), people["erin"])


def test_the_deputy_must_pass_every_rule_himself(people: People, ask: Ask) -> None:
    delegate(people, "bob", "ana")
    with pytest.raises(NotEligible, match="yourself"):
        decide(ask(never=requester(), now=NOW), people["ana"])
    with pytest.raises(NotEligible, match="Only people"):
        decide(ask(now=NOW), people["ana"], is_person=False)


def test_and_so_must_he_who_is_away(people: People, ask: Ask) -> None:
    delegate(people, "bob", "dave")
    request = ask(never="user:bob", now=NOW)
    with pytest.raises(NotEligible, match="excludes bob"):
        decide(request, people["dave"])
    User.objects.filter(username="bob").update(is_active=False)
    with pytest.raises(NotEligible, match="not among those"):
        decide(ask(now=NOW), people["dave"])


def test_an_account_that_was_closed_stands_in_for_nobody(people: People, ask: Ask) -> None:
    delegate(people, "bob", "dave")
    User.objects.filter(username="dave").update(is_active=False)
    with pytest.raises(NotEligible, match="not among those"):
        decide(ask(now=NOW), people["dave"])


def test_a_place_is_taken_once(people: People, ask: Ask) -> None:
    delegate(people, "bob", "dave")
    request = ask(to=n_of(2, "group:finance"), now=NOW)
    decide(request, people["dave"])
    with pytest.raises(AlreadyVoted, match="dave has answered in your place"):
        decide(request, people["bob"])
    with pytest.raises(AlreadyVoted):
        decide(request, people["dave"], "reject")
    assert decide(request, people["dave"]).is_repeated


def test_the_deputy_may_say_in_whose_place_he_answers(people: People, ask: Ask) -> None:
    delegate(people, "bob", "dave")
    request = ask(to=all_of("user:bob", "user:dave", "user:erin"), now=NOW)
    assert decide(request, people["dave"], on_behalf_of="bob").ballot.matched == ["user:bob"]
    with pytest.raises(NotEligible, match="do not stand in for erin"):
        decide(ask(now=NOW), people["carol"], on_behalf_of="erin")


def test_the_deputys_inbox_has_both_his_own_and_the_others(people: People, ask: Ask) -> None:
    delegate(people, "bob", "dave")
    ask("For finance", now=NOW)
    ask("For sre", to="group:sre", now=NOW)
    ask("Asked by bob", never=requester(), requester="bob", now=NOW)
    ask("For both, but dave has answered", to=all_of("user:dave", "user:bob"), now=NOW)
    decide(ApprovalRequest.objects.get(title__startswith="For both"), people["dave"])
    assert [request.title for request in queries.inbox(people["dave"], NOW)] == ["For finance", "For sre"]


def test_a_request_that_one_sees_by_permission_is_not_shown_to_the_deputy(people: People, ask: Ask) -> None:
    delegate(people, "admin", "erin")
    assert not queries.can_see(people["erin"], ask(now=NOW), NOW)


def test_the_same_delegation_again_is_the_same(people: People) -> None:
    assert delegate(people, "bob", "dave") == delegate(people, "bob", "dave")
    assert [event.kind for event in events_in(stream_of("bob"))] == ["delegated"]


WRONG = [
    {"to": "bob"},
    {"to": "nobody"},
    {"to": "gone"},
    {"to": "dave", "ends_at": NOW},
    {"to": "dave", "starts_at": NOW - 2 * HOUR, "ends_at": NOW - HOUR},
    {"to": "dave", "ends_at": NOW + LONGEST_MS + 1},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_delegation_that_makes_no_sense_is_refused(people: People, wrong: dict[str, object]) -> None:
    User.objects.create_user("gone", is_active=False)
    with pytest.raises(InvalidDelegation):
        delegate(people, "bob", **wrong)  # type: ignore[arg-type]


def test_one_delegates_for_oneself_or_with_the_permission(people: People) -> None:
    with pytest.raises(NotAllowed, match="bob"):
        delegate(people, "bob", "dave", by=people["carol"])
    people["carol"].user_permissions.add(Permission.objects.get(codename="change_delegation"))
    made = delegate(people, "bob", "dave", by=User.objects.get(username="carol"))
    assert (made.delegator, made.created_by) == ("bob", "carol")
    assert events_in(stream_of("bob"))[0].actor == "carol"


def test_revoking_is_recorded_once_and_is_not_everybodys(people: People) -> None:
    made = delegate(people, "bob", "dave")
    with pytest.raises(DelegationNotFound):
        operations.delegation_revoke(made.pk, by=people["erin"], now=NOW)
    with pytest.raises(NotAllowed):
        operations.delegation_revoke(made.pk, by=people["dave"], now=NOW)
    for moment in (NOW + 1, NOW + 2):
        assert operations.delegation_revoke(made.pk, by=people["bob"], now=moment).revoked_at == NOW + 1
    assert [event.kind for event in events_in(stream_of("bob"))] == ["delegated", "delegation_revoked"]


@pytest.mark.django_db(transaction=True)
def test_of_two_deputies_at_once_one_takes_the_place() -> None:
    people = people_create()
    now = now_ms()
    for name in ("dave", "erin"):
        delegate(people, "bob", name, starts_at=now, ends_at=now + HOUR, now=now)
    for number in range(10):
        request = request_open(id=f"deputy-{number}:1", to=n_of(2, "group:finance"), now=now)
        calls = [partial(decide, request, people[name], now=now) for name in ("dave", "erin", "bob")]
        results = at_once(*calls)
        assert sum(isinstance(result, NotEligible) for result in results) == 2, results
        assert Ballot.objects.filter(request=request).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_delegation_made_twice_at_once_is_one() -> None:
    people = people_create()
    at_once(*[partial(delegate, people, "bob", "dave")] * 3)
    assert Delegation.objects.count() == 1
    assert len(events_in(stream_of("bob"))) == 1


@pytest.mark.django_db(transaction=True)
def test_a_decision_and_a_change_of_membership_at_once_give_one_right_answer() -> None:
    people = people_create()
    finance = Group.objects.get(name="finance")
    for number in range(10):
        people["bob"].groups.add(finance)
        request = request_open(id=f"member-{number}:1", now=NOW)
        decided, _left = at_once(partial(decide, request, people["bob"]), User.objects.get(username="bob").groups.clear)
        request.refresh_from_db()
        if isinstance(decided, NotEligible):
            assert (request.state, Ballot.objects.filter(request=request).count()) == ("pending", 0)
        else:
            assert (request.state, request.ballots.get().matched) == ("decided", ["group:finance"])
