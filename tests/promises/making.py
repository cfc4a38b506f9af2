"""How the tests of the store make promises and tasks, and look at its tables."""

import json
from typing import Any

from django.db import connection

from promises import store
from promises.records import Acquired, PromiseRecord
from promises.times import NEVER
from promises.values import EMPTY, Value

NOW = 1_000_000
RETRY = 30_000  # PROMISES["RETRY_INTERVAL_MS"]
TTL = 15_000
TABLES = ("promise", "task", "callback", "listener", "schedule", "outgoingmessage", "process")


def create(id: str, *, timeout_at: int = NEVER, now: int = NOW, param: Value = EMPTY, **tags: str) -> PromiseRecord:
    """A promise; keyword `target="celery://default"` is the tag `resonate:target`."""
    named = {f"resonate:{name}": text for name, text in tags.items()}
    return store.promise_create(id, timeout_at=timeout_at, now=now, param=param, tags=named)[0]


def create_task(id: str, *, timeout_at: int = NEVER, now: int = NOW, **tags: str) -> PromiseRecord:
    """A promise with a pending task."""
    return create(id, timeout_at=timeout_at, now=now, target="celery://default", **tags)


def acquire(id: str, version: int | None = None, *, now: int = NOW, pid: str = "p1", ttl: int = TTL) -> Acquired:
    return store.task_acquire(id, version, pid=pid, ttl=ttl, now=now)


def claim(*queues: str, now: int = NOW) -> str | int:
    """The id of the task that a worker of these queues gets, or when it should look again."""
    targets = [f"celery://{queue}" for queue in queues or ("default",)]
    claimed = store.task_claim(store.Claim(targets, "p1", TTL), now=now)
    return claimed if isinstance(claimed, int) else claimed.task.id


def create_acquired(id: str, *, timeout_at: int = NEVER, now: int = NOW, **tags: str) -> int:
    """A promise with an acquired task; returns the version."""
    create_task(id, timeout_at=timeout_at, now=now, **tags)
    return acquire(id, now=now).task.version


def create_suspended(id: str, *awaited: str, timeout_at: int = NEVER, now: int = NOW) -> int:
    """A promise whose task waits for promises that exist; returns the version."""
    version = create_acquired(id, timeout_at=timeout_at, now=now)
    assert store.task_suspend(id, version, awaited, now=now) == []
    return version


def task(id: str) -> dict[str, Any]:
    """The row of a task."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(t) #>> '{}' FROM promises_task t WHERE id = %s", [id])
        row: dict[str, Any] = json.loads(cursor.fetchone()[0])
    return row


def rows() -> dict[str, list[dict[str, Any]]]:
    """All rows of the store, by table, each in the order of its id."""
    found: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES}
    tables = (f"SELECT '{table}', to_jsonb(t) #>> '{{}}' FROM promises_{table} t" for table in TABLES)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(tables))
        for table, row in cursor.fetchall():
            found[table].append(json.loads(row))
    for table in TABLES:
        found[table].sort(key=lambda row: row["id"])
    return found


def clear() -> None:
    """Empty the store."""
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"DELETE FROM promises_{table}" for table in (*TABLES, "limit")))
