"""/api/approvals/: works, repeated, wrong person, wrong scope, wrong state, missing, malformed."""

import threading
import time
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection

from approvals import operations
from approvals.api.outputs import ApprovalSerializer, ApprovalSummarySerializer, EligibilitySerializer
from approvals.blocks import facts
from approvals.durations import after
from approvals.models import Ballot, Decision
from approvals.requirements import n_of
from promises import store
from promises.times import now_ms
from tests.approvals.api.conftest import Ask
from tests.promises.api.caller import Caller, assert_problem, nobody, with_session, with_token

URL = "/api/approvals/"
YES = {"outcome": "approve", "comment": "fine"}
NO = {"outcome": "reject", "comment": "no receipt"}


@pytest.fixture
def bob(people: Any) -> Caller:
    return with_token("bob")


@pytest.fixture
def carol(people: Any) -> Caller:
    return with_token("carol")


@pytest.fixture
def ana(people: Any) -> Caller:
    return with_token("ana")


def of(request: Any) -> str:
    return f"{URL}{request.pk}/"


# --- decide ----------------------------------------------------------------------------------------------------------


def test_a_decision_settles_the_promise(bob: Caller, ask: Ask) -> None:
    request = ask()
    response = bob.post(f"{of(request)}decisions/", YES)
    assert response.status_code == 201
    shown = response.json()
    assert (shown["state"], shown["outcome"], shown["decided_by"], shown["comment"]) == (
        "decided",
        "approve",
        "bob",
        "fine",
    )
    promise = store.promise_get(request.promise_id, now=now_ms())
    assert (promise.state, promise.value.decode()["outcome"]) == ("resolved", "approve")
    assert Decision.objects.get().channel == "api"


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "k-1"}])
def test_the_same_decision_again_is_welcome(bob: Caller, ask: Ask, headers: dict[str, str]) -> None:
    path = f"{of(ask())}decisions/"
    first, again = bob.post(path, YES, **headers), bob.post(path, YES | {"comment": "twice"}, **headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert Ballot.objects.count() == 1


def test_a_second_decision_is_told_who_was_first_and_when(bob: Caller, carol: Caller, ask: Ask) -> None:
    path = f"{of(ask())}decisions/"
    bob.post(path, YES)
    problem = assert_problem(carol.post(path, NO), 409, "AlreadyDecided", "bob")
    assert (problem["decided_by"], problem["outcome"]) == ("bob", "approve")
    assert problem["decided_at"]
    assert_problem(bob.post(path, NO), 409)


def test_an_outsider_is_told_why_not(ask: Ask, people: Any) -> None:
    path = f"{of(ask())}decisions/"
    problem = assert_problem(with_token("dave").post(path, YES), 403, "NotEligible", "finance")
    assert [rule["name"] for rule in problem["rules"] if not rule["passed"]] == ["audience"]
    assert_problem(with_session(people["dave"]).post(path, YES), 403, "NotEligible")
    assert not Ballot.objects.exists()


def test_the_requester_may_not_decide_if_the_policy_says_so(ask: Ask, people: Any) -> None:
    request = ask(requester="bob")
    assert_problem(with_token("bob").post(f"{of(request)}decisions/", YES), 403, "NotEligible", "yourself")


def test_a_machine_may_read_and_never_decide(ask: Ask) -> None:
    request = ask()
    machine = with_token("bob", human=False)
    assert machine.get(of(request)).status_code == 200
    assert_problem(machine.post(f"{of(request)}decisions/", YES), 403, "NotEligible", "people")
    assert machine.get(f"{of(request)}eligibility/").json()["allowed"] is False


def test_one_of_two_leaves_it_open(bob: Caller, carol: Caller, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:finance"))
    first = bob.post(f"{of(request)}decisions/", YES)
    assert (first.status_code, first.json()["state"], first.json()["outcome"]) == (201, "pending", None)
    assert first.json()["progress"]["counts"] == [{"of": ["group:finance"], "have": 1, "need": 2}]
    assert_problem(bob.post(f"{of(request)}decisions/", NO), 409, "AlreadyVoted")
    assert carol.post(f"{of(request)}decisions/", YES).json()["state"] == "decided"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"outcome": "maybe"}, "UnknownOutcome"),
        ({"outcome": "reject"}, "CommentRequired"),
        ({"outcome": "reject", "comment": "  "}, "CommentRequired"),
        ({"outcome": "reject", "comment": None}, "CommentRequired"),
    ],
)
def test_what_is_not_offered_is_422(bob: Caller, ask: Ask, body: Any, code: str) -> None:
    assert_problem(bob.post(f"{of(ask())}decisions/", body), 422, code)
    assert not Ballot.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "outcome"),
        ({"outcome": None}, "outcome"),
        ({"outcome": ""}, "outcome"),
        ({"outcome": 1}, "outcome"),
        ({"outcome": "approve", "comment": 5}, "comment"),
        ({"outcome": "approve", "comment": "x" * 10_001}, "comment"),
    ],
)
def test_a_malformed_decision_is_400_and_named(bob: Caller, ask: Ask, body: Any, field: str) -> None:
    problem = assert_problem(bob.post(f"{of(ask())}decisions/", body), 400, "ValidationError")
    assert list(problem["errors"]) == [field]


