"""Both examples in local mode: with no database to reach, people played by `approvals.testing`."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import examples
from approvals.errors import NotEligible
from approvals.testing import Asked, Humans
from examples.fleet import MemoryFleet
from examples.ledger import MemoryLedger
from examples.workflows import expense, release
from promises.states import PromiseState
from promises.values import Value
from workflows import local
from workflows.errors import error_to_json

SAMPLES = Path(examples.__file__).parent / "samples"
SAMPLE = (SAMPLES / "expense.csv").read_text()
HEADER = "date,category,description,amount\n"


class Stage:
    """A runner with its people, ledger and fleet, driven by hand: nothing waits for real time."""

    def __init__(self) -> None:
        self.humans = Humans(finance=["bob", "carol"], sre=["dave", "erin", "frank"], users=["ana"])
        self.ledger, self.fleet = MemoryLedger(), MemoryFleet()
        services = {"approvals": self.humans, "ledger": self.ledger, "fleet": self.fleet}
        self.runner = local.Runner(services=services)

    def start(self, workflow: Any, *args: Any, requester: str = "ana") -> str:
        run = self.runner.start(workflow, *args, requester=requester)
        self.go_on()
        return run

    def go_on(self) -> None:
        while self.runner.step():
            pass

    def asked(self, person: str) -> Asked:
        return self.humans[person].inbox.one()

    def decide(self, person: str, outcome: str = "approve", comment: str = "") -> None:
        self.asked(person).decide(outcome, comment)
        self.go_on()

    def settle_checks(self, run: str, state: str = PromiseState.RESOLVED, value: Any = True) -> None:
        self.runner.store.settle(self.checks(run), state, Value.of(value))
        self.go_on()

    def checks(self, run: str) -> str:
        return self.fleet.callback_urls[run].removeprefix("memory:")

    def result(self, run: str) -> Any:
        return self.runner.run_until_settled(run).value.decode()


@pytest.fixture
def stage() -> Stage:
    return Stage()


# -- expense ------------------------------------------------------------------------------------------


def test_a_claim_that_finance_approves_is_booked(stage: Stage):
    run = stage.start(expense, "ana", SAMPLE)
    assert stage.ledger.entries == []
    stage.decide("bob")
    assert stage.result(run) == {"status": "booked", "total": "404.80", "problems": []}
    assert stage.ledger.entries == [(run, "ana", line) for line in (2, 3, 4, 5, 6)]
    assert "approved by bob" in stage.ledger.receipts[run]
    assert "404.80" in stage.ledger.receipts[run]


def test_a_claim_that_finance_rejects_is_not_booked(stage: Stage):
    run = stage.start(expense, "ana", SAMPLE)
    stage.decide("carol", "reject", "no receipts")
    assert stage.result(run) == {"status": "rejected", "total": "404.80", "problems": []}
    assert (stage.ledger.entries, stage.ledger.receipts) == ([], {})


@pytest.mark.parametrize(("amount", "people_asked"), [("100", 0), ("100.01", 1)])
def test_only_a_total_above_100_asks_somebody(stage: Stage, amount: str, people_asked: int):
    stage.start(expense, "ana", f"{HEADER}2025-11-03,meals,Supper,{amount}\n")
    assert len(stage.humans.requests) == people_asked


def test_wrong_lines_end_it_at_once(stage: Stage):
    result = stage.result(stage.start(expense, "ana", HEADER + "tomorrow,meals,Supper,250\n"))
    assert result == {
        "status": "invalid",
        "total": "0.00",
        "problems": ["line 2: date 'tomorrow' is no day as YYYY-MM-DD"],
    }
    assert not stage.humans.requests


@pytest.mark.parametrize("claimant", ["", "a\x00b"])
def test_nobody_is_no_claimant(stage: Stage, claimant: str):
    result = stage.result(stage.start(expense, claimant, SAMPLE))
    assert result["status"] == "invalid"
    assert result["problems"][0].startswith("claimant: ")


@pytest.mark.parametrize(("claimant", "starter"), [("bob", "ana"), ("ana", "bob"), ("bob", "bob")])
def test_neither_the_claimant_nor_the_sender_decides(stage: Stage, claimant: str, starter: str):
    run = stage.start(expense, claimant, SAMPLE, requester=starter)
    request = stage.asked("carol")
    with pytest.raises(NotEligible):
        stage.humans["bob"].reads(request).approve()
    stage.decide("carol")
    assert stage.result(run)["status"] == "booked"


def test_the_card_shows_every_line(stage: Stage):
    stage.start(expense, "ana", SAMPLE)
    card = stage.asked("bob").card
    assert (card.title, card.requester) == ("Pay 404.80 to ana?", "ana")
    total, facts, table = card.blocks
    assert total["value"] == "404.80"
    assert [item["value"] for item in facts["items"]] == ["ana", "5"]
    assert table["rows"][1] == ["3", "2025-11-04", "travel", "Night train, Vienna to Zurich", "129.90"]


def test_the_largest_claim_fits(stage: Stage):
    run = stage.start(expense, "ana", HEADER + f"2025-11-03,meals,{'🐢' * 30},5000\n" * 1000)
    stage.decide("bob")
    assert stage.result(run) == {"status": "booked", "total": "5000000.00", "problems": []}
    assert len(stage.ledger.entries) == 1000


def test_it_runs_where_there_is_no_django():
    program = f"""
