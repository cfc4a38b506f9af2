"""Local mode for tests: a clock that jumps to the next deadline, and stores that fail where they are told to."""

from collections.abc import Callable, Sequence
from typing import Any

from promises.records import Acquired, NewPromise, PromiseRecord
from promises.times import NEVER
from promises.values import Value
from workflows.executor import execute
from workflows.local import Halted, Runner
from workflows.registry import Workflow
from workflows.replay import result_of
from workflows.stores.base import Lease
from workflows.stores.memory import MemoryStore

START = 1_700_000_000_000


class Crash(BaseException):
    """The process dies here."""


class Playground:
    """A memory store, a virtual clock, and a runner that never really waits."""

    def __init__(self) -> None:
        self.now = START
        self.store = MemoryStore(lambda: self.now)
        self.services: dict[str, Any] = {}
        self.outcomes: list[str] = []

    def start(self, fn: Workflow[..., Any], *args: Any, id: str = "r", timeout_at: int = NEVER, **kwargs: Any) -> str:
        return Runner(self.store).start(fn, *args, id=id, timeout_at=timeout_at, **kwargs)

    def work(self) -> None:
        """Execute what is due, until nothing is."""
        while due := self.store.due_tasks():
            for id in due:
                self.outcomes.append(execute(self.store, id, services=self.services))
                if self.outcomes[-1] == "halted":
                    raise Halted(self.store.tasks[id].halt_reason)

    def finish(self, id: str = "r") -> PromiseRecord:
        """Work, and jump from deadline to deadline, until the execution is settled."""
        while True:
            self.work()
            promise = self.promise(id)
            if not promise.is_pending:
                return promise
            deadline = self.store.next_deadline()
            assert deadline < NEVER, f"{id} waits for something that has no deadline"
            self.now = max(self.now, deadline)

    def run(self, fn: Workflow[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The result of the execution `r`; its error is raised."""
        self.start(fn, *args, **kwargs)
        return result_of(self.finish(), Any)

    def promise(self, id: str) -> PromiseRecord:
        promise = self.store.get(id)
        assert promise is not None, id
        return promise

    def ids(self) -> list[str]:
        """All promises but the root, sorted."""
        return sorted(id for id in self.store.promises if id != "r")

    def funcs(self) -> dict[str, str]:
        """Promise id -> function name, without the root."""
        return {id: self.store.promises[id].func for id in self.ids()}


class CrashingStore:
    """Passes everything on to a store, and dies at the n-th write: before it is written, or after."""

    is_durable = True

    def __init__(self, store: Any, at: int, *, after: bool) -> None:
        self._store = store
        self._at = at
        self._after = after
        self.writes = 0
        self.crashed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _write(self, write: Callable[[], Any]) -> Any:
        self.writes += 1
        if self.writes != self._at:
            return write()
        self.crashed = True
        if self._after:
            write()
        raise Crash

    def acquire(self, task_id: str, version: int | None = None) -> Acquired | None:
        found: Acquired | None = self._write(lambda: self._store.acquire(task_id, version))
        return found

    def record(self, lease: Lease, promises: Sequence[NewPromise]) -> dict[str, PromiseRecord]:
        known: dict[str, PromiseRecord] = self._write(lambda: self._store.record(lease, promises))
        return known

    def suspend(self, lease: Lease, awaited: Sequence[str], create: Sequence[NewPromise]) -> list[PromiseRecord]:
        settled: list[PromiseRecord] = self._write(lambda: self._store.suspend(lease, awaited, create))
        return settled

    def fulfill(self, lease: Lease, state: str, value: Value) -> PromiseRecord:
        promise: PromiseRecord = self._write(lambda: self._store.fulfill(lease, state, value))
        return promise

    def settle_child(self, lease: Lease, id: str, state: str, value: Value) -> PromiseRecord:
        promise: PromiseRecord = self._write(lambda: self._store.settle_child(lease, id, state, value))
        return promise