def test_a_card_that_changed_since_it_was_read_is_412(bob: Caller, ask: Ask) -> None:
    request = ask()
    etag = bob.get(of(request))["ETag"]
    assert_problem(bob.post(f"{of(request)}decisions/", YES, If_Match='"other"'), 412, "RequestChanged")
    assert not Ballot.objects.exists()
    assert bob.post(f"{of(request)}decisions/", YES, If_Match=etag).status_code == 201


@pytest.mark.parametrize("header", ["*", 'W/"{0}"', '"other", "{0}"', "{0}"])
def test_if_match_in_other_forms(bob: Caller, ask: Ask, header: str) -> None:
    request = ask()
    response = bob.post(f"{of(request)}decisions/", YES, If_Match=header.format(request.digest))
    assert response.status_code == 201


def test_too_late_is_told_what_the_deadline_decided(bob: Caller, ask: Ask) -> None:
    request = ask(timeout=after("1h", then="reject"), at=now_ms() - 7_200_000)
    problem = assert_problem(bob.post(f"{of(request)}decisions/", YES), 409, "AlreadyDecided")
    assert (problem["decided_by"], problem["outcome"]) == (None, "reject")


def test_what_was_withdrawn_cannot_be_decided(bob: Caller, ask: Ask) -> None:
    request = ask()
    operations.approval_withdraw(request.pk, by="ana", reason="", channel="page", now=now_ms())
    assert_problem(bob.post(f"{of(request)}decisions/", YES), 409, "RequestClosed")


@pytest.mark.parametrize("id", ["5aef935e-8f0f-491c-9e8d-4df28ca8d7b9", "1", "x", "%00", "a:1"])
def test_a_missing_approval_is_404(bob: Caller, id: str) -> None:
    for response in (
        bob.get(f"{URL}{id}/"),
        bob.post(f"{URL}{id}/decisions/", YES),
        bob.get(f"{URL}{id}/eligibility/"),
    ):
        assert_problem(response, 404, "RequestNotFound")


# --- who may ---------------------------------------------------------------------------------------------------------


def test_without_credentials_nobody_is_served(ask: Ask) -> None:
    path = of(ask())
    for response in (nobody().get(URL), nobody().get(path), nobody().post(f"{path}decisions/", YES)):
        assert_problem(response, 401, "NotAuthenticated")


def test_a_token_needs_the_scope(ask: Ask) -> None:
    path = of(ask())
    reader, decider = with_token("bob", "approvals:read"), with_token("bob", "approvals:decide")
    assert_problem(reader.post(f"{path}decisions/", YES), 403, "MissingScope", "approvals:decide")
    assert_problem(decider.get(path), 403, "MissingScope", "approvals:read")
    assert_problem(decider.get(URL), 403, "MissingScope", "approvals:read")
    assert_problem(decider.get(f"{path}eligibility/"), 403, "MissingScope", "approvals:read")
    assert decider.post(f"{path}decisions/", YES).status_code == 201


def test_a_session_decides_with_the_csrf_token_only(ask: Ask, people: Any) -> None:
    path = f"{of(ask())}decisions/"
    assert_problem(with_session(people["bob"], enforce_csrf=True).post(path, YES), 403, "PermissionDenied", "CSRF")
    assert with_session(people["bob"]).post(path, YES).status_code == 201


def test_who_is_not_concerned_reads_nothing(ask: Ask, people: Any) -> None:
    request = ask()
    assert_problem(with_token("dave").get(of(request)), 403, "NotConcerned")
    assert with_token("dave").get(URL).json()["results"] == []
    people["dave"].user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))
    assert with_token("dave").get(of(request)).status_code == 200


# --- get -------------------------------------------------------------------------------------------------------------


def test_an_approval_shows_what_is_asked(bob: Caller, ask: Ask) -> None:
    request = ask(show=[facts(total="214.40")], timeout=after("3h", then="reject"))
    response = bob.get(of(request))
    shown = response.json()
    assert response["ETag"] == f'"{request.digest}"'
    assert response["Cache-Control"] == "no-store"
    assert set(shown) == set(ApprovalSerializer().fields)
    assert (shown["id"], shown["title"], shown["state"], shown["outcome"]) == (
        str(request.pk),
        "Pay 214.40?",
        "pending",
        None,
    )
    assert (shown["requester"], shown["promise_id"], shown["execution_id"]) == ("ana", "expense-1:1", "expense-1")
    assert [outcome["name"] for outcome in shown["outcomes"]] == ["approve", "reject"]
    assert shown["timeout_outcome"] == "reject"
    assert shown["deadline"]
    assert shown["blocks"][0]["type"] == "facts"
    assert shown["url"] == f"http://127.0.0.1:8000/approvals/{request.pk}/"