import sys
from approvals.testing import Humans
from examples.workflows import expense
from workflows import local

humans = Humans(finance=["bob"])
humans.auto(lambda request: "approve")
result = local.run(expense, "ana", {SAMPLE!r}, services={{"approvals": humans}})
assert result == {{"status": "booked", "total": "404.80", "problems": []}}, result
assert not [name for name in sys.modules if name.split(".")[0] in ("django", "celery", "psycopg")]
"""
    root = Path(examples.__file__).parent.parent
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": str(root)}, timeout=60)


# -- release ------------------------------------------------------------------------------------------


def approved(stage: Stage, version: str, *services: str) -> str:
    run = stage.start(release, version, list(services))
    stage.decide("dave")
    stage.decide("frank")
    return run


def test_two_of_sre_and_a_green_check_promote_everything(stage: Stage):
    run = approved(stage, "2.3.1", "api", "web")
    assert stage.fleet.versions == {}
    stage.settle_checks(run, value={"passed": True})
    assert stage.result(run) == {
        "status": "released",
        "version": "2.3.1",
        "promoted": ["api", "web"],
        "rolled_back": [],
        "problems": [],
    }
    assert stage.fleet.versions == {"api": "2.3.1", "web": "2.3.1"}


def test_one_of_sre_is_not_enough(stage: Stage):
    run = stage.start(release, "2.3.1", ["api"])
    stage.decide("dave")
    assert run not in stage.fleet.callback_urls
    assert not stage.humans["dave"].inbox
    assert stage.humans["erin"].inbox


def test_people_may_say_no(stage: Stage):
    run = stage.start(release, "2.3.1", ["api"])
    stage.decide("erin", "reject", "not on a Friday")
    assert stage.result(run)["status"] == "rejected"
    assert stage.result(run)["problems"] == ["not on a Friday"]


@pytest.mark.parametrize(
    ("state", "value", "problem"),
    [
        (PromiseState.RESOLVED, "failed", "The CI reports: 'failed'"),
        (PromiseState.RESOLVED, None, "The CI reports: None"),
        (
            PromiseState.REJECTED,
            error_to_json(ValueError("3 tests failed")),
            "The CI reports: 3 tests failed",
        ),
        (PromiseState.REJECTED_CANCELED, None, "Nobody waits for the CI any more: its promise was canceled."),
    ],
)
def test_the_ci_may_say_no(stage: Stage, state: str, value: Any, problem: str):
    run = approved(stage, "2.3.1", "api")
    stage.settle_checks(run, state, value)
    assert (stage.result(run)["status"], stage.result(run)["problems"]) == ("failed", [problem])
    assert stage.fleet.versions == {}


def test_the_ci_has_a_day(stage: Stage):
    run = approved(stage, "2.3.1", "api")
    deadline = stage.runner.store.get(stage.checks(run)).timeout_at
    stage.runner.store.clock = lambda: deadline
    stage.go_on()
    assert stage.result(run)["problems"] == ["The CI did not report within 24 hours."]


def test_if_one_service_refuses_the_others_are_taken_back_in_reverse(stage: Stage):
    stage.fleet.versions = {"api": "2.4.0", "web": "1.0.0"}
    run = approved(stage, "2.3.1", "web", "api", "worker")
    stage.settle_checks(run)
    assert stage.result(run) == {
        "status": "rolled_back",
        "version": "2.3.1",
        "promoted": [],
        "rolled_back": ["worker", "web"],
        "problems": ["api runs 2.4.0, so 2.3.1 would be no step forward"],
    }
    assert stage.fleet.versions == {"api": "2.4.0", "web": "1.0.0", "worker": ""}
    assert stage.fleet.history[-2:] == ["roll back worker", "roll back web"]


def test_a_release_that_makes_no_sense_asks_nobody(stage: Stage):
    result = stage.result(stage.start(release, "next", []))
    assert result["status"] == "invalid"
    assert [problem.split(":")[0] for problem in result["problems"]] == ["version", "services"]
    assert not stage.humans.requests
