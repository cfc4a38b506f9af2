"""The verbs of tasks: leases on the execution of a promise's function. `version` fences: a worker that lost its lease
gets Conflict for whatever it still tries to write. `ttl` and `delay` are milliseconds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from promises.errors import BadRequest
from promises.records import Acquired, NewPromise, PromiseRecord
from promises.states import PromiseState
from promises.store import checks
from promises.store.call import (
    call,
    dumps,
    execute,
    headers,
    promise_of,
    record_of_json,
    retry_interval,
    row_of,
    rows_json,
    same_origin,
    task_of,
    text_array,
    undoable,
)
from promises.store.promises import check_new
from promises.times import NEVER
from promises.values import EMPTY, Value

NOTHING_READY, GOES_ON = 204, 300  # statuses of a claim and of a suspend
# The hot path of `task_record`, completed steps alone: no task, no deadline to come, nobody to wake. One plain
# statement, half the price of a function; the fence is the join. Locks only what it inserts: were the lease taken
# between the look and the commit, the key of the promise decides which of two workers' outcomes is recorded.
_RECORD_STEPS = """
    INSERT INTO promises_promise (id, state, param_headers, param_data, value_headers, value_data, tags,
                                  timeout_at, created_at, settled_at, is_root)
    SELECT x.id, x.state, x.param_headers, x.param_data, x.value_headers, x.value_data, x.tags, x.timeout_at,
           least(coalesce(x.created_at, now.ms), x.timeout_at), least(now.ms, x.timeout_at), false
      FROM (SELECT %s::bigint AS ms) now, promises_task t JOIN promises_promise p ON p.id = t.id,
           jsonb_to_recordset(%s::jsonb) AS x(
               id text, state text, timeout_at bigint, param_headers jsonb, param_data text,
               value_headers jsonb, value_data text, tags jsonb, created_at bigint)
     WHERE t.id = %s AND t.version = %s AND t.state = 'acquired' AND p.timeout_at > now.ms
    ON CONFLICT (id) DO NOTHING RETURNING true
"""
LONGEST_LEASE = 31_536_000_000  # a year


def task_acquire(id: str, version: int | None, *, pid: str, ttl: int, now: int) -> Acquired:
    """Take the lease of a pending task until `now + ttl`, with everything that is needed to replay. `version` None
    takes any.

    Errors: BadRequest, TaskNotFound, Conflict (not pending, or another version).
    """
    _check_lease(id, pid, ttl)
    checks.check_version(version)
    return _acquired(call("promises_task_acquire", (id, version, pid, ttl, now, retry_interval())))


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker asks for: the task that is first in line at one of `targets` (earlier ones go first)."""

    targets: Sequence[str]
    pid: str
    ttl: int


def task_claim(claim: Claim, *, now: int) -> Acquired | int:
    """Take the lease of the task that is first in line, as `task_acquire` does. What a limit or a rate holds back is
    passed over.

    Without one, the time (ms) at which a rate will allow a task that waits; NEVER when there is nothing to wait for:
    then something happens first, and that is notified. Errors: BadRequest.
    """
    return _claimed(call("promises_task_claim", (*_claim_params(claim), now, retry_interval())))


def task_create(promise: NewPromise, *, pid: str, ttl: int, now: int) -> Acquired:
    """Create a promise with a target and hold its lease at once (nothing is dispatched), or take the existing pending
    task.

    A settled promise comes back with its fulfilled task and no lease. Errors: BadRequest (no target, a delay), Conflict
    (somebody else executes it, it is suspended or halted), Unprocessable (it exists without a target).
    """
    _check_lease(promise.id, pid, ttl)
    check_new(promise.id, promise.timeout_at, promise.param, promise.tags)
    if "resonate:target" not in promise.tags or "resonate:delay" in promise.tags:
        raise BadRequest("task.create needs a promise with resonate:target and without resonate:delay")
    return _acquired(call("promises_task_create", (dumps(row_of(promise)), pid, ttl, now, retry_interval())))


def task_record(id: str, version: int, promises: Sequence[NewPromise], *, now: int) -> dict[str, PromiseRecord]:
    """As the holder of the lease, create promises: remote calls and latent promises, pending, and completed local
    steps, settled. One commit for all. Returns {} when all are new; when some existed before, all of them by id as
    they are stored: the record wins over what the caller brought.

    Errors: BadRequest (a pending one is not well formed), TaskNotFound, Conflict (the lease is lost).
    """
    created = rows_json(promises)
    if promises and all(promise.state != PromiseState.PENDING for promise in promises):
        if len(execute(_RECORD_STEPS, (now, created, id, version))) == len(promises):
            return {}
    else:
        _check_pending(promises)
    rows = call("promises_task_record", (id, version, created, now, retry_interval()))
    known = rows[0][3]
    return {} if known is None else {found.id: found for found in map(record_of_json, json.loads(known))}


def task_fence_settle(
    id: str, version: int, promise_id: str, state: str, value: Value = EMPTY, *, now: int
) -> PromiseRecord:
    """As the holder of the lease, settle another promise; see `promise_settle`. Errors: also TaskNotFound, Conflict."""
    _check_task(id, version)
    checks.check_id(promise_id)
    checks.check_settle_state(state)
    checks.check_value(value)
    if promise_id == id:
        raise BadRequest("A task's own promise is settled by task.fulfill")
    params = (id, version, promise_id, state, headers(value), value.data, now, retry_interval())
    return promise_of(call("promises_task_fence_settle", params)[0])


