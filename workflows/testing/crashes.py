"""A process that dies wherever it could, and whether the execution then still ends as it should."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from promises.records import Acquired, NewPromise, PromiseRecord
from promises.values import Value
from workflows import codec
from workflows.outcomes import result_of
from workflows.registry import Workflow
from workflows.stores.base import Lease
from workflows.stores.memory import MemoryStore
from workflows.testing.playground import Playground


class Crash(BaseException):
    """The process dies here."""


class CrashingStore:
    """Passes everything on to a store, and dies at write number `at`: before it is written, or after."""

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

    def cancel_child(self, lease: Lease, id: str) -> PromiseRecord:
        promise: PromiseRecord = self._write(lambda: self._store.cancel_child(lease, id))
        return promise


def crash_everywhere(
    fn: Workflow[..., Any],
    *args: Any,
    services: Callable[[], Mapping[str, Any]] = dict,
    outside: Callable[[Playground], object] = lambda play: None,
    **kwargs: Any,
) -> Any:
    """Run the function once without a crash, then once for every point at which its process could die, before and after
    each write; assert that it always ends the same, and return that result (an error is returned, not raised).

    `services` makes fresh services for each run; `outside` settles what the outside world would (see Playground). The
    steps run for real, each time: give them what can bear it.
    """

    def run(at: int, *, after: bool) -> tuple[Any, int]:
        play = Playground(services=services(), outside=outside)
        play.start(fn, *args, **kwargs)
        store = finish_crashing(play, at, after=after)
        return _ended(play, fn), store.writes

    expected, writes = run(0, after=False)
    for at in range(1, writes + 1):
        for after in (False, True):
            ended, _ = run(at, after=after)
            where = f"{'after' if after else 'before'} write {at} of {writes}"
            assert _shown(ended) == _shown(expected), f"with a crash {where} it ended with {ended!r}, not {expected!r}"
    return expected


def finish_crashing(play: Playground, at: int, *, after: bool) -> CrashingStore:
    """Run what was started to its end, dying once, at write number `at` (0: never); another process then goes on.
    Returns the store, which has counted. Raises Halted, Stuck."""
    store = CrashingStore(play.store, at, after=after)
    play.runner.store = cast("MemoryStore", store)
    while True:
        try:
            play.finish()
            return store
        except Crash:
            play.die()


def _ended(play: Playground, fn: Workflow[..., Any]) -> Any:
    try:
        return result_of(play.promise("r"), codec.result_type(fn.fn))
    except Exception as error:
        return error


def _shown(ended: Any) -> Any:
    return (type(ended), str(ended)) if isinstance(ended, BaseException) else ended
