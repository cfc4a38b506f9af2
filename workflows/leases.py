"""The leases this process holds: a thread extends them while their functions run, and a shutdown gives them back."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from promises import store
from promises.times import now_ms
from workflows.observing import Place, at
from workflows.stores.durable import PID, lease_ms

log = logging.getLogger(__name__)

# How long a step may go on once its process is asked to stop; whoever asks (the supervisor, Docker) kills after ten
# seconds.
GRACE_SECONDS = 8.0


class Leases:
    """What is being executed here, by task id."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.is_stopping = threading.Event()
        self._grace: threading.Timer | None = None
        self._missed: set[tuple[str, int]] = set()

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

    def start(self) -> None:
        """Executions may run here (again)."""
        self.is_stopping.clear()
        if self._grace is not None:
            self._grace.cancel()

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Ask every execution of this process to give its lease back at the next step. From those that are still in
        a step after `grace` seconds it is taken, so that another worker goes on before this process is killed."""
        self.is_stopping.set()
        self._grace = threading.Timer(grace, self._give_back)
        self._grace.daemon = True
        self._grace.start()

    def _give_back(self) -> None:
        with self._lock:
            held, self._held = self._held, {}
        for task_id, version in held.items():
            with at(Place.of_lease(task_id, version)):
                self._release(task_id, version)
        connections.close_all()

    def _release(self, task_id: str, version: int) -> None:
        try:
            store.task_release(task_id, version, now=now_ms())
        except Exception as error:
            log.warning("the lease of %s (version %d) was not given back: %s", task_id, version, error)
        else:
            log.warning("the lease of %s (version %d) is given back in the middle of a step", task_id, version)

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
        # One that its own execution has just given up is missing too; if it is still here at the next beat, it is lost.
        missing = {lease for lease in leases if lease[0] not in held}
        for task_id, version in missing & self._missed:
            with at(Place.of_lease(task_id, version)):
                log.warning("the lease of %s (version %d) is lost", task_id, version)
        self._missed = missing


leases = Leases()