def test_a_passed_deadline_reads_as_what_it_means(bob: Caller, ask: Ask) -> None:
    request = ask(timeout=after("1h", then="reject"), at=now_ms() - 7_200_000)
    shown = bob.get(f"{of(request)}?wait=30s").json()
    assert (shown["state"], shown["outcome"], shown["decided_by"]) == ("timed_out", "reject", None)
    assert [row["id"] for row in bob.get(f"{URL}?state=timed_out").json()["results"]] == [str(request.pk)]
    assert bob.get(f"{URL}?state=pending").json()["results"] == []
    assert bob.get(f"{URL}?for=me&state=pending").json()["results"] == []


@pytest.mark.parametrize("wait", ["100ms", "0", ""])
def test_the_wait_ends_without_a_decision(bob: Caller, ask: Ask, wait: str) -> None:
    assert bob.get(f"{of(ask())}?wait={wait}").json()["state"] == "pending"


def test_a_malformed_wait_is_400(bob: Caller, ask: Ask) -> None:
    assert_problem(bob.get(f"{of(ask())}?wait=soon"), 400, "ValidationError")


def test_a_server_that_parks_requests_is_told_the_promise(bob: Caller, ask: Ask) -> None:
    parked: dict[str, Any] = {"countersign.park": True}
    response = bob.client.get(f"{of(ask())}?wait=30s", headers=bob.headers, **parked)
    assert response["X-Park"] == "promise:expense-1:1"


@pytest.mark.django_db(transaction=True)
def test_the_wait_ends_with_the_decision(people: Any, ask: Ask) -> None:
    request, bob = ask(), with_token("bob")

    def decide() -> None:
        operations.approval_decide(request.pk, actor=people["carol"], outcome="approve", channel="page", now=now_ms())
        connection.close()

    timer = threading.Timer(0.2, decide)
    timer.start()
    begin = time.monotonic()
    assert bob.get(f"{of(request)}?wait=20s").json()["decided_by"] == "carol"
    assert time.monotonic() - begin < 5
    timer.join()


# --- list ------------------------------------------------------------------------------------------------------------


def ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["execution_id"] for row in response.json()["results"]]


def test_the_inbox_holds_what_one_can_decide(ana: Caller, bob: Caller, ask: Ask) -> None:
    ask(execution="a")
    done = ask(execution="b")
    ask(execution="c", to="user:carol")
    bob.post(f"{of(done)}decisions/", YES)
    assert ids(bob.get(f"{URL}?for=me&state=pending")) == ["a"]
    assert ids(bob.get(f"{URL}?for=me")) == ["b", "a"]
    assert ids(bob.get(f"{URL}?for=me&state=decided")) == ["b"]
    assert ids(bob.get(f"{URL}?for=mine")) == []
    assert ids(ana.get(f"{URL}?for=me&state=pending")) == []
    assert ids(ana.get(f"{URL}?for=mine&state=pending")) == ["c", "a"]
    assert ids(ana.get(URL)) == ["c", "b", "a"]
    assert ids(ana.get(f"{URL}?execution=b")) == ["b"]
    assert ids(ana.get(f"{URL}?workflow=other")) == []


def test_a_row_has_every_field_of_the_summary(bob: Caller, ask: Ask) -> None:
    ask()
    (row,) = bob.get(URL).json()["results"]
    assert set(row) == set(ApprovalSummarySerializer().fields)


def test_the_list_pages_through_everything_once(bob: Caller, ask: Ask) -> None:
    for number in range(5):
        ask(execution=f"e{number}", at=1_800_000_000_000 - 1_000_000_000_000 + number // 2)
    for first in (f"{URL}?limit=2", f"{URL}?limit=2&for=me&state=pending"):
        seen, url = [], first
        while url:
            page = bob.get(url).json()
            seen += [row["execution_id"] for row in page["results"]]
            url = page["next"]
        assert sorted(seen) == ["e0", "e1", "e2", "e3", "e4"]
        assert seen[0] == "e4"


def test_a_list_costs_the_same_however_long(bob: Caller, ask: Ask, django_assert_max_num_queries: Any) -> None:
    for number in range(6):
        ask(execution=f"e{number}")
    bob.get(URL)
    with django_assert_max_num_queries(9):
        assert len(ids(bob.get(f"{URL}?for=me&state=pending"))) == 6


@pytest.mark.parametrize(
    "query", ["for=you", "state=open", "limit=x", "cursor=WzEsICJ4Il0=", "cursor=x", "workflow=%00", "execution=%00"]
)
def test_a_malformed_question_is_400(bob: Caller, query: str) -> None:
    assert_problem(bob.get(f"{URL}?{query}"), 400, "ValidationError")


# --- eligibility -----------------------------------------------------------------------------------------------------


def test_eligibility_says_why(bob: Caller, ana: Caller, ask: Ask) -> None:
    path = f"{of(ask())}eligibility/"
    mine, hers, his = bob.get(path).json(), ana.get(path).json(), with_token("dave").get(path).json()
    assert set(mine) == set(EligibilitySerializer().fields)
    assert (mine["allowed"], hers["allowed"], his["allowed"]) == (True, False, False)
    assert all(rule["passed"] and rule["why"] for rule in mine["rules"])
    assert any("finance" in rule["why"] for rule in his["rules"] if not rule["passed"])
    bob.post(path.replace("eligibility", "decisions"), YES)
    assert bob.get(path).json()["allowed"] is False
