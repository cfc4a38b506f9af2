"""The record of an execution keeps its invariants on PostgreSQL, in real time."""

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promises.models import Task
from promises.states import TaskState
from promises.store import timeouts_sweep
from promises.times import now_ms
from tests.promises.making import clear
from tests.workflows.bodies import GENERATED, Program, short_programs
from tests.workflows.invariants import watch_a_run
from workflows.executions import Handle
from workflows.histories import History
from workflows.stores.durable import DurableStore


class DurableDriver:
    def __init__(self) -> None:
        clear()
        self.store = DurableStore()

    def start(self, program: Program) -> None:
        GENERATED.start(program, id="r")

    def due(self) -> list[str]:
        return list(Task.objects.filter(state=TaskState.PENDING).values_list("id", flat=True))

    def lapse(self) -> None:
        Task.objects.filter(state=TaskState.ACQUIRED).update(due_at=0)
        timeouts_sweep(now_ms())

    def pass_time(self) -> None:
        if not self.due():
            time.sleep(0.001)
            timeouts_sweep(now_ms())

    def history(self) -> History:
        return Handle[Any]("r").history()


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(short_programs, st.integers(0, 12), st.booleans())
def test_generated_bodies_keep_the_invariants_wherever_a_worker_dies(program: Program, at: int, after: bool) -> None:
    watch_a_run(DurableDriver(), program, at, after=after)
