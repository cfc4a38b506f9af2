"""Where the measurements run: a PostgreSQL, and on it a database for each peer, dropped at the end."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from config import embedded_postgres


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of the server: that of DATABASE_URL, or a new embedded one in a temporary folder."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="countersign-bench-", ignore_cleanup_errors=True) as folder:
        state = Path(folder)
        try:
            yield embedded_postgres.ensure(state)
        finally:
            embedded_postgres.stop(state)


@contextlib.contextmanager
def database(server_url: str, name: str) -> Iterator[str]:
    """A new database on that server, and its URL. No other database is ever written to."""
    identifier = sql.Identifier(name)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
