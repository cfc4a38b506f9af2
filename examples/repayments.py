"""A refund: the letter to the customer, how the money goes back, and where both are kept.

`drafted` and `redrafted` are steps: in real life a language model writes there. The methods of the desk are steps, too.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Protocol

from pydantic import BaseModel, Field

from approvals import File, accepts

MOST = Decimal("10000.00")
LONGEST_NAME = 150
LONGEST_REASON = 500


class Method(Enum):
    """How the money goes back."""

    BANK = "bank transfer"
    CARD = "back to the card"
    VOUCHER = "voucher"


class Letter(BaseModel):
    """What the customer gets to read, and how much."""

    customer: str
    amount: Annotated[Decimal, Field(gt=0, le=MOST, decimal_places=2)]
    text: Annotated[str, Field(min_length=1, max_length=5000)]


class Payment(BaseModel):
    """What finance fills in."""

    method: Method
    pay_on: date = Field(title="Paid on")
    proof: Annotated[File, accepts("application/pdf", "image/*", max_bytes=2_000_000)] | None = Field(
        default=None, title="Proof of purchase", description="What the customer has sent, if anything."
    )


def repayment_problems(customer: str, amount: Decimal, reason: str) -> list[str]:
    """What is wrong with a refund before anyone is asked."""
    problems = []
    if not (customer.strip() and len(customer) <= LONGEST_NAME and customer.isprintable()):
        problems.append(f"customer: a name of 1 to {LONGEST_NAME} characters, in one line")
    if not (0 < amount <= MOST) or round(amount, 2) != amount:
        problems.append(f"amount: more than 0, at most {MOST}, with at most two decimals")
    if len(reason) > LONGEST_REASON or "\x00" in reason:
        problems.append(f"reason: at most {LONGEST_REASON} characters")
    return problems


def drafted(customer: str, amount: Decimal, reason: str) -> Letter:
    """The first draft of the letter."""
    why = f" for this reason: {reason.strip()}" if reason.strip() else ""
    text = f"Dear {customer},\n\nwe refund {amount}{why}.\n\nWe are sorry for the trouble.\n"
    return Letter(customer=customer, amount=amount, text=text)


def redrafted(letter: Letter, wish: str) -> Letter:
    """The letter with what a reader has missed in it."""
    return letter.model_copy(update={"text": f"{letter.text}\n{wish.strip()[:1000]}\n"})


class Desk(Protocol):
    """Pays, once per execution."""

    def pay(self, execution_id: str, letter: Letter, payment: Payment, approved_by: str) -> str:
        """Keep the letter with how it is paid; returns the method."""


class DatabaseDesk:
    """The desk in the database. The step imports the model: local mode has no Django to load it."""

    def pay(self, execution_id: str, letter: Letter, payment: Payment, approved_by: str) -> str:
        from examples.models import Repayment

        Repayment.objects.create(
            execution_id=execution_id,
            customer=letter.customer,
            amount=letter.amount,
            text=letter.text,
            method=payment.method.value,
            pay_on=payment.pay_on,
            proof=payment.proof.name if payment.proof else "",
            approved_by=approved_by,
        )
        return payment.method.value


@dataclass
class MemoryDesk:
    """The desk of local mode: what was paid, by execution."""

    paid: dict[str, tuple[Letter, Payment]] = field(default_factory=dict)

    def pay(self, execution_id: str, letter: Letter, payment: Payment, approved_by: str) -> str:
        self.paid[execution_id] = (letter, payment)
        return payment.method.value
