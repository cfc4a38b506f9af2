"""Executions of the examples that may be running somewhere go on with the code of today.

The histories were exported (`./run manage execution export ID --output FILE`) from a running installation, at each of
the points where these workflows wait and from each of their ends.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from examples import workflows
from workflows.testing import assert_replays

FOLDER = Path(__file__).parent / "histories"
HISTORIES = sorted(FOLDER.glob("*.json"))
WORKFLOWS = {"expense": workflows.expense, "release": workflows.release}


@pytest.mark.parametrize("history", HISTORIES, ids=lambda path: path.stem)
def test_what_is_recorded_goes_on(history: Path):
    assert_replays(WORKFLOWS[history.stem.partition("-")[0]], history)


def test_there_is_a_history_of_each_wait_and_each_end():
    assert [history.stem for history in HISTORIES] == [
        "expense-booked",
        "expense-rejected",
        "expense-waiting",
        "release-released",
        "release-rolled-back",
        "release-waiting-for-ci",
        "release-waiting-for-sre",
    ]


def test_a_limit_that_is_raised_under_a_waiting_claim_is_noticed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workflows, "FREE", Decimal("1000.00"))
    with pytest.raises(AssertionError, match=r"expense-1:3 is recorded as 'ctx\.promise', .* asks for 'book'"):
        assert_replays(workflows.expense, FOLDER / "expense-waiting.json")
