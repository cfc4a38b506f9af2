"""Canceling a call graph while others work on it, on real connections: nothing pending is left below, nobody waits for
himself."""

import random
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from promises import store
from promises.errors import Conflict, PromiseError
from promises.records import NewPromise
from promises.times import NEVER
from promises.values import Value
from tests.promises.crew import Crew, Wrap, deadlocks, nap
from tests.promises.making import NOW, acquire, clear, create, create_acquired, create_task, rows, task

LINEAGE = {"resonate:origin": "r", "resonate:target": "celery://default"}

pytestmark = pytest.mark.slow


def call(id: str) -> NewPromise:
    return NewPromise(id, NEVER, tags=LINEAGE)


def pending() -> list[str]:
    return [row["id"] for row in rows()["promise"] if row["state"] == "pending"]


def grow(parent: str, how: Callable[[str, str], object]) -> list[str]:
    """As the worker of a call, add calls below it until that is refused; returns what was added."""
    added = []
    for number in range(1, 200):
        child = f"{parent}{'.' if ':' in parent else ':'}{number}"
        try:
            how(parent, child)
        except Conflict:
            break
        added.append(child)
    return added


def by_recording(parent: str, child: str) -> object:
    return store.task_record(parent, 1, [call(child)], now=NOW)


def by_suspending(parent: str, child: str) -> object:
    """The awaited one is settled at once, so that the worker keeps its lease."""
    settled = NewPromise(f"{child}0000", NEVER, state="resolved", tags={"resonate:origin": "r"})
    store.task_record(parent, 1, [settled], now=NOW)
    return store.task_suspend(parent, 1, [settled.id], create=[call(child)], now=NOW)


@pytest.mark.parametrize("how", [by_recording, by_suspending])
def test_workers_that_add_to_the_graph_at_every_depth_leave_nothing_pending(
    in_thread: Wrap, how: Callable[[str, str], object]
) -> None:
    before = deadlocks()
    sizes = set()

    def arrange(number: int) -> None:
        clear()
        for id in ("r", "r:x", "r:x.y"):
            create_task(id, origin="r")
            acquire(id)

    def worker(parent: str) -> Callable[[int], object]:
        return lambda number: grow(parent, how)

    def cancel(number: int) -> object:
        threading.Event().wait(random.random() / 100)
        return store.graph_cancel("r", now=NOW).state

    def look(number: int) -> None:
        canceled, *added = crew.of(number)
        assert canceled == "rejected_canceled"
        assert pending() == []
        assert {row["state"] for row in rows()["task"]} == {"fulfilled"}
        sizes.add(sum(map(len, added)))

    crew = Crew(in_thread, cancel, worker("r"), worker("r:x"), worker("r:x.y"), rounds=25)
    crew.run(arrange, look)
    assert deadlocks() == before
    assert len(sizes) > 5  # the cancellation came at different moments of their work


def test_a_settlement_that_meets_a_cancellation_comes_before_it_or_is_told(in_thread: Wrap) -> None:
    before = deadlocks()
    outcomes: Counter[str] = Counter()
    ids = [f"r:{number}" for number in range(8)]

    def arrange(number: int) -> None:
        clear()
        create_acquired("r", origin="r")
        for id in ids:
            create(id, origin="r")
        store.task_suspend("r", 1, ids, now=NOW)

    def cancel(number: int) -> object:
        nap()
        return store.graph_cancel("r", now=NOW).state

    def settle(number: int) -> object:
        nap()
        return [store.promise_settle(id, "resolved", Value.of(id), now=NOW) for id in random.sample(ids, len(ids))]

    def work(number: int) -> object:
        """A worker that is woken by the first answer and ends the execution."""
        try:
            version = acquire("r").task.version
            return store.task_fulfill("r", version, "resolved", now=NOW).state
        except PromiseError:
            return None

    def look(number: int) -> None:
        canceled, settled, ended = crew.of(number)
        now = {row["id"]: row for row in rows()["promise"]}
        assert {promise.id: promise.state for promise in settled} == {id: now[id]["state"] for id in ids}
        assert now["r"]["state"] == canceled
        assert (ended is None) == (canceled == "rejected_canceled")
        if canceled == "rejected_canceled":
            assert pending() == []
        assert task("r")["state"] == "fulfilled"
        assert rows()["callback"] == []
        outcomes.update(promise.state for promise in settled)
        outcomes[f"execution {canceled}"] += 1

    crew = Crew(in_thread, cancel, settle, work, rounds=150)
    crew.run(arrange, look)
    assert deadlocks() == before
    assert set(outcomes) >= {"resolved", "rejected_canceled", "execution rejected_canceled"}


def test_two_cancellations_and_a_heartbeat_that_meet_do_not_wait_for_each_other(in_thread: Wrap) -> None:
    before = deadlocks()
    ids = ["r", *(f"r:{number}" for number in range(30))]

    def arrange(number: int) -> None:
        clear()
        for id in ids:
            create_acquired(id, origin="r")

    def beat(number: int) -> object:
        return [store.task_heartbeat("p1", [(id, 1) for id in reversed(ids)], now=NOW) for _ in range(4)]

    def child(number: int) -> object:
        nap()
        try:
            return store.task_fence_cancel("r", 1, "r:7", now=NOW).state
        except Conflict:
            return "too late"

    def look(number: int) -> None:
        assert [result for result in crew.of(number) if isinstance(result, Exception)] == []
        assert pending() == []

    crew = Crew(in_thread, lambda number: store.graph_cancel("r", now=NOW), child, beat, rounds=60)
    crew.run(arrange, look)
    assert deadlocks() == before
