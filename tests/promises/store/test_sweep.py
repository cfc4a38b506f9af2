"""What time does by itself: deadlines, repeated dispatches, lapsed leases, crash loops."""

import pytest
from django.test import override_settings

from promises import store
from promises.records import NewPromise
from promises.store.timeouts import Swept, next_due, sweep
from promises.times import NEVER
from tests.promises.fixtures import Sent
from tests.promises.making import (
    NOW,
    RETRY,
    TTL,
    acquire,
    create,
    create_acquired,
    create_suspended,
    create_task,
    rows,
    task,
)


def test_nothing_is_due() -> None:
    create("p", timeout_at=NOW + 5)
    create_task("q")
    assert sweep(NOW + 4) == Swept(0, 0, 0, 0)


@pytest.mark.parametrize(("timer", "state"), [("true", "resolved"), ("", "rejected_timedout")])
def test_at_its_deadline_a_promise_is_settled_as_of_its_deadline(timer: str, state: str) -> None:
    create("p", timeout_at=NOW + 5, timer=timer)
    assert sweep(NOW + 500).settled == 1
    (row,) = rows()["promise"]
    assert (row["state"], row["settled_at"], row["value_data"]) == (state, NOW + 5, None)
    assert sweep(NOW + 500) == Swept(0, 0, 0, 0)


def test_every_pending_promise_is_armed_not_only_those_with_a_target() -> None:
    create("r:1", timeout_at=NOW + 5, scope="global")
    create("r:2", timeout_at=NOW + 5)
    assert sweep(NOW + 5).settled == 2


def test_a_deadline_cascades_like_any_settlement(sent: Sent) -> None:
    create("r:1", timeout_at=NOW + 5)
    version = create_suspended("r", "r:1")
    create_task("s", timeout_at=NOW + 5)
    sent.clear()
    sweep(NOW + 5)
    assert (task("r")["state"], task("s")["state"], rows()["callback"]) == ("pending", "fulfilled", [])
    assert sent == [("default", "r", version)]


def test_parent_and_child_due_together_wake_nobody(sent: Sent) -> None:
    create("r:1", timeout_at=NOW + 5)
    create_suspended("r", "r:1", timeout_at=NOW + 5)
    sent.clear()
    assert sweep(NOW + 5).settled == 2
    assert (sent, task("r")["state"]) == ([], "fulfilled")


def test_an_unanswered_dispatch_is_repeated_ever_more_slowly(sent: Sent) -> None:
    create_task("p")
    due = NOW + RETRY
    for factor in (2, 4, 8, 16, 32, 64, 64):
        assert sweep(due - 1).retried == 0
        assert sweep(due).retried == 1
        assert task("p")["due_at"] == due + RETRY * factor
        due = task("p")["due_at"]
    assert sent == [("default", "p", 0)] * 8


def test_an_acquire_forgets_how_often_it_was_dispatched(sent: Sent) -> None:
    create_task("p")
    sweep(NOW + RETRY)
    store.task_release("p", acquire("p").task.version, now=NOW)
    assert (task("p")["due_at"], task("p")["dispatches"]) == (NOW + RETRY, 1)


def test_a_lapsed_lease_is_taken_back_with_its_version(sent: Sent) -> None:
    version = create_acquired("p")
    sent.clear()
    assert sweep(NOW + TTL - 1).total == 0
    assert sweep(NOW + TTL).lapsed == 1
    row = task("p")
    assert (row["state"], row["version"], row["pid"], row["ttl"], row["due_at"]) == (
        "pending",
        version,
        None,
        None,
        NOW + TTL + RETRY,
    )
    assert sent == [("default", "p", version)]


def test_a_heartbeat_keeps_the_lease() -> None:
    version = create_acquired("p")
    store.task_heartbeat("p1", [("p", version)], now=NOW + TTL - 1)
    assert sweep(NOW + TTL).total == 0


