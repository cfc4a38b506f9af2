"""Both examples on PostgreSQL, carried on by hand as a worker would; decisions are made by `approval_decide`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command

import examples
from approvals.errors import NotEligible
from approvals.models import ApprovalRequest
from approvals.operations import approval_decide
from examples import workflows
from examples.ledger import DatabaseLedger
from examples.models import Deployment, LedgerEntry, Receipt, ReleaseCheck, Service
from promises import store
from promises.times import now_ms
from promises.transports import celery
from tests.promises.api.caller import nobody
from workflows.executions import Handle
from workflows.executor import execute
from workflows.stores.durable import DurableStore, lease_ms

pytestmark = pytest.mark.django_db(transaction=True)  # steps that run in parallel have connections of their own

SAMPLE = (Path(examples.__file__).parent / "samples" / "expense.csv").read_text()
BOOKED = {"status": "booked", "total": "404.80", "problems": []}


class Killed(BaseException):
    """The worker's end."""


@pytest.fixture(autouse=True)
def _stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery, "send", lambda *message: None)
    call_command("demo", verbosity=0)


def work(handle: Handle[Any]) -> str:
    return execute(DurableStore(), handle.id)


def decide(handle: Handle[Any], person: str, outcome: str = "approve", comment: str = "") -> None:
    request = ApprovalRequest.objects.get(execution_id=handle.id)
    actor = get_user_model().objects.get(username=person)
    approval_decide(request.id, actor=actor, outcome=outcome, comment=comment, channel="page", now=now_ms())


def killed_at(handle: Handle[Any]) -> None:
    """The worker dies while it holds the lease; the clock finds that out when the lease is over."""
    with pytest.raises(Killed):
        work(handle)
    assert work(handle) == "refused"
    store.timeouts_sweep(now_ms() + lease_ms() + 1)


