"""A request that changes while it is open: new versions, void ballots, what people are told of the difference."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User

from approvals import operations, queries
from approvals.cards import card
from approvals.errors import InvalidInput, RequestChanged, RequestNotFound
from approvals.models import ApprovalRequest, AuditEvent, Ballot, RequestVersion
from approvals.policies import Policy
from approvals.requirements import n_of
from promises import store
from promises.times import now_ms
from tests.approvals.conftest import people_create, request_open
from tests.approvals.threads import at_once

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]

DRAFT = {"to": "ana", "amount": "12.50", "body": "Dear Ana"}


def decide(request: ApprovalRequest, actor: User, outcome: str = "approve", comment: str = "", **more: Any) -> Any:
    more = {"now": now_ms(), "channel": "page", **more}
    return operations.approval_decide(request.pk, actor=actor, outcome=outcome, comment=comment, **more)


def revise(request: ApprovalRequest, revision: int = 1, **asked: Any) -> bool:
    content = card(
        **{"title": request.title, "to": request.thawed_policy, "requester": "ana", "propose": DRAFT, **asked}
    )
    done = operations.approval_revise(request.pk, content.to_json(), revision=revision, now=now_ms())
    request.refresh_from_db()
    return done


# -- by the workflow -------------------------------------------------------------------------------------------------


def test_a_revision_begins_a_version_without_ballots_and_keeps_the_old_one(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:sre"), propose=DRAFT)
    decide(request, people["dave"])
    before = (request.digest, request.content)
    assert revise(request, propose={**DRAFT, "body": "Hello"})
    assert (request.version, request.revision, request.stage, request.is_pending) == (2, 1, 0, True)
    old = RequestVersion.objects.get()
    assert (old.number, old.digest, old.content, old.replaced_by) == (1, *before, "")
    assert request.digest not in (old.digest, "")
    assert [ballot.version for ballot in Ballot.objects.all()] == [1]  # void, and kept
    assert not decide(request, people["dave"]).is_decided
    assert decide(request, people["erin"]).is_decided
    event = AuditEvent.objects.get(kind="revised")
    assert event.data["changed"] == ["/proposal/value/body"]


def test_who_had_answered_is_asked_again(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:sre"), propose=DRAFT)
    decide(request, people["dave"])
    assert request not in queries.inbox(people["dave"], now_ms())
    revise(request, title="Pay less?")
    assert request in queries.inbox(people["dave"], now_ms())


def test_repeating_a_revision_changes_nothing(people: People, ask: Ask) -> None:
    request = ask(propose=DRAFT)
    for _ in range(2):
        assert revise(request, propose={**DRAFT, "body": "Hello"})
    assert (request.version, RequestVersion.objects.count()) == (2, 1)
    assert revise(request, 2, propose={**DRAFT, "body": "Bye"})
    assert request.version == 3


def test_a_revision_after_the_decision_is_too_late(people: People, ask: Ask) -> None:
    request = ask(propose=DRAFT)
    decide(request, people["bob"])
    assert not revise(request, title="Something else?")
    assert (request.title, request.version) == ("Pay 12.50?", 1)


def test_a_revision_of_nothing_is_not_found(people: People) -> None:
    content = card("Pay?", to="user:bob").to_json()
    with pytest.raises(RequestNotFound):
        operations.approval_revise("5aef935e-8f0f-491c-9e8d-4df28ca8d7b9", content, revision=1, now=now_ms())


def test_stages_begin_anew(people: People, ask: Ask) -> None:
    request = ask(to=Policy("two", stages=["group:finance", "group:sre"]), propose=DRAFT)
    decide(request, people["bob"])
    revise(request, propose={**DRAFT, "body": "Hello"})
    assert request.stage == 0
    assert not decide(request, people["carol"]).is_decided
    assert decide(request, people["dave"]).is_decided


def test_an_answer_to_an_older_version_is_told_what_changed(people: People, ask: Ask) -> None:
    request = ask(propose=DRAFT)
    first = request.digest
    revise(request, propose={**DRAFT, "body": "Hello"})
    second = request.digest
    revise(request, 2, propose={**DRAFT, "body": "Hello", "amount": "9.00"})
    for read, changed in [(first, {"body", "amount"}), (second, {"amount"}), ("unknown", set())]:
        with pytest.raises(RequestChanged) as stale:
            decide(request, people["bob"], digest=read)
        assert {change.path.rpartition("/")[2] for change in stale.value.changes} == changed
        assert (stale.value.digest, stale.value.version) == (request.digest, 3)
    assert decide(request, people["bob"], digest=request.digest).is_decided


# -- by an approver --------------------------------------------------------------------------------------------------


def test_a_correction_is_decided_as_a_version_of_its_own(people: People, ask: Ask) -> None:
    request = ask(propose=DRAFT, editable=["body"])
    vote = decide(request, people["bob"], value={"body": "Hello"}, digest=request.digest)
    assert vote.is_decided
    answer = operations.approval_answer(request.promise_id, now=now_ms())
    assert answer.value == {**DRAFT, "body": "Hello"}
    assert answer.digest == vote.ballot.digest == vote.request.digest != request.digest
    assert RequestVersion.objects.get().replaced_by == "bob"
    settled = store.promise_get(request.promise_id, now=now_ms()).value.decode()
    assert settled["value"] == {**DRAFT, "body": "Hello"}


def test_others_agree_to_the_correction_and_not_to_what_it_was(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:sre"), propose=DRAFT, editable=["body"])
    decide(request, people["dave"])
    assert not decide(request, people["erin"], value={"body": "Hello"}).is_decided
    with pytest.raises(RequestChanged):
        decide(request, people["frank"], digest=request.digest)
    assert decide(request, people["dave"]).is_decided
    assert operations.approval_answer(request.promise_id, now=now_ms()).approvers == ["erin", "dave"]


def test_repeating_a_correction_is_no_second_one(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:sre"), propose=DRAFT, editable=["body"])
    first = decide(request, people["erin"], value={"body": "Hello"}, digest=request.digest)
    again = decide(request, people["erin"], value={"body": "Hello"}, digest=request.digest)
    assert (again.is_repeated, again.ballot.pk) == (True, first.ballot.pk)


def test_a_correction_in_the_second_stage_asks_the_first_again(people: People, ask: Ask) -> None:
    policy = Policy("two", stages=["group:finance", n_of(2, "group:sre")])
    request = ask(to=policy, propose=DRAFT, editable=["body"])
    decide(request, people["bob"])
    decide(request, people["dave"], value={"body": "Hello"})
    request.refresh_from_db()
    assert request.stage == 0
    decide(request, people["carol"])
    assert request not in queries.inbox(people["dave"], now_ms())  # he has answered his stage
    assert request in queries.inbox(people["erin"], now_ms())
    assert decide(request, people["erin"]).is_decided


@pytest.mark.parametrize(
    ("value", "pointer"),
    [({"to": "eve"}, "/value/to"), ({"amount": "much"}, "/value/amount"), ([1], "/value"), ({"x": 1}, "/value/x")],
)
def test_what_may_not_be_corrected_stays(people: People, ask: Ask, value: Any, pointer: str) -> None:
    request = ask(propose={**DRAFT, "amount": Decimal("12.50")}, editable=["amount", "body"])
    with pytest.raises(InvalidInput) as refused:
        decide(request, people["bob"], value=value)
    assert refused.value.fields[0].pointer == pointer
    assert not Ballot.objects.exists()


# -- all at once -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_decision_and_a_revision_at_once_agree_on_what_was_decided() -> None:
    people = people_create()
    for number in range(10):
        request = request_open(id=f"both-{number}:1", propose=DRAFT)
        content = card(request.title, to="group:finance", propose={**DRAFT, "body": "Hello"}).to_json()
        results = at_once(
            partial(decide, request, people["bob"], digest=request.digest),
            partial(operations.approval_revise, request.pk, content, revision=1, now=now_ms()),
        )
        request.refresh_from_db()
        if isinstance(results[0], RequestChanged):
            assert (request.state, request.version, results[1]) == ("pending", 2, True)
        else:
            answer = operations.approval_answer(request.promise_id, now=now_ms())
            assert (answer.value, request.version, results[1]) == (DRAFT, 1, False), results
