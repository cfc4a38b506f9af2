"""Real threads on real connections: no wake-up is lost, no lease is held twice, nothing waits for itself."""

import random
from collections.abc import Callable

import pytest

from promises import store
from promises.errors import Conflict, PromiseError
from promises.records import NewPromise
from promises.store.timeouts import sweep
from promises.times import NEVER
from tests.promises.crew import Crew, Wrap, deadlocks, nap
from tests.promises.fixtures import Sent
from tests.promises.making import (
    NOW,
    TTL,
    acquire,
    clear,
    create,
    create_acquired,
    create_suspended,
    create_task,
    rows,
    task,
)

TARGET = {"resonate:target": "celery://default"}

pytestmark = pytest.mark.slow


def test_a_settlement_and_a_suspend_that_meet_never_lose_the_wake_up(in_thread: Wrap, sent: Sent) -> None:
    outcomes = set()

    def arrange(number: int) -> None:
        create(f"r{number}:1")
        assert create_acquired(f"r{number}") == 1

    def settle(number: int) -> object:
        nap()
        return store.promise_settle(f"r{number}:1", "resolved", now=NOW)

    def suspend(number: int) -> object:
        nap()
        return store.task_suspend(f"r{number}", 1, [f"r{number}:1"], now=NOW)

    def look(number: int) -> None:
        settled, redirect = crew.of(number)
        assert settled.state == "resolved"
        if redirect:  # the worker was told, and goes on
            assert task(f"r{number}")["state"] == "acquired"
        else:  # it left, and is woken
            assert task(f"r{number}")["state"] == "pending"
            assert sent[-1] == ("default", f"r{number}", 1)
        outcomes.add(bool(redirect))

    crew = Crew(in_thread, settle, suspend, rounds=300)
    crew.run(arrange, look)
    assert outcomes == {True, False}  # they did meet in both orders
    assert rows()["callback"] == []


def test_of_many_acquirers_one_wins(in_thread: Wrap) -> None:
    def arrange(number: int) -> None:
        create_task(f"t{number}")

    def take(number: int) -> object:
        return acquire(f"t{number}", 0).task.version

    def look(number: int) -> None:
        results = crew.of(number)
        assert sorted(result for result in results if result == 1) == [1]
        assert sum(isinstance(result, Conflict) for result in results) == len(results) - 1

    crew = Crew(in_thread, take, take, take, rounds=60)
    crew.run(arrange, look)


def test_of_many_creators_one_creates_and_one_message_goes_out(in_thread: Wrap, sent: Sent) -> None:
    def make(number: int) -> object:
        return store.promise_create(f"t{number}", timeout_at=NEVER, now=NOW, tags=TARGET)[1]

    def look(number: int) -> None:
        assert sorted(crew.of(number)) == [False, False, True]
        assert len([id for _, id, _ in sent if id == f"t{number}"]) == 1

    crew = Crew(in_thread, make, make, make, rounds=60)
    crew.run(lambda number: None, look)


def test_of_many_settlers_the_first_answer_is_everybodys(in_thread: Wrap, sent: Sent) -> None:
    def arrange(number: int) -> None:
        clear()
        sent.clear()
        create("r:1")
        create_suspended("r", "r:1")

    def settle(state: str) -> Callable[[int], object]:
        return lambda number: store.promise_settle("r:1", state, now=NOW)

    def look(number: int) -> None:
        assert len({result.state for result in crew.of(number)}) == 1
        assert len([id for _, id, _ in sent if id == "r"]) == 2  # the first dispatch, and one wake-up

    crew = Crew(in_thread, settle("resolved"), settle("rejected"), settle("rejected_canceled"), rounds=60)
    crew.run(arrange, look)


def test_a_lease_taken_back_by_the_clock_is_not_extended_by_its_old_holder(in_thread: Wrap) -> None:
    def arrange(number: int) -> None:
        clear()
        create_acquired("r")

    def look(number: int) -> None:
        swept, held = crew.of(number)
        state = task("r")["state"]
        assert (state == "pending") == (swept.lapsed == 1)
        assert held == ({"r"} if state == "acquired" else set())

    crew = Crew(
        in_thread,
        lambda number: (nap(), sweep(NOW + TTL))[1],
        lambda number: (nap(), store.task_heartbeat("p1", [("r", 1)], now=NOW + TTL))[1],
        rounds=80,
    )
    crew.run(arrange, look)


