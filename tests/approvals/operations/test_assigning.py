"""Changing whom a request asks: handing on, adding, escalating; by whom, and what is refused."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from approvals import operations, queries
from approvals.audit import events_of
from approvals.errors import InvalidChange, NotAllowed, NotEligible, RequestClosed
from approvals.models import ApprovalRequest
from approvals.policies import Policy, requester, same_person_twice
from approvals.requirements import InvalidPolicy, all_of, n_of
from promises.times import now_ms

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]


def reassign(request: ApprovalRequest, by: User, instead_of: str, to: str, **more: object) -> ApprovalRequest:
    more = {"reason": "knows more", "channel": "page", "now": now_ms(), **more}
    return operations.approval_reassign(request.pk, instead_of=instead_of, to=to, actor=by, **more)


def add(request: ApprovalRequest, by: User, principal: str, *, is_required: bool, **more: object) -> ApprovalRequest:
    more = {"reason": "his budget", "channel": "page", "now": now_ms(), **more}
    return operations.approval_add_approver(request.pk, principal=principal, actor=by, is_required=is_required, **more)


def escalate(request: ApprovalRequest, by: User, to: str, **more: object) -> ApprovalRequest:
    more = {"reason": "urgent", "channel": "page", "now": now_ms(), **more}
    return operations.approval_escalate(request.pk, to=to, actor=by, **more)


def decide(request: ApprovalRequest, actor: User, outcome: str = "approve") -> operations.Vote:
    return operations.approval_decide(
        request.pk, actor=actor, outcome=outcome, comment="because", channel="page", now=now_ms()
    )


def titles(user: User) -> list[str]:
    return [request.title for request in queries.inbox(user, now_ms())]


# -- handing on ------------------------------------------------------------------------------------------------------


def test_what_one_is_asked_by_name_can_be_handed_on(people: People, ask: Ask) -> None:
    request = ask("Pay?", to="user:bob")
    reassign(request, people["bob"], "user:bob", "user:carol")
    with pytest.raises(NotEligible):
        decide(request, people["bob"])
    assert (titles(people["bob"]), titles(people["carol"])) == ([], ["Pay?"])
    assert decide(request, people["carol"]).is_decided
    event = events_of(request)[1]
    assert (event.kind, event.actor) == ("reassigned", "bob")
    assert event.data == {"from": "user:bob", "to": ["user:carol"], "reason": "knows more"}


def test_handing_on_again_changes_nothing_and_back_is_another_change(people: People, ask: Ask) -> None:
    request = ask(to="user:bob")
    for _ in range(2):
        reassign(request, people["bob"], "user:bob", "user:carol")
    assert len(events_of(request)) == 2
    reassign(request, people["carol"], "user:carol", "user:bob")
    reassign(request, people["bob"], "user:bob", "user:carol")
    assert decide(request, people["carol"]).is_decided


@pytest.mark.parametrize("name", ["carol", "ana", "bob"])
def test_what_a_group_is_asked_only_an_operator_hands_on(people: People, ask: Ask, name: str) -> None:
    request = ask(to="group:finance")
    with pytest.raises(NotAllowed):
        reassign(request, people[name], "group:finance", "group:sre")
    reassign(request, people["admin"], "group:finance", "group:sre")
    assert decide(request, people["dave"]).is_decided


def test_a_token_that_may_not_operate_and_a_machine_hand_nothing_on(people: People, ask: Ask) -> None:
    request = ask(to=["user:bob", "user:admin"])
    with pytest.raises(NotAllowed):
        reassign(request, people["admin"], "user:bob", "user:carol", as_operator=False)
    with pytest.raises(NotAllowed):
        reassign(request, people["bob"], "user:bob", "user:carol", is_person=False)


def test_an_answer_that_was_given_counts_although_its_place_is_handed_on(people: People, ask: Ask) -> None:
    request = ask(to=all_of("user:bob", "group:sre"))
    decide(request, people["bob"])
    reassign(request, people["admin"], "user:bob", "user:carol")
    assert decide(request, people["dave"]).is_decided


def test_handing_on_ends_a_claim(people: People, ask: Ask) -> None:
    request = ask(to="user:bob")
    operations.approval_claim(request.pk, actor=people["bob"], channel="page", now=now_ms())
    reassign(request, people["bob"], "user:bob", "user:carol")
    assert decide(request, people["carol"]).is_decided


WRONG_HEIRS = [
    ("user:nobody", "no active user"),
    ("user:ana", "excludes ana"),  # who asked
    ("user:frank", "excludes frank"),
    ("group:nobody", "too few"),
    ("user:bob", "the same"),
]


@pytest.mark.parametrize(("to", "why"), WRONG_HEIRS)
def test_it_is_not_handed_to_somebody_who_cannot_decide(people: People, ask: Ask, to: str, why: str) -> None:
    request = ask(to="user:bob", never=[requester(), "user:frank"])
    with pytest.raises(InvalidChange, match=why):
        reassign(request, people["bob"], "user:bob", to)
    request.refresh_from_db()
    assert (request.amendments, len(events_of(request))) == ([], 1)
    assert titles(people["bob"])


def test_nor_to_somebody_who_has_voted_in_an_earlier_stage(people: People, ask: Ask) -> None:
    request = ask(to=Policy(stages=["group:finance", "user:dave"], never=same_person_twice()))
    decide(request, people["carol"])
    with pytest.raises(InvalidChange, match="too few"):
        reassign(request, people["dave"], "user:dave", "user:carol")


def test_a_place_that_nobody_has_is_not_handed_on(people: People, ask: Ask) -> None:
    with pytest.raises(InvalidChange, match="does not ask erin"):
        reassign(ask(), people["admin"], "user:erin", "user:dave")
    with pytest.raises(InvalidPolicy):
        reassign(ask(), people["admin"], "erin", "user:dave")


# -- adding and escalating -------------------------------------------------------------------------------------------


def test_whoever_may_decide_may_ask_for_another_answer_as_well(people: People, ask: Ask) -> None:
    request = ask("Pay?", to="group:finance")
    for _ in range(2):
        add(request, people["bob"], "user:erin", is_required=True)
    assert titles(people["erin"]) == ["Pay?"]
    assert not decide(request, people["bob"]).is_decided
    assert decide(request, people["erin"]).is_decided
    assert [event.kind for event in events_of(request)][:2] == ["opened", "approver_added"]
    assert len(events_of(request)) == 5


def test_somebody_who_may_not_decide_asks_for_nothing(people: People, ask: Ask) -> None:
    with pytest.raises(NotEligible, match="does not concern you"):
        add(ask(), people["erin"], "user:dave", is_required=True)
    with pytest.raises(NotEligible):
        add(ask(), people["ana"], "user:dave", is_required=True)
    with pytest.raises(NotEligible, match="Only people"):
        add(ask(), people["bob"], "user:dave", is_required=True, is_person=False)


def test_asking_somebody_instead_of_others_takes_the_permission(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:finance"))
    with pytest.raises(NotAllowed):
        add(request, people["bob"], "user:erin", is_required=False)
    add(request, people["admin"], "user:erin", is_required=False)
    decide(request, people["bob"])
    assert decide(request, people["erin"]).is_decided


def test_an_answer_is_not_required_of_somebody_who_has_given_it(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:finance"))
    decide(request, people["bob"])
    with pytest.raises(InvalidChange, match="too few"):
        add(request, people["carol"], "user:bob", is_required=True)


def test_escalating_asks_others_in_every_stage_that_is_left(people: People, ask: Ask) -> None:
    request = ask(to=Policy(stages=["user:bob", "user:carol"]))
    for _ in range(2):
        escalate(request, people["admin"], "group:sre")
    assert not decide(request, people["dave"]).is_decided
    assert decide(request, people["erin"]).is_decided
    event = events_of(request)[1]
    assert (event.kind, event.actor, event.data["because"]) == ("escalated", "admin", "asked")


def test_escalating_takes_the_permission(people: People, ask: Ask) -> None:
    for name in ("ana", "bob"):
        with pytest.raises(NotAllowed):
            escalate(ask(), people[name], "group:sre")


def test_a_closed_request_is_left_as_it_is(people: People, ask: Ask) -> None:
    request = ask(to="user:bob")
    operations.approval_withdraw(request.pk, by="ana", reason="", channel="page", now=now_ms())
    with pytest.raises(RequestClosed):
        reassign(request, people["bob"], "user:bob", "user:carol")
    with pytest.raises(RequestClosed):
        add(request, people["admin"], "user:carol", is_required=False)
    with pytest.raises(RequestClosed):
        escalate(request, people["admin"], "group:sre")
