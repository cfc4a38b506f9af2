"""What this machine and this PostgreSQL can do at best, by psycopg alone: the other side of every ratio."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection

# How often a waiting client looks.
LOOK_SECONDS = 0.0002


def connect() -> psycopg.Connection:
    """A plain connection in autocommit, to the database that Django uses."""
    parameters = dict(connection.get_connection_params())
    for name in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    return psycopg.connect(**parameters, autocommit=True)


@contextmanager
def commit_table() -> Iterator[psycopg.Connection]:
    """A connection, and a table for `commits_per_second`."""
    with connect() as raw:
        raw.execute("DROP TABLE IF EXISTS bench_limit")
        raw.execute("CREATE TABLE bench_limit (id text PRIMARY KEY, value jsonb, done boolean)")
        yield raw
        raw.execute("DROP TABLE bench_limit")


def commits_per_second(raw: psycopg.Connection, count: int) -> float:
    """Single-row INSERTs, one commit each, one client."""
    run = uuid.uuid4().hex[:8]
    started_at = time.perf_counter()
    for number in range(count):
        raw.execute("INSERT INTO bench_limit (id, value) VALUES (%s, %s)", (f"{run}:{number}", "1"))
    return count / (time.perf_counter() - started_at)


def wake_floor_ms(raw: psycopg.Connection, count: int) -> list[float]:
    """UPDATE and NOTIFY in one commit -> a listener's UPDATE -> seen by a third client; milliseconds each."""
    stop = threading.Event()
    listener = threading.Thread(target=_answer, args=(stop,), daemon=True)
    listener.start()
    time.sleep(0.2)
    samples = []
    with connect() as observer:
        for _ in range(count):
            id = uuid.uuid4().hex
            raw.execute("INSERT INTO bench_limit (id) VALUES (%s)", (id,))
            started_at = time.perf_counter()
            with raw.transaction():
                raw.execute("UPDATE bench_limit SET value = '1' WHERE id = %s", (id,))
                raw.execute("SELECT pg_notify('bench_limit', %s)", (id,))
            while not observer.execute("SELECT done FROM bench_limit WHERE id = %s", (id,)).fetchone()[0]:
                time.sleep(LOOK_SECONDS)
            samples.append((time.perf_counter() - started_at) * 1000)
            time.sleep(0.02)
    stop.set()
    listener.join()
    return samples


def _answer(stop: threading.Event) -> None:
    with connect() as raw:
        raw.execute("LISTEN bench_limit")
        while not stop.is_set():
            notices = list(raw.notifies(timeout=0.2, stop_after=1))
            for notice in notices:
                raw.execute("UPDATE bench_limit SET done = true WHERE id = %s", (notice.payload,))