def task_suspend(
    id: str, version: int, awaited: Sequence[str], *, create: Sequence[NewPromise] = (), now: int
) -> list[PromiseRecord]:
    """Give up the lease until one of the `awaited` promises settles, after creating the missing ones of `create`.

    Returns [] when the task is suspended; when some awaited promise is settled already, those that are: then nothing is
    registered and the lease is kept (the protocol's 300). Errors: BadRequest (nothing, itself or one twice awaited,
    another origin), TaskNotFound, Conflict, Unprocessable (an awaited promise is missing or internal).
    """
    rows = _suspend("promises_task_suspend", id, version, awaited, create, now=now)
    return [promise_of(row) for row in rows] if rows[0][0] == GOES_ON else []


def task_suspend_claim(
    id: str, version: int, awaited: Sequence[str], *, create: Sequence[NewPromise] = (), claim: Claim, now: int
) -> tuple[list[PromiseRecord], Acquired | int | None]:
    """`task_suspend`, and in the same commit `task_claim`; None as the claim of one that goes on."""
    rows = _suspend("promises_task_suspend_claim", id, version, awaited, create, more=_claim_params(claim), now=now)
    if rows[0][0] == GOES_ON:
        return [promise_of(row) for row in rows], None
    return [], _claimed(rows[1:])


def task_fulfill(id: str, version: int, state: str, value: Value = EMPTY, *, now: int) -> PromiseRecord:
    """Settle the task's own promise with the outcome of its function. Errors: BadRequest, TaskNotFound, Conflict."""
    return promise_of(_fulfill("promises_task_fulfill", id, version, state, value, now=now)[0])


def task_fulfill_claim(
    id: str, version: int, state: str, value: Value = EMPTY, *, claim: Claim, now: int
) -> tuple[PromiseRecord, Acquired | int]:
    """`task_fulfill`, and in the same commit `task_claim`."""
    rows = _fulfill("promises_task_fulfill_claim", id, version, state, value, more=_claim_params(claim), now=now)
    return promise_of(rows[0]), _claimed(rows[1:])


def task_release(id: str, version: int, *, now: int, delay: int = 0) -> None:
    """Give the lease back unfinished; the task is dispatched again at once, or after `delay`. Errors: TaskNotFound,
    Conflict."""
    _check_task(id, version)
    call("promises_task_release", (id, version, delay, now, retry_interval()))


def task_heartbeat(pid: str, leases: Sequence[tuple[str, int]], *, now: int) -> set[str]:
    """Extend the leases (task id, version) by their ttl from `now`; returns the ids of those that were. Missing is what
    `pid` does not hold any more, and what somebody changes at this moment: the next beat tells them apart."""
    if not leases:
        return set()
    ids, versions = [id for id, _ in leases], [version for _, version in leases]
    rows = execute("SELECT * FROM promises_task_heartbeat(%s, %s::text[], %s::int[], %s)", (pid, ids, versions, now))
    return {row[0] for row in rows}


def task_halt(id: str, reason: str, *, now: int, version: int | None = None) -> None:
    """Dispatch the task no more until `task_continue`. With `version`, only as the holder of that lease.

    Errors: TaskNotFound, Conflict (fulfilled, or the lease is lost).
    """
    _check_task(id, version)
    call("promises_task_halt", (id, version, reason, now, retry_interval()))


def task_continue(id: str, *, now: int) -> None:
    """Dispatch a halted task again. Errors: TaskNotFound, Conflict (not halted)."""
    _check_task(id)
    call("promises_task_continue", (id, now, retry_interval()))


def _suspend(
    function: str,
    id: str,
    version: int,
    awaited: Sequence[str],
    create: Sequence[NewPromise],
    *,
    more: tuple[object, ...] = (),
    now: int,
) -> list[tuple[Any, ...]]:
    _check_task(id, version)
    for other in awaited:
        checks.check_id(other, "awaited")
    if not awaited or id in awaited or len(set(awaited)) < len(awaited):
        raise BadRequest("A task suspends on one or more other promises, each named once")
    _check_pending(create)
    params = (id, version, text_array(awaited), rows_json(create), same_origin(), *more, now, retry_interval())
    with undoable():
        return call(function, params)


def _fulfill(
    function: str, id: str, version: int, state: str, value: Value, *, more: tuple[object, ...] = (), now: int
) -> list[tuple[Any, ...]]:
    _check_task(id, version)
    checks.check_settle_state(state)
    checks.check_value(value)
    return call(function, (id, version, state, headers(value), value.data, *more, now, retry_interval()))


def _claim_params(claim: Claim) -> tuple[object, ...]:
    _check_lease("claim", claim.pid, claim.ttl)
    return text_array(claim.targets), claim.pid, claim.ttl


def _claimed(rows: list[tuple[Any, ...]]) -> Acquired | int:
    if rows[0][0] == NOTHING_READY:
        return NEVER if rows[0][17] is None else int(rows[0][17])
    return _acquired(rows)


def _check_task(id: str, version: int | None = None) -> None:
    checks.check_id(id, "Task id")
    checks.check_version(version)


def _check_lease(id: str, pid: str, ttl: int) -> None:
    checks.check_id(id, "Task id")
    checks.check_id(pid, "pid")
    if type(ttl) is not int or not 1 <= ttl <= LONGEST_LEASE:
        raise BadRequest(f"ttl must be an integer from 1 to {LONGEST_LEASE}, in ms")


def _check_pending(promises: Sequence[NewPromise]) -> None:
    for promise in promises:
        if promise.state == PromiseState.PENDING:
            check_new(promise.id, promise.timeout_at, promise.param, promise.tags)


def _acquired(rows: list[tuple[Any, ...]]) -> Acquired:
    preload = [promise_of(row) for row in rows[1:]]
    return Acquired(task_of(rows[0]), promise_of(rows[0]), preload, rows[0][20])
