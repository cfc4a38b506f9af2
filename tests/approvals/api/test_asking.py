"""POST /api/approvals/: any program asks people and gets their answer; no workflow has to be there."""

from typing import Any

import pytest

from approvals import operations
from approvals.models import ApprovalRequest
from promises.times import now_ms
from tests.promises.api.caller import Caller, assert_problem, with_token

URL = "/api/approvals/"
ASKED = {"question": "Refund 12.50 to Mia?", "to": "group:finance", "risk": "low"}
DAY = {"type": "object", "properties": {"day": {"type": "string", "format": "date"}}, "required": ["day"]}


@pytest.fixture
def shop(people: Any) -> Caller:
    return with_token("shop", "approvals:create", "approvals:read", human=False)


def test_a_program_asks_and_reads_the_answer(shop: Caller) -> None:
    asked = shop.post(URL, {**ASKED, "show": [{"type": "facts", "items": [{"label": "Order", "value": "A-17"}]}]})
    assert asked.status_code == 201
    id = asked.json()["id"]

    decided = with_token("bob").post(f"{URL}{id}/decisions/", {"outcome": "approve", "comment": "fine"})

    assert decided.status_code == 201
    answer = shop.get(f"{URL}{id}/?wait=1s").json()
    assert (answer["state"], answer["outcome"], answer["decided_by"]) == ("decided", "approve", "bob")
    assert (answer["requester"], answer["execution_id"], answer["workflow"]) == ("shop", answer["promise_id"], "")


def test_the_same_key_asks_once(shop: Caller) -> None:
    first = shop.post(URL, ASKED, Idempotency_Key="order-17")
    again = shop.post(URL, ASKED, Idempotency_Key="order-17")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert ApprovalRequest.objects.count() == 1


def test_the_same_key_for_another_question_asks_nobody(shop: Caller) -> None:
    shop.post(URL, ASKED, Idempotency_Key="order-17")
    answer = shop.post(URL, {**ASKED, "question": "Refund 99.00?"}, Idempotency_Key="order-17")
    assert_problem(answer, 409, "AskedDifferently")
    assert ApprovalRequest.objects.count() == 1


def test_a_key_is_its_callers_own(shop: Caller) -> None:
    other = with_token("depot", "approvals:create")
    ids = {caller.post(URL, ASKED, Idempotency_Key="order-17").json()["id"] for caller in (shop, other)}
    assert len(ids) == 2


def test_without_a_key_every_call_asks(shop: Caller) -> None:
    assert shop.post(URL, ASKED).json()["id"] != shop.post(URL, ASKED).json()["id"]


def test_the_deadline_gives_the_outcome_that_was_named(shop: Caller) -> None:
    body = {**ASKED, "timeout": {"after": "1m", "then": "reject"}}
    id = shop.post(URL, body).json()["id"]
    operations.approvals_expire(now_ms() + 61_000)
    answer = shop.get(f"{URL}{id}/").json()
    assert (answer["state"], answer["outcome"], answer["decided_by"]) == ("timed_out", "reject", None)


def test_a_form_and_outcomes_come_as_json(shop: Caller) -> None:
    outcomes = ["plan", {"name": "skip", "label": "Not this week", "kind": "reject"}]
    id = shop.post(URL, {**ASKED, "outcomes": outcomes, "form": DAY}).json()["id"]
    bob = with_token("bob")
    assert_problem(bob.post(f"{URL}{id}/decisions/", {"outcome": "plan", "input": {"day": "soon"}}), 422)
    answer = bob.post(f"{URL}{id}/decisions/", {"outcome": "plan", "input": {"day": "2026-12-31"}})
    assert answer.status_code == 201


def test_a_policy_is_written_out(shop: Caller) -> None:
    shown = shop.post(URL, ASKED).json()["policy"]
    answer = shop.post(URL, {**ASKED, "to": shown, "never": ["requester"]})
    assert answer.status_code == 201
    assert answer.json()["policy"]["never"] == ["requester"]


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"question": ""}, 400),
        ({"question": "two\nlines"}, 422),
        ({"to": "finance"}, 422),
        ({"to": "policy:unheard-of"}, 422),
        ({"to": 7}, 400),
        ({"to": {"stages": "everybody"}}, 422),
        ({"to": []}, 422),
        ({"outcomes": [{"label": "nameless"}]}, 400),
        ({"outcomes": ["Not A Word"]}, 422),
        ({"outcomes": []}, 422),
        ({"form": "a form"}, 400),
        ({"form": {"type": "no such type"}}, 422),
        ({"show": [{"type": "script"}]}, 422),
        ({"risk": "none"}, 400),
        ({"editable": 1}, 400),
        ({"timeout": {"after": "soon", "then": "reject"}}, 422),
        ({"timeout": {"after": "1h", "then": "sing"}}, 422),
        ({"timeout": {"after": "1h"}}, 400),
    ],
    ids=str,
)
def test_what_no_author_could_write_is_refused(shop: Caller, wrong: dict[str, Any], status: int) -> None:
    assert_problem(shop.post(URL, {**ASKED, **wrong}), status)
    assert not ApprovalRequest.objects.exists()


def test_asking_takes_its_scope(people: Any) -> None:
    assert_problem(with_token("bob", "approvals:decide", "approvals:read").post(URL, ASKED), 403, "MissingScope")
