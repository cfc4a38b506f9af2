"""Every read of promises worth a name."""

from promises.models import Promise, PromiseQuerySet, Task
from promises.records import PromiseRecord, TaskRecord, project
from promises.store.call import execute, record_of
from promises.store.promises import COLUMNS


def promise_graph(root_id: str, *, now: int, limit: int | None = 5000) -> list[PromiseRecord]:
    """The call graph of an execution: its root first, then all its promises in id order, at most `limit` (None: as many
    as there are); [] when there is none.

    One round trip: the ids of a graph are one range of the primary key. Deadlines are applied as of `now`.
    """
    rows = execute(
        f"""(SELECT {COLUMNS} FROM promises_promise WHERE id = %s)
            UNION ALL (SELECT {COLUMNS} FROM promises_promise WHERE id >= %s AND id < %s ORDER BY id LIMIT %s)""",
        (root_id, root_id + ":", root_id + ";", limit),
    )
    return [project(record_of(row), now) for row in rows]


def executions() -> PromiseQuerySet:
    """The root promises that execute a function, newest first."""
    return Promise.objects.roots().filter(tags__has_key="resonate:target").order_by("-created_at", "-id")


def tasks_of(ids: list[str]) -> dict[str, TaskRecord]:
    """The tasks of these promises, by id."""
    return {
        task.id: TaskRecord(task.id, task.state, task.version, task.resumes, task.pid, task.ttl, task.halt_reason)
        for task in Task.objects.filter(id__in=ids)
    }
