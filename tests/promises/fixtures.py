"""Fixtures for tests of a promise store that really commits; the conftest.py of a folder of such tests takes
them over."""

import os
import tempfile
from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connection, connections
from psycopg.pq import Trace

from promises.transports import celery
from tests.promises.making import clear

Sent = list[tuple[str, str, int]]
RoundTrips = Callable[[Callable[[], object]], tuple[int, int]]


@pytest.fixture
def transactional_db(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """No transaction around the test, as pytest-django's fixture of this name; but only the store's tables
    are cleared afterwards, which takes a millisecond and not fifty."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        clear()
        try:
            yield
        finally:
            clear()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The `execute` messages that went to the broker: (queue, task id, version)."""
    messages: Sent = []
    monkeypatch.setattr(celery, "send", lambda *message: messages.append(message))
    return messages


@pytest.fixture
def in_thread(
    django_db_blocker: pytest.FixtureRequest,
) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Wraps a function for a thread of its own, whose connection is closed at the end."""

    def wrap(work: Callable[[], object]) -> Callable[[], object]:
        def run() -> object:
            try:
                return work()
            finally:
                connections.close_all()

        return run

    return wrap


@pytest.fixture
def notified(transactional_db: None) -> Iterator[Callable[[str], list[str]]]:
    """Listens on its own connection: `notified(channel)` returns the payloads that came in so far. Call it
    once before."""
    settings = connection.get_connection_params()
    settings.pop("cursor_factory", None)
    settings.pop("context", None)
    with psycopg.connect(**settings, autocommit=True) as listener:

        def payloads(channel: str) -> list[str]:
            listener.execute(f"LISTEN {channel}")
            return [n.payload for n in listener.notifies(timeout=0.05) if n.channel == channel]

        yield payloads


@pytest.fixture
def round_trips(transactional_db: None) -> RoundTrips:
    """Runs a call under libpq's trace: (Sync and Query messages sent, transactions that PostgreSQL has
    ended)."""

    def count(work: Callable[[], object]) -> tuple[int, int]:
        connection.ensure_connection()
        handle = connection.connection.pgconn
        with tempfile.TemporaryFile("w+") as file:
            descriptor = os.dup(file.fileno())  # libpq closes what it is given
            handle.trace(descriptor)
            handle.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS | Trace.REGRESS_MODE)
            try:
                work()
            finally:
                handle.untrace()
            os.close(descriptor)
            file.seek(0)
            lines = [line.split("\t") for line in file.read().splitlines()]
        asked = sum(1 for line in lines if line[0] == "F" and line[2] in ("Sync", "Query"))
        ended = sum(1 for line in lines if line[0] == "B" and line[2] == "ReadyForQuery" and line[3].strip() == "I")
        return asked, ended

    return count
