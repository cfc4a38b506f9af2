"""What a worker executes next: it claims ready tasks from the table, one after the other, while there are any.

Workers hear by NOTIFY that something is ready (and look every few seconds all the same, should that be lost). So a
wake-up costs no message, and limits, rates and priorities hold, since the table decides who is next. The work is done
on Celery's pool: this only hands it over.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from django.db import close_old_connections, connection

from promises import store
from promises.listening import connection_parameters
from promises.records import Acquired, NewPromise, PromiseRecord
from promises.times import NEVER, now_ms
from promises.values import Value
from workflows.executor import execute_acquired
from workflows.leases import leases
from workflows.observers import observers
from workflows.stores.base import Lease
from workflows.stores.durable import PID, DurableStore, fenced, lease_ms

log = logging.getLogger(__name__)
_local = threading.local()

CHANNEL = "countersign_ready"
LOOK_SECONDS = 5.0
# A turn gives the pool's thread back after this long, so that the worker's other jobs get theirs.
TURN_SECONDS = 1.0

Submit = Callable[[Callable[[Sequence[str]], int], Sequence[str], Callable[[int], None]], Any]


def turn(queues: Sequence[str]) -> int:
    """`execute_ready`; a failure is logged, and looked after in a second."""
    try:
        close_old_connections()
        _warm()
        return execute_ready(queues)
    except Exception:
        log.warning("claiming tasks failed; tried again soon", exc_info=True)
        return now_ms() + 1000


def _warm() -> None:
    """Have this thread's connection ready for quick answers, once for each connection."""
    connection.ensure_connection()
    if getattr(_local, "warmed", None) is connection.connection:
        return
    _local.warmed = connection.connection
    try:
        store.store_warm(pid=PID, now=now_ms())
    except Exception:
        log.warning("the first wake-up on this connection will be slow", exc_info=True)


def execute_ready(queues: Sequence[str]) -> int:
    """Claim and execute until nothing is ready in these queues (earlier ones first), or the turn is over. Returns when
    to look again: ms since the epoch, NEVER when something will be notified first."""
    turn_store = TurnStore(queues)
    try:
        while not leases.is_stopping.is_set():
            claimed = turn_store.take()
            if not isinstance(claimed, Acquired):
                return claimed
            execute_acquired(
                turn_store,
                claimed,
                hold=leases.held,
                is_interrupted=leases.is_stopping.is_set,
                observers=observers(),
            )
        return NEVER
    finally:
        turn_store.give_back()


class TurnStore(DurableStore):
    """The durable store for the executions of one turn: what ends one claims the next in the same commit."""

    def __init__(self, queues: Sequence[str]) -> None:
        self._claim = store.Claim([f"celery://{queue}" for queue in queues], PID, lease_ms())
        self._next: Acquired | int | None = None
        self._until = time.monotonic() + TURN_SECONDS

    def take(self) -> Acquired | int:
        """The next execution, or when to look again (ms; now, when the turn is over)."""
        found, self._next = self._next, None
        if found is None:
            found = store.task_claim(self._claim, now=now_ms()) if self._goes_on() else now_ms()
        return found

    def give_back(self) -> None:
        """Release what was claimed and will not be executed in this turn."""
        if isinstance(self._next, Acquired):
            self.release(Lease(self._next.task.id, self._next.task.version))

    def suspend(self, lease: Lease, awaited: Sequence[str], create: Sequence[NewPromise]) -> list[PromiseRecord]:
        if not self._goes_on():
            return super().suspend(lease, awaited, create)
        with fenced():
            settled, self._next = store.task_suspend_claim(
                lease.task_id, lease.version, awaited, create=create, claim=self._claim, now=now_ms()
            )
        return settled

    def fulfill(self, lease: Lease, state: str, value: Value) -> PromiseRecord:
        if not self._goes_on():
            return super().fulfill(lease, state, value)
        with fenced():
            promise, self._next = store.task_fulfill_claim(
                lease.task_id, lease.version, state, value, claim=self._claim, now=now_ms()
            )
        return promise

    def _goes_on(self) -> bool:
        return time.monotonic() < self._until and not leases.is_stopping.is_set()


class Claims:
    """Listens for what becomes ready in `queues`, and has up to `concurrency` turns under way.

    `submit(turn, queues, when_over)` has a pool of threads or processes call `turn(queues)`, and then `when_over` with
    its result. Without `hears` it only looks every few seconds: then messages of the broker wake the worker.
    """

    def __init__(self, queues: Sequence[str], concurrency: int, submit: Submit, *, hears: bool = True) -> None:
        self.queues = list(queues)
        self.concurrency = concurrency
        self._submit = submit
        self._hears = hears
        self._turns = 0
        self._must_look = False
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Listen in a thread of its own until `stop`."""
        threading.Thread(target=self._listen if self._hears else self._watch, name="claims", daemon=True).start()

    def stop(self) -> None:
        """Begin no more turns; those under way end by themselves."""
        self._stopped.set()

    def look(self) -> None:
        """Something may be ready: begin a turn, or have one of those under way look once more."""
        with self._lock:
            if self._stopped.is_set():
                return
            if self._turns >= self.concurrency:
                self._must_look = True
                return
            self._turns += 1
        self._submit(turn, self.queues, self._turn_over)

    def look_around(self) -> None:
        """Nobody has told what is ready by now: look with everything there is."""
        for _ in range(self.concurrency):
            self.look()

    def _turn_over(self, look_at: int) -> None:
        seconds = (look_at - now_ms()) / 1000
        with self._lock:
            self._turns -= 1
            again, self._must_look = self._must_look or seconds <= 0, False
            if not again and seconds < LOOK_SECONDS and self._timer is None:
                self._timer = threading.Timer(seconds, self._time_to_look)
                self._timer.daemon = True
                self._timer.start()
        if again:
            self.look()

    def _time_to_look(self) -> None:
        with self._lock:
            self._timer = None
        self.look()

    def _watch(self) -> None:
        self.look_around()
        while not self._stopped.wait(LOOK_SECONDS):
            self.look()

    def _listen(self) -> None:
        targets = {f"celery://{queue}" for queue in self.queues}
        while not self._stopped.is_set():
            try:
                with psycopg.connect(**connection_parameters(), autocommit=True) as raw:
                    raw.execute(f"LISTEN {CHANNEL}")
                    self.look_around()
                    while not self._stopped.is_set():
                        self._hear(raw, targets)
            except psycopg.Error as error:
                log.warning("no wake-ups are heard; connecting again: %s", error)
                self._stopped.wait(1.0)

    def _hear(self, raw: psycopg.Connection[Any], targets: set[str]) -> None:
        heard = list(raw.notifies(timeout=LOOK_SECONDS, stop_after=1))
        if not heard or any(notice.payload in targets for notice in heard):
            self.look()
