"""Opening, deciding and closing: works, repeated, wrong person, wrong state, missing, late, and all at once."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection

from approvals import operations
from approvals.cards import card
from approvals.chains import link_hash
from approvals.durations import after
from approvals.errors import (
    AlreadyDecided,
    AlreadyVoted,
    ApprovalError,
    CommentRequired,
    NotEligible,
    RequestChanged,
    RequestClosed,
    RequestNotFound,
    UnknownOutcome,
)
from approvals.models import ApprovalRequest, AuditEvent, Ballot, Decision, RequestState, SettledPromise
from approvals.policies import Policy, requester
from approvals.requirements import n_of
from promises import store
from promises.errors import PromiseNotFound
from promises.times import now_ms
from promises.values import Value
from tests.approvals.conftest import people_create, request_open
from tests.approvals.threads import at_once

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]


def decide(request: ApprovalRequest, actor: User, outcome: str = "approve", comment: str = "", **more: object):
    more = {"now": now_ms(), "channel": "page", **more}
    return operations.approval_decide(request.pk, actor=actor, outcome=outcome, comment=comment, **more)


# -- works -----------------------------------------------------------------------------------------------------------


def test_a_decision_is_written_settled_and_recorded_at_once(people: People, ask: Ask) -> None:
    request = ask()
    vote = decide(request, people["bob"], comment=" fine ")
    request.refresh_from_db()
    assert vote.is_decided
    assert (request.state, request.outcome, request.decided_by) == ("decided", "approve", "bob")
    decision = request.decision
    assert (decision.kind, decision.by, decision.comment, decision.is_timeout) == ("approve", "bob", "fine", False)
    promise = store.promise_get(request.promise_id, now=now_ms())
    value = promise.value.decode()
    assert promise.state == "resolved"
    assert (value["outcome"], value["by"], value["comment"], value["timed_out"]) == ("approve", "bob", "fine", False)
    assert [ballot["by"] for ballot in value["ballots"]] == ["bob"]
    assert [event.kind for event in events(request)] == ["opened", "ballot", "decided"]


def test_two_of_three_decide_and_the_first_alone_does_not(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:sre"))
    assert not decide(request, people["dave"]).is_decided
    assert store.promise_get(request.promise_id, now=now_ms()).is_pending
    assert decide(request, people["frank"]).is_decided
    assert operations.approval_answer(request.promise_id, now=now_ms()).approvers == ["dave", "frank"]


def test_one_no_is_enough(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:sre"))
    assert decide(request, people["dave"], "reject", "not tonight").is_decided
    answer = operations.approval_answer(request.promise_id, now=now_ms())
    assert (bool(answer), answer.outcome, answer.by, answer.comment) == (False, "reject", "dave", "not tonight")


def test_stages_follow_one_another(people: People, ask: Ask) -> None:
    request = ask(to=Policy("two", stages=["group:finance", n_of(2, "group:sre")]))
    with pytest.raises(NotEligible, match="asks others"):
        decide(request, people["dave"])
    decide(request, people["carol"])
    request.refresh_from_db()
    assert request.stage == 1
    decide(request, people["dave"])
    assert decide(request, people["erin"]).is_decided


def test_a_vote_that_leaves_too_few_people_is_seen_as_stalled(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:finance"), outcomes=["approve", "canary", "reject"])
    decide(request, people["bob"], "approve")
    decide(request, people["carol"], "canary")
    request.refresh_from_db()
    assert (request.state, request.is_stalled) == ("pending", True)


def test_opening_again_changes_nothing(people: People, ask: Ask) -> None:
    first = ask("Pay?", id="exp-1:1", now=1_000)
    again = request_open("Pay?", id="exp-1:1", now=2_000)
    assert (again.pk, again.opened_at) == (first.pk, 1_000)
    assert (ApprovalRequest.objects.count(), AuditEvent.objects.count()) == (1, 1)


def test_a_request_needs_its_promise_first(people: People) -> None:
    with pytest.raises(PromiseNotFound):
        operations.approval_open("nobody:1", card("Pay?", to="user:bob").to_json(), now=now_ms())
    assert not ApprovalRequest.objects.exists()


# -- repeated --------------------------------------------------------------------------------------------------------


def test_repeating_ones_answer_returns_it(people: People, ask: Ask) -> None:
    request = ask()
    first = decide(request, people["bob"], comment="fine")
    again = decide(request, people["bob"], comment="fine again")
    assert (again.is_repeated, again.ballot.pk, again.ballot.comment) == (True, first.ballot.pk, "fine")
    assert Ballot.objects.count() == 1


def test_a_repeated_answer_does_not_count_in_the_next_stage(people: People, ask: Ask) -> None:
    request = ask(to=Policy("twice", stages=["group:finance", "group:finance"]))
    decide(request, people["bob"])
    assert decide(request, people["bob"]).is_repeated
    assert decide(request, people["bob"], stage=1).is_decided


def test_changing_ones_mind_is_refused(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:finance"))
    decide(request, people["bob"])
    with pytest.raises(AlreadyVoted):
        decide(request, people["bob"], "reject", "hm")


# -- wrong person ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ana", "dave", "admin"])
def test_who_is_not_asked_cannot_decide(people: People, ask: Ask, name: str) -> None:
    request = ask()
    with pytest.raises(NotEligible, match="not among those") as caught:
        decide(request, people[name])
    assert caught.value.status == 403
    assert not Ballot.objects.exists()


def test_the_requester_is_excluded_when_the_policy_says_so(people: People, ask: Ask) -> None:
    request = ask(requester="bob", never=requester())
    with pytest.raises(NotEligible, match="yourself"):
        decide(request, people["bob"])
    assert decide(request, people["carol"]).is_decided


def test_membership_counts_when_somebody_decides(people: People, ask: Ask) -> None:
    request = ask()
    people["bob"].groups.clear()
    people["dave"].groups.add(Group.objects.get(name="finance"))
    with pytest.raises(NotEligible):
        decide(request, people["bob"])
    assert decide(request, people["dave"]).is_decided


def test_an_account_that_was_closed_decides_nothing(people: People, ask: Ask) -> None:
    request = ask()
    User.objects.filter(username="bob").update(is_active=False)
    with pytest.raises(NotEligible):
        decide(request, people["bob"])


def test_a_machine_is_refused(people: People, ask: Ask) -> None:
    with pytest.raises(NotEligible, match="Only people"):
        decide(ask(), people["bob"], is_person=False)


# -- wrong state, wrong input, missing -------------------------------------------------------------------------------


def test_the_second_is_told_who_was_first_and_when(people: People, ask: Ask) -> None:
    request = ask()
    decide(request, people["bob"])
    with pytest.raises(AlreadyDecided, match="bob decided") as caught:
        decide(request, people["carol"], "reject", "no")
    assert (caught.value.status, caught.value.by, caught.value.outcome) == (409, "bob", "approve")
    assert caught.value.at is not None


def test_a_card_that_changed_since_it_was_read_is_refused(people: People, ask: Ask) -> None:
    request = ask()
    with pytest.raises(RequestChanged):
        decide(request, people["bob"], digest="of another card")
    assert decide(request, people["bob"], digest=request.digest).is_decided


@pytest.mark.parametrize(
    ("outcome", "comment", "error"),
    [("nonsense", "", UnknownOutcome), ("", "", UnknownOutcome), ("reject", " \n", CommentRequired)],
)
def test_what_is_not_offered_is_refused(
    people: People, ask: Ask, outcome: str, comment: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        decide(ask(), people["bob"], outcome, comment)


@pytest.mark.parametrize("id", [UUID("5aef935e-8f0f-491c-9e8d-4df28ca8d7b9"), "no uuid", ""])
def test_a_request_that_does_not_exist(people: People, id: object) -> None:
    with pytest.raises(RequestNotFound):
        operations.approval_decide(id, actor=people["bob"], outcome="approve", channel="page", now=now_ms())


# -- time and others -------------------------------------------------------------------------------------------------


def test_silence_becomes_the_outcome_that_was_named(people: People, ask: Ask) -> None:
    request = ask(timeout=after("1h", then="approve"), now=1_000)
    assert operations.approvals_expire(1_000 + 3_599_999) == 0
    assert operations.approvals_expire(1_000 + 3_600_000) >= 1
    request.refresh_from_db()
    assert (request.state, request.outcome, request.decided_by) == ("timed_out", "approve", "")
    answer = operations.approval_answer(request.promise_id, now=now_ms())
    assert (bool(answer), answer.timed_out, answer.outcome, answer.by) == (False, True, "approve", None)


def test_a_late_person_never_overwrites_the_timer(people: People, ask: Ask) -> None:
    request = ask(timeout=after("1h", then="reject"), now=1_000)
    with pytest.raises(AlreadyDecided, match="time was over"):
        decide(request, people["bob"], now=1_000 + 3_600_000)  # the clock has not come by yet
    request.refresh_from_db()
    assert (request.state, request.outcome, request.decided_by) == ("timed_out", "reject", "")
    assert not Ballot.objects.exists()


def test_a_late_timer_never_overwrites_a_person(people: People, ask: Ask) -> None:
    request = ask(timeout=after("1h", then="reject"), now=1_000)
    decide(request, people["bob"], now=2_000)
    operations.approvals_expire(1_000 + 3_600_000)
    request.refresh_from_db()
    assert (request.state, request.outcome, request.decided_by) == ("decided", "approve", "bob")


def test_a_canceled_execution_takes_its_question_back(people: People, ask: Ask) -> None:
    request = ask()
    store.promise_settle(request.promise_id, "rejected_canceled", now=now_ms())
    with pytest.raises(RequestClosed, match="canceled"):
        decide(request, people["bob"])
    request.refresh_from_db()
    assert request.state == RequestState.CANCELED


def test_the_sweep_closes_what_was_settled_elsewhere(people: People, ask: Ask) -> None:
    request = ask()
    store.promise_settle(request.promise_id, "resolved", now=now_ms())
    assert SettledPromise.objects.count() == 1
    assert operations.approvals_expire(now_ms()) == 1
    request.refresh_from_db()
    assert (request.state, request.closed_because) == ("canceled", "settled_outside")
    assert operations.approvals_expire(now_ms()) == 0


def test_an_answer_written_around_the_approval_is_not_believed(people: People, ask: Ask) -> None:
    request = ask()
    forged = Value.of({"outcome": "approve", "by": "bob"})
    store.promise_settle(request.promise_id, "resolved", forged, now=now_ms())
    answer = operations.approval_answer(request.promise_id, now=now_ms())
    assert (bool(answer), answer.canceled, answer.outcome) == (False, True, "")


def test_a_request_of_a_workflow_whose_time_is_over_is_closed(people: People, ask: Ask) -> None:
    now = now_ms()
    request = ask(promise_timeout_at=now + 1_000)
    store.timeouts_sweep(now + 1_000)
    operations.approvals_expire(now + 1_000)
    request.refresh_from_db()
    assert (request.state, request.closed_because) == ("canceled", "execution_over")


def test_a_promise_that_is_settled_before_it_is_asked_opens_closed(people: People, ask: Ask) -> None:
    request = ask("Pay?", id="exp-1:1")
    ApprovalRequest.objects.all().delete()
    store.promise_settle("exp-1:1", "resolved", now=now_ms())
    assert request_open("Pay?", id="exp-1:1").state == "canceled"
    assert request.pk == ApprovalRequest.objects.get().pk


def test_withdrawing_cancels_the_promise_and_repeats(people: People, ask: Ask) -> None:
    request = ask()
    for _ in range(2):
        withdrawn = operations.approval_withdraw(request.pk, by="ana", reason="again", channel="page", now=now_ms())
        assert withdrawn.state == "canceled"
    assert store.promise_get(request.promise_id, now=now_ms()).state == "rejected_canceled"
    with pytest.raises(RequestClosed, match="withdrawn"):
        decide(request, people["bob"])


def test_every_event_holds_the_hash_of_the_one_before(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:sre"))
    decide(request, people["dave"])
    decide(request, people["erin"])
    previous = ""
    for number, event in enumerate(events(request), 1):
        assert (event.number, event.previous_hash, event.hash) == (number, previous, link_hash(event))
        previous = event.hash


# -- all at once, on connections of their own -------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_two_people_at_once_one_decides_and_the_other_is_told() -> None:
    people = people_create()
    for number in range(10):
        request = request_open(id=f"race-{number}:1")
        results = at_once(
            partial(decide, request, people["bob"]), partial(decide, request, people["carol"], "reject", "no")
        )
        late = [result for result in results if isinstance(result, AlreadyDecided)]
        decision = Decision.objects.get(request=request)
        assert len(late) == 1, results
        assert late[0].by == decision.by
        assert Ballot.objects.filter(request=request).count() == 1
        assert store.promise_get(request.promise_id, now=now_ms()).value.decode()["by"] == decision.by


@pytest.mark.django_db(transaction=True)
def test_a_person_and_the_timer_at_once_give_one_answer() -> None:
    people = people_create()
    for number in range(10):
        now = now_ms()
        request = request_open(id=f"late-{number}:1", now=now, timeout=after("1h", then="reject"))
        due = now + 3_600_000
        at_once(partial(decide, request, people["bob"], now=due - 1), partial(operations.approvals_expire, due))
        operations.approvals_expire(due)
        decision = Decision.objects.get(request=request)
        assert (decision.by, decision.outcome) in [("bob", "approve"), ("", "reject")]
        value = store.promise_get(request.promise_id, now=due).value.decode()
        assert (value["by"] or "", value["outcome"]) == (decision.by, decision.outcome)


@pytest.mark.django_db(transaction=True)
def test_a_decision_and_a_cancel_at_once_agree() -> None:
    people = people_create()
    for number in range(10):
        request = request_open(id=f"cancel-{number}:1")
        results = at_once(
            partial(decide, request, people["bob"]),
            partial(store.promise_settle, request.promise_id, "rejected_canceled", now=now_ms()),
        )
        operations.approvals_expire(now_ms())
        request.refresh_from_db()
        state = store.promise_get(request.promise_id, now=now_ms()).state
        assert (request.state, state) in [("decided", "resolved"), ("canceled", "rejected_canceled")], results


@pytest.mark.django_db(transaction=True)
def test_opening_twice_at_once_is_opening_once() -> None:
    people_create()
    request = request_open(id="twin-0:1")
    ApprovalRequest.objects.all().delete()
    content = card("Pay?", to="group:finance").to_json()
    results = at_once(*[lambda: operations.approval_open(request.promise_id, content, now=now_ms())] * 4)
    assert not [result for result in results if isinstance(result, Exception)], results
    assert ApprovalRequest.objects.get().audience.count() == 1


@pytest.mark.django_db(transaction=True)
def test_open_pages_are_told_in_the_same_commit() -> None:
    people = people_create()
    request = request_open()
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("LISTEN countersign_approvals")
    at_once(lambda: decide(request, people["bob"]))
    notes = [note.payload for note in connection.connection.notifies(timeout=2, stop_after=1)]
    with connection.cursor() as cursor:
        cursor.execute("UNLISTEN countersign_approvals")
    assert notes == [f'{{"request": "{request.pk}", "event": "decided"}}']


def test_a_pending_request_has_no_answer(people: People, ask: Ask) -> None:
    with pytest.raises(ApprovalError, match="still open"):
        operations.approval_answer(ask().promise_id, now=now_ms())
    with pytest.raises(RequestNotFound):
        operations.approval_answer("nothing:1", now=now_ms())


def events(request: ApprovalRequest) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(stream=str(request.pk)).order_by("number"))
