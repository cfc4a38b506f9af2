"""Every write of the promise store, one function per protocol verb; `now` is always the caller's, in ms since the
epoch."""

from promises.store.callbacks import promise_register_callback, promise_register_listener
from promises.store.graphs import graph_cancel, graph_continue, task_fence_cancel
from promises.store.limits import limits_declare
from promises.store.promises import promise_create, promise_get, promise_settle
from promises.store.schedules import (
    schedule_create,
    schedule_delete,
    schedule_get,
    schedule_pause,
    schedule_resume,
    schedule_search,
    schedules_declare,
    schedules_fire,
)
from promises.store.tasks import (
    Claim,
    task_acquire,
    task_claim,
    task_continue,
    task_create,
    task_fence_settle,
    task_fulfill,
    task_fulfill_claim,
    task_halt,
    task_heartbeat,
    task_record,
    task_release,
    task_suspend,
    task_suspend_claim,
)
from promises.store.timeouts import timeouts_sweep
from promises.store.warming import store_warm

__all__ = [
    "Claim",
    "graph_cancel",
    "graph_continue",
    "limits_declare",
    "promise_create",
    "promise_get",
    "promise_register_callback",
    "promise_register_listener",
    "promise_settle",
    "schedule_create",
    "schedule_delete",
    "schedule_get",
    "schedule_pause",
    "schedule_resume",
    "schedule_search",
    "schedules_declare",
    "schedules_fire",
    "store_warm",
    "task_acquire",
    "task_claim",
    "task_continue",
    "task_create",
    "task_fence_cancel",
    "task_fence_settle",
    "task_fulfill",
    "task_fulfill_claim",
    "task_halt",
    "task_heartbeat",
    "task_record",
    "task_release",
    "task_suspend",
    "task_suspend_claim",
    "timeouts_sweep",
]
