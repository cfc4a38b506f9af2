"""The workloads as every durable engine runs them; its peer says how this engine does each thing."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import psycopg

from bench import watching
from bench.processes import Samples, Worker

CLIENTS = 4
STEPS_OF_MANY = 5
# Until an engine that has just done something is idle again.
SETTLE_SECONDS = 0.02
# A worker that replays when it starts has done so by then.
RESTART_SETTLE_SECONDS = 2.0
# Until what 2,000 executions have left behind is cleared away.
REST_SECONDS = 1.0


class Engine(ABC):
    """A durable engine with one worker. Workflows: "sequential" (so many steps), "parallel" (so many steps at once) and
    "waiting" (so many steps, then suspended until it is resolved)."""

    # Queries about ids: whether any has not ended, whether any is not suspended.
    IS_RUNNING: str
    IS_AWAKE: str

    worker: Worker | None = None
    observer: psycopg.Connection[Any]

    def __init__(self) -> None:
        self.clients = ThreadPoolExecutor(CLIENTS)

    @abstractmethod
    def start(self) -> None:
        """Prepare the database, start the worker, connect the observer. Errors: PeerFailed."""

    def stop(self) -> None:
        """Stop the clients and the worker."""
        self.clients.shutdown(cancel_futures=True)
        if self.worker:
            self.worker.stop()

    @abstractmethod
    def worker_start(self) -> None:
        """Start the worker and wait until it is ready. Errors: PeerFailed."""

    @abstractmethod
    def begin(self, workflow: str, steps: int, count: int = 1) -> list[str]:
        """Start so many executions; their ids."""

    @abstractmethod
    def resolve(self, id: str) -> None:
        """Resolve what this suspended execution waits for; called in several threads."""

    def w1(self, n: int) -> Samples:
        return {"steps_s": [n / self._duration("sequential", n)]}

    def w2(self, n: int) -> Samples:
        return {"steps_s": [n * STEPS_OF_MANY / self._duration("sequential", STEPS_OF_MANY, n)]}

    def w3(self, n: int) -> Samples:
        wakes = [self._wake(*self._suspended(0)) for _ in range(n)]
        return {"ms": [whole for whole, _ in wakes], "ms_from_return": [rest for _, rest in wakes]}

    def w4(self, n: int) -> Samples:
        self.observer.execute("VACUUM FULL")  # no holes that the new rows would fill
        bytes_before, memory_before = watching.stored_bytes(self.observer), self._memory()
        ids = self._suspended(0, n)
        time.sleep(REST_SECONDS)
        stored = watching.stored_bytes(self.observer) - bytes_before
        held = self._memory() - memory_before
        started_at = time.perf_counter()
        list(self.clients.map(self.resolve, ids))
        self._wait_ended(ids, watching.CALMLY)
        wakes_s = n / (time.perf_counter() - started_at)
        return {"wakes_s": [wakes_s], "bytes": [stored / n], "worker_bytes": [held / n]}

    def w5(self, n: int) -> Samples:
        return {"steps_s": [n / self._duration("parallel", n)]}

    def w6(self, n: int) -> Samples:
        first, second = self._suspended(n), self._suspended(n)
        self.worker.stop()
        self.worker_start()
        time.sleep(RESTART_SETTLE_SECONDS)
        return {"ms": [self._wake(*first)[0]], "ms_again": [self._wake(*second)[0]]}

    def _duration(self, workflow: str, steps: int, count: int = 1) -> float:
        started_at = time.perf_counter()
        self._wait_ended(self.begin(workflow, steps, count), watching.CALMLY if count > 1 else 0.001)
        return time.perf_counter() - started_at

    def _suspended(self, steps: int, count: int = 1) -> list[str]:
        ids = self.begin("waiting", steps, count)
        watching.wait(self.observer, self.IS_AWAKE, ids, watching.CALMLY)
        time.sleep(SETTLE_SECONDS)
        return ids

    def _wake(self, id: str) -> tuple[float, float]:
        """Milliseconds until the end is visible: from the start of the resolve, and from its return."""
        started_at = time.perf_counter()
        self.resolve(id)
        returned_at = time.perf_counter()
        self._wait_ended([id], watching.CLOSELY)
        seen_at = time.perf_counter()
        return (seen_at - started_at) * 1000, (seen_at - returned_at) * 1000

    def _wait_ended(self, ids: Sequence[str], pause: float) -> None:
        watching.wait(self.observer, self.IS_RUNNING, ids, pause)

    def _memory(self) -> int:
        process = psutil.Process(self.worker.process.pid)
        return sum(part.memory_info().rss for part in (process, *process.children(recursive=True)))