def once(then: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    """The function, but the process dies before or after its first call."""
    calls: list[None] = []

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        calls.append(None)
        if before and len(calls) == 1:
            raise Killed
        result = then(*args, **kwargs)
        if not before and len(calls) == 1:
            raise Killed
        return result

    wrapped.__name__ = then.__name__
    return wrapped


def booked_lines(handle: Handle[Any]) -> list[int]:
    entries = LedgerEntry.objects.filter(execution_id=handle.id, claimant="ana")
    return list(entries.order_by("line").values_list("line", flat=True))


# -- expense -------------------------------------------------------------------------------------------------


def test_a_claim_waits_for_finance_and_is_booked():
    handle = workflows.expense.start("ana", SAMPLE, id="expense-1", requester="ana")
    assert work(handle) == "suspended"
    assert not LedgerEntry.objects.exists()
    with pytest.raises(NotEligible):
        decide(handle, "dave")
    decide(handle, "bob")
    assert work(handle) == "fulfilled"
    assert handle.result(timeout=1) == BOOKED
    assert booked_lines(handle) == [2, 3, 4, 5, 6]
    receipt = Receipt.objects.get(execution_id="expense-1")
    assert (receipt.claimant, str(receipt.total), receipt.approved_by) == ("ana", "404.80", "bob")


def test_a_claim_is_rejected_with_a_reason():
    handle = workflows.expense.start("ana", SAMPLE, requester="ana")
    work(handle)
    decide(handle, "carol", "reject", "no receipts")
    work(handle)
    assert handle.result(timeout=1) == {"status": "rejected", "total": "404.80", "problems": []}
    assert not LedgerEntry.objects.exists()
    assert not Receipt.objects.exists()


@pytest.mark.parametrize(("claimant", "starter"), [("bob", "ana"), ("ana", "bob")])
def test_neither_the_claimant_nor_the_sender_decides(claimant: str, starter: str):
    handle = workflows.expense.start(claimant, SAMPLE, requester=starter)
    work(handle)
    with pytest.raises(NotEligible):
        decide(handle, "bob")
    decide(handle, "carol")
    work(handle)
    assert handle.result(timeout=1)["status"] == "booked"


def test_bad_text_is_a_result():
    handle = workflows.expense.start("ana", "date,\x00\ud800\n", requester="ana")
    assert work(handle) == "fulfilled"
    assert handle.result(timeout=1)["status"] == "invalid"


def test_a_worker_killed_while_it_books_has_booked_nothing_and_the_next_one_does(monkeypatch):
    monkeypatch.setattr(DatabaseLedger, "book", once(DatabaseLedger.book, before=False))
    handle = workflows.expense.start("ana", SAMPLE, requester="ana")
    work(handle)
    decide(handle, "bob")
    killed_at(handle)
    assert booked_lines(handle) == []
    assert work(handle) == "fulfilled"
    assert handle.result(timeout=1) == BOOKED
    assert booked_lines(handle) == [2, 3, 4, 5, 6]


def test_a_worker_killed_after_it_booked_does_not_book_again(monkeypatch):
    monkeypatch.setattr(workflows, "receipt_text", once(workflows.receipt_text, before=True))
    handle = workflows.expense.start("ana", SAMPLE, requester="ana")
    work(handle)
    decide(handle, "bob")
    killed_at(handle)
    assert booked_lines(handle) == [2, 3, 4, 5, 6]
    assert work(handle) == "fulfilled"
    assert handle.result(timeout=1) == BOOKED
    assert booked_lines(handle) == [2, 3, 4, 5, 6]
    assert Receipt.objects.count() == 1


# -- release -------------------------------------------------------------------------------------------------


def approved(version: str, *services: str) -> Handle[Any]:
    handle = workflows.release.start(version, list(services), requester="ana")
    work(handle)
    decide(handle, "dave")
    work(handle)
    assert not ReleaseCheck.objects.filter(execution_id=handle.id).exists()
    decide(handle, "erin")
    assert work(handle) == "suspended"
    return handle


def ci_calls(handle: Handle[Any], body: dict[str, Any]) -> None:
    url = ReleaseCheck.objects.get(execution_id=handle.id).callback_url
    assert nobody().post("/callbacks/" + url.partition("/callbacks/")[2], body).status_code == 200


def test_a_release_goes_out_when_the_ci_calls_back():
    handle = approved("2.3.1", "api", "web")
    assert not Deployment.objects.exists()
    ci_calls(handle, {"value": "passed"})
    assert work(handle) == "fulfilled"
    assert (handle.result(timeout=1)["status"], handle.result(timeout=1)["promoted"]) == ("released", ["api", "web"])
    assert dict(Service.objects.values_list("name", "version")) == {"api": "2.3.1", "web": "2.3.1"}


@pytest.mark.parametrize("body", [{"value": "failed"}, {"error": {"name": "Failed", "message": "3 tests failed"}}])
def test_a_release_stays_when_the_ci_says_no(body: dict[str, Any]):
    handle = approved("2.3.1", "api")
    ci_calls(handle, body)
    work(handle)
    assert handle.result(timeout=1)["status"] == "failed"
    assert "failed" in handle.result(timeout=1)["problems"][0]
    assert not Deployment.objects.exists()


def test_if_one_service_refuses_the_others_are_taken_back_in_reverse():
    Service.objects.create(name="api", version="2.4.0")
    Service.objects.create(name="web", version="1.0.0")
    handle = approved("2.3.1", "web", "api", "worker")
    ci_calls(handle, {"value": True})
    assert work(handle) == "fulfilled"
    assert handle.result(timeout=1) == {
        "status": "rolled_back",
        "version": "2.3.1",
        "promoted": [],
        "rolled_back": ["worker", "web"],
        "problems": ["api runs 2.4.0, so 2.3.1 would be no step forward"],
    }
    assert dict(Service.objects.values_list("name", "version")) == {"api": "2.4.0", "web": "1.0.0", "worker": ""}
    undone = Deployment.objects.order_by("rolled_back_at").values_list("service_id", flat=True)
    assert list(undone) == ["worker", "web"]
