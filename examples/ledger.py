"""Where booked claims go: the database, or in local mode this process's memory.

The methods are steps of `expense`.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Protocol

from examples.claims import Claim


class Ledger(Protocol):
    """Writes what a claim leaves behind, once per execution."""

    def book(self, execution_id: str, claimant: str, claim: Claim) -> int:
        """Write one entry per line of the claim; returns how many."""

    def write_receipt(self, execution_id: str, claimant: str, total: Decimal, approved_by: str, text: str) -> str:
        """Keep the receipt; returns its text."""


class DatabaseLedger:
    """The ledger in the database. The steps import the models: local mode has no Django to load them."""

    def book(self, execution_id: str, claimant: str, claim: Claim) -> int:
        from examples.models import LedgerEntry

        entries = [
            LedgerEntry(
                execution_id=execution_id,
                claimant=claimant,
                line=line.number,
                date=line.date,
                category=line.category,
                description=line.description,
                amount=line.amount,
            )
            for line in claim.lines
        ]
        return len(LedgerEntry.objects.bulk_create(entries))

    def write_receipt(self, execution_id: str, claimant: str, total: Decimal, approved_by: str, text: str) -> str:
        from examples.models import Receipt

        receipt = Receipt(execution_id=execution_id, claimant=claimant, total=total, approved_by=approved_by, text=text)
        receipt.save(force_insert=True)
        return text


@dataclass
class MemoryLedger:
    """The ledger of local mode: what was booked is in `entries`, as (execution id, claimant, line)."""

    entries: list[tuple[str, str, int]] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)

    def book(self, execution_id: str, claimant: str, claim: Claim) -> int:
        self.entries += [(execution_id, claimant, line.number) for line in claim.lines]
        return len(claim.lines)

    def write_receipt(self, execution_id: str, claimant: str, total: Decimal, approved_by: str, text: str) -> str:
        self.receipts[execution_id] = text
        return text


def receipt_text(execution_id: str, claimant: str, claim: Claim, approved_by: str, today: date) -> str:
    """The receipt as people read it: plain text, one line per expense, amounts aligned."""
    approval = f"approved by {approved_by}" if approved_by else "within the limit, no approval needed"
    lines = [f"{line.date}  {line.category:<8}  {line.amount:>10}  {line.description}" for line in claim.lines]
    total = f"{'Total':<20}  {claim.total:>10}"
    return "\n".join([f"Receipt {execution_id}, {today}", f"Claim of {claimant}, {approval}", "", *lines, total, ""])
