"""promise.settle, and everything that follows from it in the same commit."""

from collections.abc import Callable

import pytest

from promises import store
from promises.errors import BadRequest, PromiseNotFound
from promises.times import NEVER
from promises.values import Value
from tests.promises.fixtures import Sent
from tests.promises.making import (
    NOW,
    RETRY,
    acquire,
    create,
    create_acquired,
    create_suspended,
    create_task,
    rows,
    task,
)

STATES = ["resolved", "rejected", "rejected_canceled"]


@pytest.mark.parametrize("state", STATES)
def test_settling(state: str) -> None:
    create("p", timeout_at=NOW + 100)
    value = Value({"h": "1"}, "eA==")
    promise = store.promise_settle("p", state, value, now=NOW + 7)
    assert (promise.state, promise.value, promise.settled_at) == (state, value, NOW + 7)
    assert store.promise_get("p", now=NOW + 7) == promise


@pytest.mark.parametrize("state", STATES)
def test_settling_twice_keeps_the_first_answer(state: str) -> None:
    create("p")
    first = store.promise_settle("p", "resolved", Value.of("yes"), now=NOW)
    assert store.promise_settle("p", state, Value.of("no"), now=NOW + 1) == first


@pytest.mark.parametrize(("timer", "state"), [("true", "resolved"), ("", "rejected_timedout")])
def test_at_its_deadline_it_is_too_late_to_settle(timer: str, state: str) -> None:
    create("p", timeout_at=NOW + 5, timer=timer)
    late = store.promise_settle("p", "rejected", Value.of("late"), now=NOW + 5)
    assert (late.state, late.settled_at, late.value) == (state, NOW + 5, Value())
    assert rows()["promise"][0]["state"] == state


def test_just_before_its_deadline_it_is_not() -> None:
    create("p", timeout_at=NOW + 5)
    assert store.promise_settle("p", "resolved", now=NOW + 4).state == "resolved"


@pytest.mark.parametrize("state", ["pending", "rejected_timedout", "RESOLVED", "", "done"])
def test_other_states_are_refused(state: str) -> None:
    create("p")
    with pytest.raises(BadRequest):
        store.promise_settle("p", state, now=NOW)


def test_a_malformed_request_is_refused_before_the_promise_is_missed() -> None:
    with pytest.raises(BadRequest):
        store.promise_settle("missing", "resolved", Value(data="\x00"), now=NOW)
    with pytest.raises(PromiseNotFound):
        store.promise_settle("missing", "resolved", now=NOW)


def test_it_fulfills_the_task_whatever_state_that_is_in() -> None:
    create_task("pending")
    create_acquired("acquired")
    create("suspended:1")
    create_suspended("suspended", "suspended:1")
    create_task("halted")
    store.task_halt("halted", "why", now=NOW)
    for id in ("pending", "acquired", "suspended", "halted"):
        store.promise_settle(id, "resolved", now=NOW)
        row = task(id)
        assert (row["state"], row["pid"], row["ttl"], row["due_at"], row["halt_reason"]) == (
            "fulfilled",
            None,
            None,
            None,
            "",
        )
    assert rows()["callback"] == []  # the suspended one waits for nothing any more


def test_it_wakes_every_suspended_awaiter_once(sent: Sent) -> None:
    create("r:1", origin="r")
    versions = {id: _waiting(id, "r:1") for id in ("r:2", "r:3", "r:4")}
    sent.clear()
    store.promise_settle("r:1", "resolved", now=NOW + 3)
    assert sent == [("default", id, version) for id, version in versions.items()]
    for id in versions:
        row = task(id)
        assert (row["state"], row["resumes"], row["due_at"]) == ("pending", 1, NOW + 3 + RETRY)
    assert rows()["callback"] == []


def test_awaiters_that_are_not_suspended_only_count_it(sent: Sent) -> None:
    create("r:1", origin="r")
    create("r:9", origin="r")
    _waiting("r:2", "r:1", "r:9")
    _waiting("r:3", "r:1", "r:9")
    store.promise_settle("r:9", "resolved", now=NOW)  # both pending now
    acquire("r:2")
    store.task_halt("r:3", "", now=NOW)
    sent.clear()
    store.promise_settle("r:1", "resolved", now=NOW)
    assert (task("r:2")["state"], task("r:2")["resumes"]) == ("acquired", 1)
    assert (task("r:3")["state"], task("r:3")["resumes"]) == ("halted", 2)
    assert sent == []


def test_an_awaiter_past_its_own_deadline_is_not_woken(sent: Sent) -> None:
    create("r:1")
    create_suspended("r", "r:1", timeout_at=NOW + 5)
    sent.clear()
    store.promise_settle("r:1", "resolved", now=NOW + 5)
    assert (task("r")["state"], sent, rows()["callback"]) == ("suspended", [], [])


def test_settling_again_wakes_nobody_again(sent: Sent) -> None:
    create("r:1")
    create_suspended("r", "r:1")
    for _ in range(2):
        store.promise_settle("r:1", "resolved", now=NOW)
    assert len(sent) == 2  # the first dispatch and the wake-up


def test_a_deadline_that_a_settle_finds_passed_cascades_too(sent: Sent) -> None:
    create("r:1", timeout_at=NOW + 5)
    version = create_suspended("r", "r:1")
    store.promise_settle("r:1", "resolved", now=NOW + 6)
    assert task("r")["state"] == "pending"
    assert sent[-1] == ("default", "r", version)


def test_listeners_are_told_once_with_the_id(notified: Callable[[str], list[str]]) -> None:
    notified("countersign_settled")
    create("p", timeout_at=NEVER)
    store.promise_register_listener("p", now=NOW)
    store.promise_register_listener("p", now=NOW)
    assert len(rows()["listener"]) == 1
    store.promise_settle("p", "resolved", now=NOW)
    store.promise_settle("p", "resolved", now=NOW)
    assert notified("countersign_settled") == ["p"]
    assert rows()["listener"] == []


def test_without_a_listener_nobody_is_told(notified: Callable[[str], list[str]]) -> None:
    notified("countersign_settled")
    create("p")
    store.promise_settle("p", "resolved", now=NOW)
    assert notified("countersign_settled") == []


def test_listeners_are_told_of_deadlines_too(notified: Callable[[str], list[str]]) -> None:
    notified("countersign_settled")
    create("p", timeout_at=NOW + 5)
    store.promise_register_listener("p", now=NOW)
    store.timeouts_sweep(NOW + 5)
    assert notified("countersign_settled") == ["p"]


def test_a_near_deadline_is_announced_to_the_clock(notified: Callable[[str], list[str]]) -> None:
    notified("countersign_clock")
    create("far", timeout_at=NOW + 1000)
    assert notified("countersign_clock") == []
    create("near", timeout_at=NOW + 999)
    assert len(notified("countersign_clock")) == 1


def _waiting(id: str, *awaited: str) -> int:
    version = create_acquired(id, origin="r")
    assert store.task_suspend(id, version, awaited, now=NOW) == []
    return version
