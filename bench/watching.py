"""How an outside client sees what the peers do: by a plain psycopg connection to the peer's database."""

import os
import time
from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from bench.processes import PeerFailed

# How often a waiting client looks: where single milliseconds are measured, and where many executions are.
CLOSELY, CALMLY = 0.0002, 0.005
GIVE_UP_SECONDS = 100


def connect() -> Connection[Any]:
    """A connection in autocommit to the database of this process."""
    return Connection.connect(os.environ["DATABASE_URL"], autocommit=True)


def wait(connection: Connection[Any], question: str, ids: Sequence[str], pause: float) -> None:
    """Ask again and again, until the query about these ids says no. Errors: PeerFailed."""
    give_up_at = time.monotonic() + GIVE_UP_SECONDS
    while connection.execute(question, [list(ids)]).fetchone()[0]:  # type: ignore[index]
        if time.monotonic() > give_up_at:
            raise PeerFailed(f"it was not done after {GIVE_UP_SECONDS} s")
        time.sleep(pause)


def stored_bytes(connection: Connection[Any]) -> int:
    """What all tables of the database take, with their indexes."""
    row = connection.execute(
        "SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables"  # catalogs are no user tables
    ).fetchone()
    return int(row[0])  # type: ignore[index]
