"""The world outside: starts executions, answers those that wait, and causes the accidents."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import psycopg
from django.db import Error, connection

from bench.chaos.machine import Machine
from bench.chaos.workflows import ANSWER, MIX

T = TypeVar("T")

# How often each accident happens, relative to the others.
ACCIDENTS = {"kill_worker": 12, "stop_worker": 4, "kill_clock": 2, "restart_broker": 1, "crash_database": 1}
PAUSE_SECONDS = (0.5, 2.5)


def patiently(work: Callable[[], T], seconds: float = 60) -> T:
    """What the database refuses while it is down is tried again."""
    until = time.monotonic() + seconds
    while True:
        try:
            return work()
        except (Error, psycopg.Error):
            connection.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


class Driver:
    """Runs for `seconds`; `accidents` counts what it has done."""

    def __init__(self, machine: Machine, workflows: int, seconds: float, seed: int) -> None:
        self.machine = machine
        self.seconds = seconds
        self.random = random.Random(seed)
        self.executions = {f"chaos-{n}": MIX[n % len(MIX)] for n in range(workflows)}
        self.accidents: Counter[str] = Counter()
        self.is_over = threading.Event()
        self.failures: list[BaseException] = []

    def run(self) -> None:
        """Start, answer and break things, all at the same time; each kind of accident happens at least once."""
        threads = [threading.Thread(target=self._guard, args=(work,)) for work in (self._start_all, self._answer)]
        for thread in threads:
            thread.start()
        self._guard(self._break)
        threads[0].join()
        self._answering = threads[1]

    def finish(self) -> None:
        """Everything has ended: nobody waits for answers any more."""
        self.is_over.set()
        self._answering.join()

    def _guard(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except BaseException as error:
            self.failures.append(error)
        finally:
            connection.close()

    def _start_all(self) -> None:
        pause = self.seconds * 0.8 / len(self.executions)
        for id, function in self.executions.items():
            patiently(partial(function.start, id=id))
            time.sleep(pause)

    def _answer(self) -> None:
        from promises import store
        from promises.models import Promise
        from promises.times import now_ms
        from promises.values import Value

        while not self.is_over.wait(0.1):
            waiting = patiently(
                lambda: list(Promise.objects.pending().filter(tags__has_key=ANSWER).values_list("id", flat=True)[:50])
            )
            for id in waiting:
                if self.random.random() < 0.5:
                    answer = Value.of(f"answer-{id.rpartition(':')[2]}")
                    patiently(partial(store.promise_settle, id, "resolved", answer, now=now_ms()))

    def _break(self) -> None:
        until = time.monotonic() + self.seconds
        due = list(ACCIDENTS)
        self.random.shuffle(due)
        while time.monotonic() < until or due:
            time.sleep(self.random.uniform(*PAUSE_SECONDS))
            accident = due.pop() if due else self.random.choices(list(ACCIDENTS), list(ACCIDENTS.values()))[0]
            if accident == "restart_broker" and self.machine.redis is None:
                continue
            getattr(self.machine, accident)()
            self.accidents[accident] += 1
