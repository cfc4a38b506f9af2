"""What stays true of an execution's record, whatever the body and wherever its worker dies: the same record leads to
the same path; what is settled stays settled; the frontier, which is what is left to settle, only shrinks."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from promises.records import PromiseRecord
from promises.states import TaskState
from tests.workflows.bodies import GENERATED, Program, expected
from tests.workflows.playground import Crash, CrashingStore, Playground
from workflows.executor import execute
from workflows.histories import History
from workflows.registry import registry
from workflows.rehearsals import RecordedStore, Rehearsal
from workflows.testing import assert_replays


@dataclass
class Watch:
    """Looks at one execution's record again and again. `whole`: id -> function of all that it will have recorded."""

    whole: dict[str, str]
    settled: dict[str, PromiseRecord] = field(default_factory=dict)
    frontier: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.frontier = set(self.whole)

    def look(self, history: History) -> None:
        """Raises AssertionError when an invariant does not hold."""
        assert_replays(GENERATED, history)
        ways = path(history)
        assert ways == path(history), "the same record led to two paths"
        found = {promise.id: promise for promise in history.promises}
        calls = {(id, promise.func) for id, promise in found.items()}.union(*(beyond for _, beyond in ways))
        assert calls <= set(self.whole.items()), f"not on the path: {calls - set(self.whole.items())}"
        changed = {id for id, promise in self.settled.items() if found.get(id) != promise}
        assert not changed, f"settled, and then changed: {changed}"
        self.settled = {id: promise for id, promise in found.items() if not promise.is_pending}
        frontier = set(self.whole) - set(self.settled)
        assert frontier <= self.frontier, f"the frontier has grown by {frontier - self.frontier}"
        self.frontier = frontier


class Driver(Protocol):
    """A store, and the world around it. The execution is `r`."""

    store: Any

    def start(self, program: Program) -> None:
        """Start the execution."""

    def due(self) -> list[str]:
        """The tasks that a worker could take now."""

    def lapse(self) -> None:
        """The leases of a worker that died are over."""

    def pass_time(self) -> None:
        """Until the next deadline has come."""

    def history(self) -> History:
        """What is recorded now."""


def path(history: History) -> list[tuple[list[str], list[tuple[str, str]]]]:
    """What each execution asks for when it is replayed: the ids on record, and what comes next, as (id, function)."""
    found = []
    for execution in history.promises:
        store = RecordedStore(execution, history.seen_by(execution))
        acquired = store.acquire(execution.id) if execution.id in history.tasks else None
        if acquired is not None:
            rehearsal = Rehearsal(store, acquired)
            rehearsal.problem(execution, TaskState.PENDING)
            beyond = [(operation.id, operation.func) for operation in rehearsal.beyond]
            found.append((sorted(rehearsal.asked), sorted(beyond)))
    return found


def whole_graph(program: Program) -> dict[str, str]:
    """Id -> function of everything that an undisturbed run records."""
    play = Playground()
    play.run(GENERATED, program)
    return {"r": "generated"} | play.funcs()


def watch_a_run(driver: Driver, program: Program, at: int, *, after: bool) -> None:
    """Run the program to its end, with a worker that dies at write number `at`, and watch its record all the way."""
    registry._functions["generated", 1] = GENERATED
    watch = Watch(whole_graph(program))
    store = CrashingStore(driver.store, at, after=after)
    driver.start(program)
    watch.look(driver.history())
    while driver.history().promises[0].is_pending:
        for id in driver.due():
            try:
                assert execute(store, id) != "halted"
            except Crash:
                driver.lapse()
            watch.look(driver.history())
        driver.pass_time()
    watch.look(driver.history())
    assert driver.history().promises[0].value.decode() == expected(program)
    assert watch.frontier == set()
