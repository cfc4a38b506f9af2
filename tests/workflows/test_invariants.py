"""The record of an execution keeps its invariants in local mode, on a virtual clock; and who watches that would notice
if it did not."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promises.states import PromiseState, TaskState
from promises.times import NEVER
from tests.workflows.bodies import GENERATED, Program, short_programs
from tests.workflows.invariants import Watch, watch_a_run, whole_graph
from tests.workflows.playground import Playground
from workflows.histories import History
from workflows.registry import registry


class MemoryDriver:
    def __init__(self) -> None:
        self.play = Playground()
        self.store = self.play.store

    def start(self, program: Program) -> None:
        self.play.start(GENERATED, program)

    def due(self) -> list[str]:
        return self.store.due_tasks()

    def lapse(self) -> None:
        for task in self.store.tasks.values():
            if task.state == TaskState.ACQUIRED:
                task.state = TaskState.PENDING

    def pass_time(self) -> None:
        if not self.due() and (deadline := self.store.next_deadline()) < NEVER:
            self.play.now = deadline

    def history(self) -> History:
        return self.play.history()


@settings(max_examples=40, deadline=None)
@given(short_programs, st.integers(0, 12), st.booleans())
def test_generated_bodies_keep_the_invariants_wherever_a_worker_dies(program: Program, at: int, after: bool) -> None:
    watch_a_run(MemoryDriver(), program, at, after=after)


class TestWatch:
    PROGRAM: Program = [{"do": "step", "n": 1}, {"do": "sleep", "n": 5}, {"do": "step", "n": 2}]

    @pytest.fixture
    def history(self) -> History:
        """Where it sleeps."""
        registry._functions["generated", 1] = GENERATED
        driver = MemoryDriver()
        driver.start(self.PROGRAM)
        driver.play.work()
        return driver.history()

    @pytest.fixture
    def watch(self, history: History) -> Watch:
        watch = Watch(whole_graph(self.PROGRAM))
        watch.look(history)
        return watch

    def changed(self, history: History, **changes: object) -> History:
        """With another first step."""
        root, first, *others = history.promises
        return History([root, replace(first, **changes), *others], history.tasks)  # type: ignore[arg-type]

    def test_a_settled_promise_that_changes(self, watch: Watch, history: History) -> None:
        with pytest.raises(AssertionError, match=r"settled, and then changed: {'r:1'}"):
            watch.look(self.changed(history, settled_at=7))

    def test_a_settled_promise_that_is_gone(self, watch: Watch, history: History) -> None:
        with pytest.raises(AssertionError):
            watch.look(History(history.promises[:1], history.tasks))

    def test_a_settled_promise_that_is_pending_again(self, watch: Watch, history: History) -> None:
        with pytest.raises(AssertionError):
            watch.look(self.changed(history, state=PromiseState.PENDING, settled_at=None))

    def test_another_path(self, history: History) -> None:
        with pytest.raises(AssertionError, match="not on the path"):
            Watch({"r": "generated", "r:1": "count"}).look(history)
