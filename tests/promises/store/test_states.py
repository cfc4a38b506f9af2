"""The tables of states.py against the SQL: every event in every state does what the table says, and nothing else."""

from collections.abc import Callable

import pytest

from promises import store
from promises.errors import Conflict
from promises.states import PROMISE_TRANSITIONS, TASK_TRANSITIONS, PromiseState, TaskState
from tests.promises.making import NOW, TTL, acquire, create, create_task, rows, task

PROMISE_EVENTS: dict[str, tuple[str, Callable[[], object]]] = {
    "resolve": ("", lambda: store.promise_settle("p", "resolved", now=NOW)),
    "reject": ("", lambda: store.promise_settle("p", "rejected", now=NOW)),
    "cancel": ("", lambda: store.promise_settle("p", "rejected_canceled", now=NOW)),
    "deadline": ("", lambda: store.timeouts_sweep(NOW + 100)),
    "deadline of a timer": ("true", lambda: store.timeouts_sweep(NOW + 100)),
}

TASK_EVENTS: dict[str, Callable[[], object]] = {
    "acquire": lambda: acquire("p"),
    "suspend": lambda: store.task_suspend("p", _version(), ["p:1"], now=NOW),
    "release": lambda: store.task_release("p", _version(), now=NOW),
    "lease lapses": lambda: store.timeouts_sweep(NOW + TTL),
    "awaited settles": lambda: store.promise_settle("p:1", "resolved", now=NOW),
    "halt": lambda: store.task_halt("p", "why", now=NOW),
    "continue": lambda: store.task_continue("p", now=NOW),
    "promise settles": lambda: store.promise_settle("p", "resolved", now=NOW),
}


def test_every_event_of_the_tables_is_driven_here() -> None:
    assert {event for _, event in PROMISE_TRANSITIONS} == set(PROMISE_EVENTS)
    assert {event for _, event in TASK_TRANSITIONS} == set(TASK_EVENTS)


@pytest.mark.parametrize("state", PromiseState)
@pytest.mark.parametrize("event", PROMISE_EVENTS)
def test_promise(state: PromiseState, event: str) -> None:
    timer, act = PROMISE_EVENTS[event]
    if state is PromiseState.REJECTED_TIMEDOUT:
        create("p", timeout_at=NOW)
    else:
        create("p", timeout_at=NOW + 100, timer=timer)
        if state is not PromiseState.PENDING:
            store.promise_settle("p", state, now=NOW)
    act()
    (row,) = rows()["promise"]
    assert row["state"] == PROMISE_TRANSITIONS.get((state, event), state)


@pytest.mark.parametrize("state", TaskState)
@pytest.mark.parametrize("event", TASK_EVENTS)
def test_task(state: TaskState, event: str) -> None:
    _bring_to(state)
    before = task("p")
    try:
        TASK_EVENTS[event]()
    except Conflict:
        assert (state, event) not in TASK_TRANSITIONS
    after = task("p")
    assert after["state"] == TASK_TRANSITIONS.get((state, event), state)
    is_acquisition = (state, event) == (TaskState.PENDING, "acquire")
    assert after["version"] == before["version"] + is_acquisition


def _version() -> int:
    return int(task("p")["version"])


def _bring_to(state: TaskState) -> None:
    create("p:1")
    create_task("p")
    if state in (TaskState.ACQUIRED, TaskState.SUSPENDED):
        acquire("p")
        store.promise_register_callback("p:1", "p", now=NOW)
    if state is TaskState.SUSPENDED:
        store.task_suspend("p", 1, ["p:1"], now=NOW)
    if state is TaskState.HALTED:
        store.task_halt("p", "why", now=NOW)
    if state is TaskState.FULFILLED:
        store.promise_settle("p", "resolved", now=NOW)
    assert task("p")["state"] == state
