"""Threads on connections of their own that meet again and again, in every order."""

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
from django.db import connection

Wrap = Callable[[Callable[[], object]], Callable[[], object]]


class Crew:
    """Threads that start each round together; each keeps its connection for all rounds."""

    def __init__(self, wrap: Wrap, *works: Callable[[int], object], rounds: int) -> None:
        self.barrier = threading.Barrier(len(works) + 1)
        self.results: list[list[Any]] = [[None] * rounds for _ in works]
        self.rounds = rounds
        self.threads = [
            threading.Thread(target=wrap(lambda n=n, work=work: self._run(n, work)), daemon=True)  # type: ignore[misc]
            for n, work in enumerate(works)
        ]

    def _run(self, n: int, work: Callable[[int], object]) -> None:
        with suppress(threading.BrokenBarrierError):
            for number in range(self.rounds):
                self.barrier.wait(30)
                try:
                    self.results[n][number] = work(number)
                except Exception as error:
                    self.results[n][number] = error
                self.barrier.wait(30)

    def run(self, before: Callable[[int], object], after: Callable[[int], object]) -> None:
        for thread in self.threads:
            thread.start()
        try:
            for number in range(self.rounds):
                before(number)
                self.barrier.wait(30)
                self.barrier.wait(30)
                after(number)
        finally:
            self.barrier.abort()  # whoever still waits leaves
            for thread in self.threads:
                thread.join(30)

    def of(self, number: int) -> list[Any]:
        return [result[number] for result in self.results]


def nap() -> None:
    """Up to a third of a millisecond, so that the two sides meet in every order."""
    threading.Event().wait(random.random() / 3000)


def deadlocks() -> int:
    """How many deadlocks PostgreSQL has counted in this database."""
    parameters = {k: v for k, v in connection.get_connection_params().items() if k not in ("cursor_factory", "context")}
    with psycopg.connect(**parameters, autocommit=True) as other:
        row = other.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert row is not None
    return int(row[0])
