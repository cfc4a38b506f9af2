"""The chaos run itself, small: it kills everything at least once, and what it counts holds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from bench.chaos.verdict import verdict
from bench.chaos.workflows import TABLE
from promises.models import Promise
from promises.values import Value

ROOT = Path(__file__).parents[2]
CAUSED = {"accident_kill_worker", "accident_stop_worker", "accident_kill_clock", "accident_crash_database"}


@pytest.mark.chaos
@pytest.mark.slow
def test_executions_survive_everything_and_exact_effects_happen_once(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "bench.chaos", "--workflows", "28", "--seconds", "8", "--workers", "2"]
    done = subprocess.run(
        [*command, "--json", str(figures)], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(figures.read_text())
    assert (found["ended"], found["violations"], found["exact_repeated"]) == (28, [], 0)
    assert found["exact_effects"] >= 80
    assert set(found) >= CAUSED


@pytest.fixture
def ended(db: None) -> str:
    """An execution that says it had the effects a and b."""
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
    Promise.objects.create(
        id="e", state="resolved", value_data=Value.of(["a", "b"]).data, timeout_at=0, created_at=1, settled_at=2001
    )
    return "e"


def effects(*names: str) -> None:
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute("INSERT INTO chaos_effect (execution, effect, is_exact) VALUES ('e', %s, true)", [name])


def test_the_verdict_is_content_when_each_effect_is_there_once(ended: str) -> None:
    effects("a", "b")
    found = verdict([ended])
    assert (found.violations, found.exact_effects, found.slowest_s) == ([], 2, 2.0)


@pytest.mark.parametrize("there", [["a"], ["a", "b", "b"], ["a", "b", "c"]])
def test_it_sees_what_is_missing_twice_or_too_much(ended: str, there: list[str]) -> None:
    effects(*there)
    assert verdict([ended]).violations


@pytest.mark.parametrize("state", ["pending", "rejected"])
def test_it_sees_what_has_not_ended_well(ended: str, state: str) -> None:
    effects("a", "b")
    Promise.objects.update(state=state)
    assert verdict([ended, "missing"]).violations[0].startswith("e is")
    assert len(verdict([ended, "missing"]).violations) == 2
