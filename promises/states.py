"""Promise and task states and their transition tables: data, no I/O.

The tables are the reference for the SQL functions in `promises/sql/`, for `workflows/stores/memory.py` and for the
drawings in `docs/state_machines.md` (a test holds all of them against each other). The rules are those of the
Resonate protocol.
"""

from enum import StrEnum


class PromiseState(StrEnum):
    """A promise is pending until it is settled once, by whoever comes first: an owner, an outsider or its deadline."""

    PENDING = "pending"
    RESOLVED = "resolved"
    REJECTED = "rejected"
    REJECTED_CANCELED = "rejected_canceled"
    REJECTED_TIMEDOUT = "rejected_timedout"


class TaskState(StrEnum):
    """A task is the right to execute the function of a promise that has a target."""

    PENDING = "pending"
    ACQUIRED = "acquired"
    SUSPENDED = "suspended"
    HALTED = "halted"
    FULFILLED = "fulfilled"


# What a caller may ask `promise_settle` for; `rejected_timedout` belongs to the deadline alone.
SETTLE_STATES = frozenset({PromiseState.RESOLVED, PromiseState.REJECTED, PromiseState.REJECTED_CANCELED})

P, T = PromiseState, TaskState

PROMISE_TRANSITIONS: dict[tuple[PromiseState, str], PromiseState] = {
    (P.PENDING, "resolve"): P.RESOLVED,
    (P.PENDING, "reject"): P.REJECTED,
    (P.PENDING, "cancel"): P.REJECTED_CANCELED,
    (P.PENDING, "deadline"): P.REJECTED_TIMEDOUT,
    (P.PENDING, "deadline of a timer"): P.RESOLVED,
}

TASK_TRANSITIONS: dict[tuple[TaskState, str], TaskState] = {
    (T.PENDING, "acquire"): T.ACQUIRED,
    (T.ACQUIRED, "suspend"): T.SUSPENDED,
    (T.ACQUIRED, "release"): T.PENDING,
    (T.ACQUIRED, "lease lapses"): T.PENDING,
    (T.SUSPENDED, "awaited settles"): T.PENDING,
    (T.PENDING, "halt"): T.HALTED,
    (T.ACQUIRED, "halt"): T.HALTED,
    (T.SUSPENDED, "halt"): T.HALTED,
    (T.HALTED, "continue"): T.PENDING,
    (T.PENDING, "promise settles"): T.FULFILLED,
    (T.ACQUIRED, "promise settles"): T.FULFILLED,
    (T.SUSPENDED, "promise settles"): T.FULFILLED,
    (T.HALTED, "promise settles"): T.FULFILLED,
}


def is_settled(state: str) -> bool:
    """Whether a promise in `state` can no longer change."""
    return state != PromiseState.PENDING