def test_fan_in_of_settlements_suspends_heartbeats_and_sweeps_never_deadlocks(  # noqa: C901 (four parties)
    in_thread: Wrap, sent: Sent
) -> None:
    """Two parents wait for the same children, that settle in every order while the clock and the heartbeat pass."""
    children = [f"r:{number}" for number in range(6)]
    before = deadlocks()

    def arrange(number: int) -> None:
        clear()
        sent.clear()
        for child in children:
            create_task(child, origin="r", timeout_at=NOW + 10)
        for parent in ("r:a", "r:b"):
            create_acquired(parent, origin="r")

    def settle(chosen: list[str]) -> Callable[[int], object]:
        def run(number: int) -> None:
            for child in chosen:
                store.promise_settle(child, "resolved", now=NOW)

        return run

    def parents(number: int) -> object:
        for parent in ("r:a", "r:b"):
            store.task_suspend(parent, 1, random.sample(children, 6), now=NOW)
        return None

    def clock(number: int) -> object:
        store.task_heartbeat("p1", [("r:a", 1), ("r:b", 1)], now=NOW)
        return sweep(NOW + 10)

    def look(number: int) -> None:
        assert [result for result in crew.of(number) if isinstance(result, Exception)] == []
        for parent in ("r:a", "r:b"):
            assert task(parent)["state"] in ("pending", "acquired")
        assert rows()["callback"] == []

    crew = Crew(in_thread, settle(children[:3]), settle(children[:2:-1]), parents, clock, rounds=40)
    crew.run(arrange, look)
    assert deadlocks() == before


def test_a_canceled_execution_gets_no_new_call_afterwards(in_thread: Wrap) -> None:
    """Once the root is settled, its worker adds nothing that would go on running."""

    def arrange(number: int) -> None:
        clear()
        create_acquired("r")

    def cancel(number: int) -> object:
        nap()
        store.promise_settle("r", "rejected_canceled", now=NOW)
        return {row["id"] for row in rows()["promise"]}

    def call(number: int) -> object:
        nap()
        try:
            return store.task_record("r", 1, [NewPromise("r:1", NEVER, tags=TARGET)], now=NOW)
        except PromiseError as error:
            return error

    def look(number: int) -> None:
        seen, _ = crew.of(number)
        assert seen == {row["id"] for row in rows()["promise"]}

    crew = Crew(in_thread, cancel, call, rounds=150)
    crew.run(arrange, look)


def test_heartbeats_of_callers_and_calls_never_wait_for_a_settlement(in_thread: Wrap) -> None:
    """The end of a call locks its own task, then its caller's; a heartbeat has both."""
    before = deadlocks()
    calls = [f"r:{number}" for number in range(6)]

    def arrange(number: int) -> None:
        clear()
        for id in ("r", *calls):
            create_acquired(id, origin="r")
        store.task_suspend("r", 1, calls, now=NOW)
        store.task_fulfill("r:0", 1, "resolved", now=NOW)
        acquire("r")

    def fulfill(number: int) -> None:
        for id in calls[1:]:
            store.task_fulfill(id, 1, "resolved", now=NOW)

    def beat(number: int) -> None:
        for _ in range(12):
            store.task_heartbeat("p1", [("r", 2), *[(id, 1) for id in calls]], now=NOW + 5)

    def look(number: int) -> None:
        assert crew.of(number) == [None, None]
        assert store.task_heartbeat("p1", [("r", 2), *[(id, 1) for id in calls]], now=NOW + 6) == {"r"}
        assert task("r")["due_at"] == NOW + 6 + TTL

    crew = Crew(in_thread, fulfill, beat, rounds=40)
    crew.run(arrange, look)
    assert deadlocks() == before
