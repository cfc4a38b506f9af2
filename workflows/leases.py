"""The leases this process holds: a thread extends them while their functions run, and a shutdown gives them back."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from promises import store
from promises.times import now_ms
from workflows.stores.durable import PID, lease_ms

log = logging.getLogger(__name__)


class Leases:
    """What is being executed here, by task id."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.is_stopping = threading.Event()

    @contextmanager
    def held(self, task_id: str, version: int) -> Iterator[None]:
        """While inside, the lease is extended three times before it would lapse."""
        with self._lock:
            self._held[task_id] = version
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._beat, name="leases", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(task_id, None)

    def stop(self) -> None:
        """Ask every execution of this process to give its lease back at the next step."""
        self.is_stopping.set()

    def _beat(self) -> None:
        """Until nothing is held any more: then the thread ends, and the next lease starts another."""
        pause = threading.Event()
        while True:
            pause.wait(lease_ms() / 3000)
            with self._lock:
                leases = list(self._held.items())
                if not leases:
                    self._thread = None
                    break
            self._extend(leases)
        connections.close_all()

    def _extend(self, leases: list[tuple[str, int]]) -> None:
        try:
            held = store.task_heartbeat(PID, leases, now=now_ms())
        except Exception:
            log.warning("leases not extended; tried again soon", exc_info=True)
            connections.close_all()
            return
        for task_id, version in leases:
            if task_id not in held and self._held.get(task_id) == version:
                log.warning("the lease of %s (version %d) is lost", task_id, version)


leases = Leases()
