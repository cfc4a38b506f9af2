"""The refund example: a letter that finance corrects, a form that says how the money goes back, changes that are
requested; in memory, and on PostgreSQL."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from approvals import operations
from approvals.errors import InvalidInput, NotEligible
from approvals.models import ApprovalRequest
from approvals.testing import Humans
from examples.models import Repayment
from examples.repayments import MemoryDesk, Method
from examples.workflows import repay
from promises.times import now_ms
from workflows.executor import execute
from workflows.stores.durable import DurableStore
from workflows.testing import Playground

PAYMENT = {"method": "bank transfer", "pay_on": "2026-02-01"}
GIVEN = ("Eve Example", Decimal("80.00"), "it arrived broken")


@pytest.fixture
def humans() -> Humans:
    return Humans(finance=["bob", "carol"])


@pytest.fixture
def desk() -> MemoryDesk:
    return MemoryDesk()


@pytest.fixture
def play(humans: Humans, desk: MemoryDesk) -> Playground:
    found = Playground(services={"approvals": humans, "desk": desk})
    found.start(repay, *GIVEN)
    found.work()
    return found


# -- in memory -------------------------------------------------------------------------------------------------------


def test_what_finance_corrects_is_what_is_paid(play: Playground, humans: Humans, desk: MemoryDesk) -> None:
    humans["bob"].inbox.one("Refund 80.00*").approve(input=PAYMENT, edits={"amount": "60.00"})
    play.work()
    assert play.result() == {"status": "paid", "amount": "60.00", "method": "bank transfer", "problems": []}
    letter, payment = desk.paid["r"]
    assert (letter.amount, letter.customer) == (Decimal("60.00"), "Eve Example")
    assert (payment.method, payment.pay_on, payment.proof) == (Method.BANK, date(2026, 2, 1), None)


def test_a_proof_comes_along_as_a_file(play: Playground, humans: Humans, desk: MemoryDesk) -> None:
    proof = humans["bob"].upload("receipt.pdf", b"%PDF-1.7", "application/pdf")
    humans["bob"].inbox.one().approve(input={**PAYMENT, "proof": proof})
    play.work()
    kept = desk.paid["r"][1].proof
    assert kept is not None
    assert (kept.name, kept.read()) == ("receipt.pdf", b"%PDF-1.7")


def test_a_letter_is_drafted_again_until_it_will_do(play: Playground, humans: Humans) -> None:
    humans["bob"].inbox.one().decide("request_changes", "Mention the voucher.")
    play.work()
    again = humans["carol"].inbox.one()
    assert again.card.proposal is not None
    assert again.card.proposal.value["text"].endswith("Mention the voucher.\n")
    again.approve(input=PAYMENT)
    play.work()
    assert play.result()["status"] == "paid"


@pytest.mark.parametrize(
    ("input", "edits"),
    [
        (None, None),
        ({**PAYMENT, "method": "cash"}, None),
        ({**PAYMENT, "pay_on": "soon"}, None),
        (PAYMENT, {"amount": "10000.01"}),
        (PAYMENT, {"customer": "Somebody Else"}),
        (PAYMENT, {"text": ""}),
    ],
)
def test_what_does_not_fit_is_refused_and_pays_nothing(
    play: Playground, humans: Humans, desk: MemoryDesk, input: Any, edits: Any
) -> None:
    with pytest.raises(InvalidInput):
        humans["bob"].inbox.one().approve(input=input, edits=edits)
    assert not desk.paid


def test_nothing_is_paid_without_an_approval(play: Playground, humans: Humans, desk: MemoryDesk) -> None:
    humans["bob"].inbox.one().reject("not broken")
    play.work()
    assert play.result() == {"status": "rejected", "amount": "", "method": "", "problems": ["not broken"]}
    assert not desk.paid


def test_it_lapses_after_two_weeks(play: Playground) -> None:
    play.advance("15d")
    assert play.result()["status"] == "lapsed"


@pytest.mark.parametrize(
    "given", [("", Decimal(1)), ("Eve", Decimal(0)), ("Eve", Decimal("1.001")), ("Eve", Decimal(1), "x" * 501)]
)
def test_what_cannot_be_refunded_asks_nobody(humans: Humans, given: Any) -> None:
    play = Playground(services={"approvals": humans})
    assert play.run(repay, *given)["status"] == "invalid"
    assert not humans.requests


# -- on PostgreSQL ---------------------------------------------------------------------------------------------------


@pytest.fixture
def work(db: None) -> Callable[[str], str]:
    finance = Group.objects.create(name="finance")
    for name in ("ana", "bob"):
        User.objects.create_user(name).groups.add(finance)
    return lambda execution: execute(DurableStore(), execution)


def test_a_refund_is_approved_corrected_and_written_once(work: Callable[[str], str]) -> None:
    handle = repay.start(*GIVEN, id="repay-1", requester="ana")
    assert work(handle.id) == "suspended"
    request = ApprovalRequest.objects.get()
    answer = {"outcome": "approve", "input": PAYMENT, "value": {"amount": "60.00"}, "channel": "page", "now": now_ms()}
    with pytest.raises(NotEligible):
        operations.approval_decide(request.pk, actor=User.objects.get(username="ana"), **answer)
    operations.approval_decide(request.pk, actor=User.objects.get(username="bob"), **answer)
    assert work(handle.id) == "fulfilled"
    assert handle.result(timeout=1)["amount"] == "60.00"
    row = Repayment.objects.get()
    assert (row.amount, row.method, row.pay_on, row.approved_by) == (
        Decimal("60.00"),
        "bank transfer",
        date(2026, 2, 1),
        "bob",
    )