def test_a_dead_task_is_not_dispatched_again(sent: Sent) -> None:
    create_task("p", timeout_at=NOW + 5)
    for number in range(3):  # more deadlines than one sweep takes, all before p's
        create(f"q{number}", timeout_at=NOW + 1)
    sent.clear()
    assert sweep(NOW + RETRY, limit=2) == Swept(2, 0, 0, 0)
    assert sweep(NOW + RETRY, limit=2) == Swept(2, 0, 0, 0)
    assert (sent, task("p")["state"]) == ([], "fulfilled")


def test_at_most_the_limit_of_each_kind() -> None:
    for number in range(5):
        create(f"p{number}", timeout_at=NOW + 5)
        create_task(f"t{number}")
    assert sweep(NOW + RETRY, limit=3) == Swept(3, 0, 0, 3)
    assert sweep(NOW + RETRY, limit=3) == Swept(2, 0, 0, 2)


def _die(id: str, now: int) -> str:
    acquire(id, now=now)
    sweep(now + TTL)
    return str(task(id)["state"])


@override_settings(PROMISES={"MAX_CRASHES": 3})
def test_a_task_that_kills_its_worker_again_and_again_is_halted(sent: Sent) -> None:
    create_task("p")
    assert [_die("p", NOW + n * 100_000) for n in range(3)] == ["pending", "pending", "halted"]
    row = task("p")
    assert (row["due_at"], row["pid"], row["crashes"]) == (None, None, 3)
    assert "3 times in a row" in row["halt_reason"]
    assert "(last: p1), each time at its first call" in row["halt_reason"]
    store.task_continue("p", now=NOW)
    assert (task("p")["state"], task("p")["crashes"]) == ("pending", 0)


@override_settings(PROMISES={"MAX_CRASHES": 3})
def test_the_reason_says_after_which_call_it_dies() -> None:
    create_task("p", branch="p", origin="p")
    version = acquire("p").task.version
    steps = [
        NewPromise(
            f"p:{n}",
            NEVER,
            tags={"resonate:branch": "p", "resonate:origin": "p", "countersign:func": func},
            state="resolved",
        )
        for n, func in enumerate(["load", "charge"], start=1)
    ]
    store.task_record("p", version, steps, now=NOW)
    store.task_release("p", version, now=NOW)
    while _die("p", NOW) == "pending":
        pass
    assert "each time after p:2 (charge)" in task("p")["halt_reason"]


@override_settings(PROMISES={"MAX_CRASHES": 2})
def test_a_worker_that_recorded_something_new_before_it_died_is_not_held_against_the_function() -> None:
    create_task("p", branch="p", origin="p")
    for number in range(6):
        now = NOW + number * 100_000
        version = acquire("p", now=now).task.version
        step = NewPromise(f"p:{number}", NEVER, tags={"resonate:branch": "p"}, state="resolved")
        store.task_record("p", version, [step], now=now)
        sweep(now + TTL)
        assert task("p")["state"] == "pending"
    assert _die("p", NOW + 10_000_000) == "halted"  # the second death in a row with nothing new


@override_settings(PROMISES={"MAX_CRASHES": 2})
@pytest.mark.parametrize("ending", ["suspend", "release"])
def test_a_lease_that_ends_well_breaks_the_row(ending: str) -> None:
    create_task("p")
    assert _die("p", NOW) == "pending"
    version = acquire("p").task.version
    if ending == "release":
        store.task_release("p", version, now=NOW)
    else:
        create("p:1")
        store.task_suspend("p", version, ["p:1"], now=NOW)
        store.promise_settle("p:1", "resolved", now=NOW)
    assert _die("p", NOW) == "pending"


def test_when_the_clock_has_to_look_again() -> None:
    assert next_due(NOW) == NEVER
    create("never")
    assert next_due(NOW) == NEVER
    create_task("t")
    assert next_due(NOW) == NOW + RETRY
    create("p", timeout_at=NOW + 5)
    assert next_due(NOW) == NOW + 5
    store.promise_settle("p", "resolved", now=NOW)
    acquire("t")
    assert next_due(NOW) == NOW + TTL
