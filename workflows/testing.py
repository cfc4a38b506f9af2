"""For tests of workflows, ours and yours: local mode on a virtual clock, and a process that dies wherever it could.

    from workflows.testing import Playground, crash_everywhere

    def test_the_reminder_comes_after_a_day():
        play = Playground()
        play.start(order, 42)
        play.work()                      # as far as it goes now
        play.advance("25h")              # whatever is due by then happens, in order
        assert play.result() == "reminded"

    def test_order_survives_any_crash():
        assert crash_everywhere(order, 42) == "done"

    def test_what_waits_in_production_goes_on_with_this_code():
        assert_replays(order, "tests/histories/order-waiting.json")

Nothing here waits, and nothing needs Django. `approvals.testing` has people who answer.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from promises.records import Acquired, NewPromise, PromiseRecord, TaskRecord
from promises.states import TaskState
from promises.times import NEVER, to_ms
from promises.values import Value
from workflows import codec
from workflows.executor import execute
from workflows.histories import History
from workflows.local import Halted, Runner
from workflows.outcomes import result_of
from workflows.registry import Workflow
from workflows.rehearsals import assert_replays
from workflows.stores.base import Lease
from workflows.stores.memory import MemoryStore

__all__ = ["START", "Crash", "CrashingStore", "Playground", "Stuck", "assert_replays", "crash_everywhere"]

START = datetime.fromisoformat("2026-01-05T09:00:00+00:00")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

R = TypeVar("R")


class Crash(BaseException):
    """The process dies here."""


class Playground:
    """A memory store, a virtual clock that starts at `start` (aware), and a runner that never really waits."""

    def __init__(self, start: datetime = START, services: Mapping[str, Any] | None = None) -> None:
        self.now = to_ms(start)
        self.store = MemoryStore(lambda: self.now)
        self.services: dict[str, Any] = dict(services or {})
        self.outcomes: list[str] = []

    def start(self, fn: Workflow[..., Any], *args: Any, id: str = "r", timeout_at: int = NEVER, **kwargs: Any) -> str:
        """Start an execution; returns its id. Nothing runs yet."""
        return Runner(self.store).start(fn, *args, id=id, timeout_at=timeout_at, **kwargs)

    def schedule(self, id: str, fn: Workflow[..., Any], *args: Any, cron: str, time_zone: str = "UTC") -> None:
        """Start the function at each occurrence of `cron` from now on; the executions are named ID-MILLISECONDS."""
        Runner(self.store).schedule(id, fn, *args, cron=cron, time_zone=time_zone)

    def work(self) -> None:
        """Execute what is due now, until nothing is. Raises Halted."""
        while due := self.store.due_tasks():
            for id in due:
                self.outcomes.append(execute(self.store, id, services=self.services))
                if self.outcomes[-1] == "halted":
                    raise Halted(self.store.tasks[id].halt_reason)

    def advance(self, duration: timedelta | str) -> None:
        """Let time pass ("25h", "90s", "1d"): every deadline on the way comes at its moment, and what it wakes runs."""
        until = self.now + int(_duration(duration).total_seconds() * 1000)
        self.work()
        while (deadline := self.store.next_deadline()) <= until:
            self.now = max(self.now, deadline)
            self.work()
        self.now = until

    def finish(self, id: str = "r") -> PromiseRecord:
        """Work, and jump from deadline to deadline, until the execution is settled. Raises Halted; Stuck when it waits
        for something that has no deadline."""
        while True:
            self.work()
            promise = self.promise(id)
            if not promise.is_pending:
                return promise
            deadline = self.store.next_deadline()
            if deadline >= NEVER:
                raise Stuck(f"{id} waits for {', '.join(self.pending())}, which has no deadline and nobody settles.")
            self.now = max(self.now, deadline)

    def run(self, fn: Workflow[..., R], *args: Any, **kwargs: Any) -> R:
        """The result of a new execution, at once; its error is raised."""
        id = self.start(fn, *args, **kwargs)
        result: R = result_of(self.finish(id), codec.result_type(fn.fn))
        return result

    def result(self, id: str = "r") -> Any:
        """The result of an execution that has ended, as JSON; its error is raised. Raises Stuck while it is pending."""
        promise = self.promise(id)
        if promise.is_pending:
            raise Stuck(f"{id} is still waiting for {', '.join(self.pending())}.")
        return result_of(promise, Any)

    def settle(self, id: str, value: Any = None, *, state: str = "resolved") -> PromiseRecord:
        """Settle a promise as the outside world would."""
        return self.store.settle(id, state, Value.of(codec.to_json(value)))

    def history(self, id: str = "r") -> History:
        """What an execution has recorded so far; see `assert_replays`."""
        below = [self.store.promises[found] for found in sorted(self.store.promises) if found.startswith(f"{id}:")]
        promises = [self.promise(id), *below]
        tasks = {found: TaskRecord(found, task.state, task.version) for found, task in self.store.tasks.items()}
        return History(promises, tasks)

    def promise(self, id: str) -> PromiseRecord:
        """The promise as it is now. Raises KeyError."""
        promise = self.store.get(id)
        if promise is None:
            raise KeyError(id)
        return promise

    def ids(self) -> list[str]:
        """All promises but the root `r`, sorted."""
        return sorted(id for id in self.store.promises if id != "r")

    def pending(self) -> list[str]:
        """The promises below the executions that nobody has settled, sorted."""
        return [id for id in sorted(self.store.promises) if ":" in id and self.promise(id).is_pending]

    def funcs(self) -> dict[str, str]:
        """Promise id -> function name, without the root."""
        return {id: self.store.promises[id].func for id in self.ids()}


class Stuck(AssertionError):
    """The execution waits for something that never comes by itself."""


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
    **kwargs: Any,
) -> Any:
    """Run the function once without a crash, then once for every point at which its process could die, before and after
    each write; assert that it always ends the same, and return that result (an error is returned, not raised).

    `services` makes fresh services for each run. The steps run for real, each time: give them what can bear it.
    """
    expected, writes = _run_crashing(fn, args, kwargs, services, at=0, after=False)
    for at in range(1, writes + 1):
        for after in (False, True):
            ended, _ = _run_crashing(fn, args, kwargs, services, at=at, after=after)
            where = f"{'after' if after else 'before'} write {at} of {writes}"
            assert _shown(ended) == _shown(expected), f"with a crash {where} it ended with {ended!r}, not {expected!r}"
    return expected


def _run_crashing(
    fn: Workflow[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    services: Callable[[], Mapping[str, Any]],
    *,
    at: int,
    after: bool,
) -> tuple[Any, int]:
    play = Playground(services=services())
    store = CrashingStore(play.store, at, after=after)
    id = play.start(fn, *args, **kwargs)
    while play.promise(id).is_pending:
        due = play.store.due_tasks()
        for task_id in due:
            _execute_until_crash(play, store, task_id)
        if not due:
            deadline = play.store.next_deadline()
            if deadline >= NEVER:
                raise Stuck(f"{id} waits for {', '.join(play.pending())}, which nobody settles.")
            play.now = max(play.now, deadline)
    try:
        return result_of(play.promise(id), codec.result_type(fn.fn)), store.writes
    except Exception as error:
        return error, store.writes


def _execute_until_crash(play: Playground, store: CrashingStore, task_id: str) -> None:
    try:
        outcome = execute(store, task_id, services=play.services)
    except Crash:  # the lease of a dead worker lapses
        for task in play.store.tasks.values():
            if task.state == TaskState.ACQUIRED:
                task.state = TaskState.PENDING
    else:
        if outcome == "halted":
            raise Halted(play.store.tasks[task_id].halt_reason)


def _shown(ended: Any) -> Any:
    return (type(ended), str(ended)) if isinstance(ended, BaseException) else ended


def _duration(duration: timedelta | str) -> timedelta:
    if isinstance(duration, timedelta):
        return duration
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)", duration)
    if found is None:
        raise ValueError(f"{duration!r} is no duration; write a number and one of {', '.join(_UNITS)}, as in '25h'.")
    return timedelta(**{_UNITS[found[2]]: float(found[1])})
