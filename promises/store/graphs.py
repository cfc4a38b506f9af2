"""The verbs of call graphs: a promise and everything below it."""

import json

from promises.errors import BadRequest
from promises.records import PromiseRecord
from promises.store import checks
from promises.store.call import call, headers, promise_of, retry_interval
from promises.values import CANCELED_BY_CALLER, EMPTY, Value


def graph_cancel(id: str, value: Value = EMPTY, *, now: int) -> PromiseRecord:
    """Cancel a promise with this value, and every pending promise below it; what was started detached goes on.

    One that is settled otherwise is returned as it is, and what lies below it is left alone; canceling again cancels
    what has been added below meanwhile. Their tasks are fulfilled, and awaiters and listeners outside are told, in the
    same commit. Errors: BadRequest, PromiseNotFound.
    """
    return _cancel(id, value, now)


def task_fence_cancel(id: str, version: int, promise_id: str, *, now: int) -> PromiseRecord:
    """As the holder of the lease, cancel another promise and what is below it; see `graph_cancel`. Errors: also
    TaskNotFound, Conflict."""
    checks.check_id(id, "Task id")
    checks.check_version(version)
    if promise_id == id:
        raise BadRequest("A task's own promise is settled by task.fulfill")
    return _cancel(promise_id, CANCELED_BY_CALLER, now, task=id, version=version)


def graph_continue(id: str, *, now: int) -> list[str]:
    """Dispatch every halted task of this call graph again, in one commit; returns their ids. Errors: BadRequest,
    PromiseNotFound, Conflict (none is halted)."""
    checks.check_id(id)
    ids: list[str] = json.loads(call("promises_graph_continue", (id, now, retry_interval()))[0][3])
    return ids


def _cancel(id: str, value: Value, now: int, *, task: str | None = None, version: int | None = None) -> PromiseRecord:
    checks.check_id(id)
    checks.check_value(value)
    params = (id, task, version, headers(value), value.data, now, retry_interval())
    return promise_of(call("promises_graph_cancel", params)[0])
