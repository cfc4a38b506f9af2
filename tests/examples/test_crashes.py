"""Every example ends the same wherever its process dies. A new example needs its line in the table."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import examples
from approvals.testing import Answer, HeldRequest, Humans, Said
from examples import workflows as theirs
from examples.fleet import MemoryFleet
from workflows import Workflow
from workflows.testing import Playground, crash_everywhere

CLAIM = (Path(examples.__file__).parent / "samples" / "expense.csv").read_text()
RELEASE = ("2.3.1", ["api", "web"])


class KeptFleet(MemoryFleet):
    """Promotes once for each execution, as the database does, whose transaction holds the record too."""

    def promote(self, execution_id: str, service: str, version: str) -> str:
        if (execution_id, service) in self._promotions:
            return self._promotions[execution_id, service][0]
        return super().promote(execution_id, service, version)


@dataclass
class Case:
    """How an example is run, and what it must come to."""

    workflow: Workflow[..., Any]
    args: tuple[Any, ...]
    expected: dict[str, Any]
    answer: Callable[[HeldRequest], Said] = lambda request: "approve"
    running: dict[str, str] = field(default_factory=dict)
    outside: Callable[[Playground], object] = lambda play: None

    def services(self) -> dict[str, Any]:
        humans = Humans(finance=["bob"], sre=["dave", "erin"], users=["ana"])
        humans.auto(self.answer)
        return {"approvals": humans, "fleet": KeptFleet(dict(self.running))}


def report_green(play: Playground) -> None:
    for id in play.pending():
        play.settle(id, True)


def sent_back_once(request: HeldRequest) -> Said:
    if not request.card.note:
        return "request_changes", "more"
    return Answer("approve", input={"method": "voucher", "pay_on": "2026-02-01"}, edits={"amount": "60.00"})


CASES = {
    "a claim that is approved": Case(
        theirs.expense, ("ana", CLAIM), {"status": "booked", "total": "404.80", "problems": []}
    ),
    "a claim that is rejected": Case(
        theirs.expense,
        ("ana", CLAIM),
        {"status": "rejected", "total": "404.80", "problems": []},
        answer=lambda request: "reject",
    ),
    "a refund whose letter is drafted again and then corrected": Case(
        theirs.repay,
        ("Eve", Decimal("80.00")),
        {"status": "paid", "amount": "60.00", "method": "voucher", "problems": []},
        answer=sent_back_once,
    ),
    "a release that the CI passes": Case(
        theirs.release,
        RELEASE,
        {"status": "released", "version": "2.3.1", "promoted": ["api", "web"], "rolled_back": [], "problems": []},
        outside=report_green,
    ),
    "a release that is taken back": Case(
        theirs.release,
        RELEASE,
        {
            "status": "rolled_back",
            "version": "2.3.1",
            "promoted": [],
            "rolled_back": ["api"],
            "problems": ["web runs 3.0.0, so 2.3.1 would be no step forward"],
        },
        running={"web": "3.0.0"},
        outside=report_green,
    ),
    "a release that the CI forgets": Case(
        theirs.release,
        RELEASE,
        {
            "status": "failed",
            "version": "2.3.1",
            "promoted": [],
            "rolled_back": [],
            "problems": ["The CI did not report within 24 hours."],
        },
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_it_survives_a_crash_before_and_after_every_write(case: Case) -> None:
    ended = crash_everywhere(case.workflow, *case.args, services=case.services, outside=case.outside)
    assert ended == case.expected


def test_every_example_is_in_the_table() -> None:
    there_are = {found.name for found in vars(theirs).values() if isinstance(found, Workflow)}
    assert there_are == {case.workflow.name for case in CASES.values()}
