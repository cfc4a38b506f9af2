"""A process may die before or after any write: the execution ends the same, and every outcome is recorded once."""

from collections import Counter

import pytest
from hypothesis import given, settings

from promises.records import PromiseRecord
from tests.workflows.bodies import GENERATED, RAN, Program, expected, programs, steps
from tests.workflows.playground import CrashingStore, Playground, finish_crashing
from workflows.registry import registry

EXAMPLE: Program = [
    {"do": "step", "n": 1},
    {"do": "nested", "program": [{"do": "step", "n": 2}, {"do": "sleep", "n": 5}, {"do": "fail", "n": 3}]},
    {"do": "gather", "strands": [[{"do": "step", "n": 4}, {"do": "atomic", "n": 5}], [{"do": "sleep", "n": 1}]]},
    {"do": "later", "strands": [[{"do": "step", "n": 6}], [{"do": "remote", "program": [{"do": "step", "n": 7}]}]]},
]


@pytest.fixture(autouse=True)
def generated_is_registered() -> None:
    registry._functions["generated", 1] = GENERATED


def run(program: Program, crash_at: int, *, after: bool) -> tuple[Playground, CrashingStore]:
    """Run to the end, dying once at write number `crash_at`; the lease of a dead worker then lapses."""
    RAN.clear()
    play = Playground()
    play.start(GENERATED, program)
    return play, finish_crashing(play, crash_at, after=after)


def outcomes(play: Playground) -> dict[str, tuple[str, str, object]]:
    """What is recorded, by id: function, state, value."""
    return {p.id: (p.func, p.state, p.value.decode()) for p in play.store.promises.values() if _is_telling(p)}


def _is_telling(promise: PromiseRecord) -> bool:
    return promise.func != "ctx.sleep"  # a sleep may be created later, and is the same in every other way


def check(program: Program) -> int:
    """Die at every write, before and after it; returns how many points that were."""
    whole, store = run(program, 0, after=False)
    assert whole.promise("r").value.decode() == expected(program)
    assert sorted(RAN) == steps(program)
    for at in range(1, store.writes + 1):
        for after in (False, True):
            play, crashed = run(program, at, after=after)
            assert crashed.crashed or at > 2  # steps that happened to end together share a write: then there are fewer
            assert outcomes(play) == outcomes(whole), (at, after)
            again = Counter(RAN) - Counter(steps(program))
            assert sum(again.values()) <= len(steps(program)), "steps ran more than twice"
    return store.writes


def test_an_example_with_everything() -> None:
    assert check(EXAMPLE) > 15


@settings(max_examples=15, deadline=None)
@given(programs)
def test_generated_bodies(program: Program) -> None:
    check(program)
