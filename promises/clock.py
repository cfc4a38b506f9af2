"""The clock: sleeps until the next deadline, then lets the sweeps do what is due. Any number may run; one leads, by
an advisory lock, the others wait for it to die. It reads the time and hands it down."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils.module_loading import import_string

from promises.listening import connection_parameters
from promises.presence import BEAT_SECONDS, Presence
from promises.store.timeouts import next_due
from promises.times import now_ms

log = logging.getLogger(__name__)

# "countersign clock" as a number: the key of the advisory lock that the leader holds.
LEADER_LOCK = 0x636C6F636B
# A deadline nearer than this is announced on the channel `countersign_clock` when it is created; others are found in
# time by looking.
LONGEST_SLEEP = 1.0

Sweep = Callable[[int], int]


def sweeps_from_settings() -> list[Sweep]:
    """The functions of PROMISES["CLOCK_SWEEPS"]: each takes `now`, does a part of what is due and returns how much that
    was."""
    names: Sequence[str] = settings.PROMISES.get(
        "CLOCK_SWEEPS", ["promises.store.timeouts_sweep", "promises.store.schedules_fire"]
    )
    return [import_string(name) for name in names]


def starts_from_settings() -> list[Sweep]:
    """The functions of PROMISES["CLOCK_STARTS"], which a clock calls once: each takes `now` and returns how much it
    did."""
    names: Sequence[str] = settings.PROMISES.get("CLOCK_STARTS", [])
    return [import_string(name) for name in names]


class Clock:
    """One clock process. `run` returns after `stop`."""

    def __init__(self, sweeps: Sequence[Sweep] | None = None, starts: Sequence[Sweep] | None = None) -> None:
        self.sweeps = list(sweeps) if sweeps is not None else sweeps_from_settings()
        self.starts = list(starts) if starts is not None else starts_from_settings()
        self.stopped = threading.Event()
        self.presence = Presence("clock")
        self._beaten_at = 0

    def stop(self) -> None:
        self.stopped.set()

    def run(self) -> None:
        """Do what is to be done once, then lead when nobody else does; a lost database is waited for."""
        while not self.stopped.is_set():
            try:
                self._start()
                self._lead()
            except Exception:
                log.warning("the clock lost the database; it tries again in a second", exc_info=True)
                connection.close()
                self.stopped.wait(1.0)
        try:
            self.presence.leave()
        except Exception:
            log.warning("the clock could not take its presence away; it expires by itself")

    def tick(self, now: int) -> int:
        """Let each sweep do a part of what is due at `now`; returns how much that was, 0 when nothing is left. A sweep
        that fails does not keep the others from their work."""
        return sum(_attempt(sweep, now) for sweep in self.sweeps)

    def _lead(self) -> None:
        # A connection of its own for the lock and for LISTEN: one that runs statements would swallow what it hears.
        with psycopg.connect(**connection_parameters(), autocommit=True) as raw:
            while not self._try_lock(raw):
                self._beat()
                if self.stopped.wait(LONGEST_SLEEP):
                    return
            raw.execute("LISTEN countersign_clock")
            while not self.stopped.is_set():
                self._beat()
                if not self.tick(now_ms()):
                    self._sleep(raw)

    def _start(self) -> None:
        while self.starts:
            _attempt(self.starts[0], now_ms())
            self.starts.pop(0)

    def _try_lock(self, raw: psycopg.Connection[Any]) -> bool:
        row = raw.execute("SELECT pg_try_advisory_lock(%s)", (LEADER_LOCK,)).fetchone()
        return bool(row and row[0])

    def _sleep(self, raw: psycopg.Connection[Any]) -> None:
        now = now_ms()
        seconds = min(max((next_due(now) - now) / 1000, 0.0), LONGEST_SLEEP)
        if seconds > 0:
            for _ in raw.notifies(timeout=seconds, stop_after=1):
                break

    def _beat(self) -> None:
        now = now_ms()
        if now - self._beaten_at >= BEAT_SECONDS * 1000:
            self.presence.beat(now)
            self._beaten_at = now


def _attempt(work: Sweep, now: int) -> int:
    """What the work has done; 0 when it fails. A lost database is no fault of the work."""
    try:
        return work(now)
    except Exception:
        log.exception("the clock's %s failed", getattr(work, "__name__", work))
        if not _is_connected():
            raise
        return 0


def _is_connected() -> bool:
    try:
        connection.ensure_connection()
    except DatabaseError:
        return False
    return bool(connection.is_usable())
