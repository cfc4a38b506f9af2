"""The verbs of promises. Each is one round trip and one commit, or part of the caller's transaction."""

from collections.abc import Mapping

from promises.errors import PromiseNotFound
from promises.records import NewPromise, PromiseRecord, project
from promises.store import checks
from promises.store.call import call, dumps, execute, headers, promise_of, record_of, retry_interval, row_of
from promises.values import EMPTY, Value

COLUMNS = "id, state, param_headers, param_data, value_headers, value_data, tags, timeout_at, created_at, settled_at"


def promise_create(
    id: str, *, timeout_at: int, now: int, param: Value = EMPTY, tags: Mapping[str, str] | None = None
) -> tuple[PromiseRecord, bool]:
    """Create the promise, or find it: (record, created). An existing one is returned unchanged, whatever the arguments.

    With the tag `resonate:target` its task is created and dispatched in the same commit. A deadline in the past makes
    a promise that is born settled. Errors: BadRequest.
    """
    tags = dict(tags or {})
    check_new(id, timeout_at, param, tags)
    row = row_of(NewPromise(id, timeout_at, param, tags))
    answer = call("promises_promise_create", (dumps(row), now, retry_interval()))[0]
    return promise_of(answer), answer[0] == 201


def promise_get(id: str, *, now: int) -> PromiseRecord:
    """The promise as it is at `now`: past its deadline it reads as settled. Errors: BadRequest, PromiseNotFound."""
    checks.check_id(id)
    rows = execute(f"SELECT {COLUMNS} FROM promises_promise WHERE id = %s", (id,))
    if not rows:
        raise PromiseNotFound(f"Promise not found: {id}")
    return project(record_of(rows[0]), now)


def promise_settle(id: str, state: str, value: Value = EMPTY, *, now: int) -> PromiseRecord:
    """Settle a pending promise; a settled one is returned as it is, so the caller compares `state` and `value`.

    `state` is resolved, rejected or rejected_canceled. Its task is fulfilled, its awaiters wake and its listeners are
    told in the same commit. Errors: BadRequest, PromiseNotFound.
    """
    checks.check_id(id)
    checks.check_settle_state(state)
    checks.check_value(value)
    rows = call("promises_promise_settle", (id, state, headers(value), value.data, now, retry_interval()))
    return promise_of(rows[0])


def check_new(id: str, timeout_at: int, param: Value, tags: Mapping[str, str]) -> None:
    """Raise BadRequest unless a promise can be created from these."""
    checks.check_id(id)
    checks.check_timeout(timeout_at)
    checks.check_value(param, "param")
    checks.check_tags(id, tags, timeout_at)
