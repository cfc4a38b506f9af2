"""Every read of promises worth a name."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Func, Min, QuerySet, TextField, Value

from promises.models import Process, Promise, PromiseQuerySet, Task
from promises.presence import LIVE_MS
from promises.records import PromiseRecord, TaskRecord, project
from promises.states import TaskState
from promises.store.call import execute, record_of
from promises.store.promises import COLUMNS
from promises.times import NEVER

# The execution that a task is of.
ROOT = Func(F("id"), Value(":"), Value(1), function="split_part", output_field=TextField(db_collation="C"))


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


def promise_graph_stored(root_id: str) -> tuple[list[PromiseRecord], list[TaskRecord]]:
    """The whole call graph of an execution and its tasks, as they are stored at one moment: a deadline that has passed
    and was not applied yet is not applied here. The root first, then in id order; ([], []) when there is none."""
    columns = ", ".join(f"p.{column}" for column in COLUMNS.split(", "))
    rows = execute(
        f"""SELECT {columns}, t.state, t.version, t.halt_reason
              FROM promises_promise p LEFT JOIN promises_task t ON t.id = p.id
             WHERE p.id = %s OR (p.id >= %s AND p.id < %s) ORDER BY p.id""",
        (root_id, root_id + ":", root_id + ";"),
    )
    tasks = [TaskRecord(row[0], row[-3], row[-2], halt_reason=row[-1]) for row in rows if row[-3] is not None]
    return [record_of(row) for row in rows], tasks


def executions() -> PromiseQuerySet:
    """The root promises that execute a function, newest first."""
    return Promise.objects.roots().filter(tags__has_key="resonate:target").order_by("-created_at", "-id")


def tasks_of(ids: list[str]) -> dict[str, TaskRecord]:
    """The tasks of these promises, by id."""
    return {task.id: _record_of_task(task) for task in Task.objects.filter(id__in=ids)}


def halted_executions() -> QuerySet[Task, Any]:
    """The ids of the executions of which something is halted, for use in a condition; an index holds the few tasks."""
    return Task.objects.filter(state=TaskState.HALTED).annotate(root=ROOT).values("root")


def halted_in(execution_ids: Iterable[str]) -> dict[str, list[TaskRecord]]:
    """The halted tasks of these executions' call graphs, by execution."""
    halted = Task.objects.filter(state=TaskState.HALTED).annotate(root=ROOT)
    found: dict[str, list[TaskRecord]] = defaultdict(list)
    for task in halted.filter(root__in=list(execution_ids)).order_by("id"):
        found[task.root].append(_record_of_task(task))
    return found


def _record_of_task(task: Task) -> TaskRecord:
    return TaskRecord(task.id, task.state, task.version, task.resumes, task.pid, task.ttl, task.halt_reason)


@dataclass(frozen=True)
class QueueLoad:
    """The tasks of one queue that are not fulfilled, by state, and how long the oldest ready one waits (ms)."""

    queue: str
    ready: int
    age: int
    acquired: int
    suspended: int
    halted: int


def queue_loads(now: int, limit: int = 100) -> list[QueueLoad]:
    """The load of every queue, the longest first, at most `limit` (whoever makes promises may invent queues).

    Each kind of task is counted on a partial index: the fulfilled ones, which are nearly all, are not looked at.
    """
    rows = execute(
        """
        WITH counted AS (
            SELECT target, count(*) AS ready, min(promises_ready_at(priority, rank)) AS ready_at, 0 AS acquired,
                   0 AS suspended, 0 AS halted
              FROM promises_task WHERE rank IS NOT NULL GROUP BY target
            UNION ALL
            SELECT target, 0, NULL, count(*), 0, 0 FROM promises_task WHERE state = 'acquired' GROUP BY target
            UNION ALL
            SELECT target, 0, NULL, 0, count(*), 0 FROM promises_task WHERE state = 'suspended' GROUP BY target
            UNION ALL
            SELECT target, 0, NULL, 0, 0, count(*) FROM promises_task WHERE state = 'halted' GROUP BY target
        )
        SELECT split_part(target, '://', 2), sum(ready)::bigint, greatest(%s::bigint - min(ready_at), 0),
               sum(acquired)::bigint, sum(suspended)::bigint, sum(halted)::bigint
          FROM counted GROUP BY target ORDER BY 2 DESC, 1 LIMIT %s::int
        """,
        (now, limit),
    )
    return [QueueLoad(*row) for row in rows]


def processes_alive(now: int) -> dict[str, int]:
    """How many processes of each kind have been seen lately."""
    alive = Process.objects.filter(seen_at__gt=now - LIVE_MS).values_list("kind").annotate(Count("id"))
    return dict(alive)


def deadline_lag(now: int) -> int:
    """How long ago (ms) the oldest deadline passed that nobody has applied yet; 0 when there is none."""
    oldest = Promise.objects.pending().filter(timeout_at__lt=NEVER).aggregate(oldest=Min("timeout_at"))["oldest"]
    return 0 if oldest is None else max(now - oldest, 0)
