"""The store of local mode: the same promises and tasks in this process's memory. Needs nothing, keeps nothing.

The rules are those of `promises/sql/`, in the same order; one contract suite runs against both.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

from promises.cron import next_run, occurrence
from promises.errors import BadRequest, PromiseNotFound, Unprocessable
from promises.records import Acquired, NewPromise, NewSchedule, PromiseRecord, TaskRecord, project
from promises.states import SETTLE_STATES, PromiseState, TaskState
from promises.times import NEVER, now_ms
from promises.values import CANCELED_BY_CALLER, EMPTY, Value
from workflows.errors import LeaseLost
from workflows.stores.base import Lease


@dataclass
class _Task:
    state: str = TaskState.PENDING
    version: int = 0
    due_at: int = 0
    halt_reason: str = ""
    awaiting: set[str] = field(default_factory=set)


class MemoryStore:
    """See `workflows.stores.base.Store`. Thread-safe. `clock` returns the time in ms since the epoch; `on_change` is
    told every promise that is new or settled, in order, while the store is locked."""

    is_durable = False

    def __init__(
        self,
        clock: Callable[[], int] = now_ms,
        on_change: Callable[[PromiseRecord], None] = lambda promise: None,
    ) -> None:
        self.clock = clock
        self.on_change = on_change
        self.promises: dict[str, PromiseRecord] = {}
        self.tasks: dict[str, _Task] = {}
        self.changed = threading.Condition(threading.RLock())
        self._deadlines: list[tuple[int, str]] = []
        self._schedules: dict[str, tuple[int, NewSchedule]] = {}  # with the next occurrence

    def now(self) -> int:
        return self.clock()

    def create(self, promise: NewPromise) -> tuple[PromiseRecord, bool]:
        with self.changed:
            self.apply_deadlines()
            return self._insert(promise)

    def get(self, id: str) -> PromiseRecord | None:
        with self.changed:
            self.apply_deadlines()
            return self.promises.get(id)

    def settle(self, id: str, state: str, value: Value) -> PromiseRecord:
        _check_settle_state(state)
        with self.changed:
            self.apply_deadlines()
            promise = self.promises.get(id)
            if promise is None:
                raise PromiseNotFound(f"Promise not found: {id}")
            return self._settle(promise, state, value, self.now()) if promise.is_pending else promise

    def acquire(self, task_id: str, version: int | None = None) -> Acquired | None:
        with self.changed:
            self.apply_deadlines()
            task = self.tasks.get(task_id)
            if task is None or task.state != TaskState.PENDING or version not in (None, task.version):
                return None
            task.state, task.version = TaskState.ACQUIRED, task.version + 1
            record = TaskRecord(task_id, task.state, task.version)
            return Acquired(record, self.promises[task_id], self._branch(task_id))

    def record(self, lease: Lease, promises: Sequence[NewPromise]) -> dict[str, PromiseRecord]:
        with self.changed:
            self._fence(lease)
            found = [self._insert(promise) for promise in promises]
            if all(created for _, created in found):
                return {}
            return {promise.id: promise for promise, _ in found}

    def suspend(self, lease: Lease, awaited: Sequence[str], create: Sequence[NewPromise]) -> list[PromiseRecord]:
        with self.changed:
            _check_awaited(lease.task_id, awaited)
            task = self._fence(lease)
            self._check_awaitable(lease.task_id, awaited, create)
            for promise in create:
                self._insert(promise)
            settled = [self.promises[id] for id in awaited if not self.promises[id].is_pending]
            if not settled:
                task.state, task.awaiting = TaskState.SUSPENDED, task.awaiting | set(awaited)
                self.changed.notify_all()
            return settled

    def fulfill(self, lease: Lease, state: str, value: Value) -> PromiseRecord:
        _check_settle_state(state)
        with self.changed:
            self._fence(lease)
            return self._settle(self.promises[lease.task_id], state, value, self.now())

    def settle_child(self, lease: Lease, id: str, state: str, value: Value) -> PromiseRecord:
        _check_settle_state(state)
        if id == lease.task_id:
            raise BadRequest("A task's own promise is settled by task.fulfill")
        with self.changed:
            self._fence(lease)
            return self.settle(id, state, value)

    def schedule(self, new: NewSchedule) -> None:
        """Create its promises, each when it is due, from now on."""
        with self.changed:
            self._schedules[new.id] = next_run(new.cron, self.now(), new.time_zone), new
            self.changed.notify_all()

    def cancel(self, id: str, value: Value = EMPTY) -> PromiseRecord:
        """Cancel a promise and every pending one below it, except what was started detached."""
        with self.changed:
            canceled = self.settle(id, PromiseState.REJECTED_CANCELED, value)
            if canceled.state == PromiseState.REJECTED_CANCELED:
                for promise in [p for p in self.promises.values() if p.is_pending and _is_canceled_with(p, id)]:
                    self._settle(promise, PromiseState.REJECTED_CANCELED, EMPTY, self.now())
            return canceled

    def cancel_child(self, lease: Lease, id: str) -> PromiseRecord:
        if id == lease.task_id:
            raise BadRequest("A task's own promise is settled by task.fulfill")
        with self.changed:
            self._fence(lease)
            return self.cancel(id, CANCELED_BY_CALLER)

    def release(self, lease: Lease) -> None:
        with self.changed:
            self._fence(lease).state = TaskState.PENDING
            self.changed.notify_all()

    def halt(self, lease: Lease, reason: str) -> None:
        with self.changed:
            task = self._fence(lease)
            task.state, task.halt_reason = TaskState.HALTED, reason
            self.changed.notify_all()

    def transaction(self) -> AbstractContextManager[object]:
        return nullcontext()

    def leave_thread(self) -> None:
        pass

    def callback_url(self, id: str, timeout_at: int) -> str:
        return f"memory:{id}"

    # -- for the runner
    # ----------------------------------------------------------------------------------------------------------

    def apply_deadlines(self) -> None:
        """Fire the schedules that are due, and settle what is past its deadline, earliest first."""
        now = self.now()
        self._fire(now)
        while self._deadlines and self._deadlines[0][0] <= now:
            promise = self.promises[heappop(self._deadlines)[1]]
            if promise.is_pending:
                late = project(promise, now)
                self._settle(promise, late.state, EMPTY, promise.timeout_at)

    def due_tasks(self) -> list[str]:
        """The ids of the tasks that can be executed now."""
        with self.changed:
            self.apply_deadlines()
            now = self.now()
            return [id for id, task in self.tasks.items() if task.state == TaskState.PENDING and task.due_at <= now]

    def next_deadline(self) -> int:
        """When the next pending promise times out, or a delayed task or a schedule is due (ms; NEVER when there is
        none)."""
        with self.changed:
            while self._deadlines and not self.promises[self._deadlines[0][1]].is_pending:
                heappop(self._deadlines)
            deadline = self._deadlines[0][0] if self._deadlines else NEVER
            delays = [t.due_at for t in self.tasks.values() if t.state == TaskState.PENDING and t.due_at > self.now()]
            return min([deadline, *delays, *(at for at, _ in self._schedules.values())])

    def _fire(self, now: int) -> None:
        while due := [(at, new) for at, new in self._schedules.values() if at <= now]:
            for at, new in due:
                self._insert(occurrence(new, at))
                self._schedules[new.id] = next_run(new.cron, at, new.time_zone), new

    def is_idle(self) -> bool:
        """Whether no execution goes on by itself: each has ended, is halted, or waits for what has no deadline."""
        with self.changed:
            self.apply_deadlines()
            return not any(self._goes_on(task) for task in self.tasks.values())

    def _goes_on(self, task: _Task) -> bool:
        if task.state == TaskState.SUSPENDED:
            return any(self.promises[id].timeout_at < NEVER for id in task.awaiting)
        return task.state in (TaskState.PENDING, TaskState.ACQUIRED)

    # -- rules -----------------------------------------------------------------------------------------------

    def _insert(self, new: NewPromise) -> tuple[PromiseRecord, bool]:
        known = self.promises.get(new.id)
        if known is not None:
            return known, False
        now = self.now()
        is_step = new.state != PromiseState.PENDING
        created_at = min(new.created_at or now, new.timeout_at)
        settled_at = min(now, new.timeout_at) if is_step else None
        promise = PromiseRecord(
            new.id, new.state, new.param, new.value, new.tags, new.timeout_at, created_at, settled_at
        )
        promise = project(promise, now)
        self.promises[new.id] = promise
        if promise.is_pending:
            heappush(self._deadlines, (promise.timeout_at, promise.id))
        if "resonate:target" in new.tags:
            due_at = (
                new.timeout_at if new.tags.get("resonate:timer") == "true" else int(new.tags.get("resonate:delay", 0))
            )
            self.tasks[new.id] = _Task(TaskState.PENDING if promise.is_pending else TaskState.FULFILLED, due_at=due_at)
        self.on_change(promise)
        self.changed.notify_all()
        return promise, True

    def _settle(self, promise: PromiseRecord, state: str, value: Value, at: int) -> PromiseRecord:
        settled = self.promises[promise.id] = replace(promise, state=state, value=value, settled_at=at)
        own = self.tasks.get(promise.id)
        if own is not None:
            own.state, own.halt_reason, own.awaiting = TaskState.FULFILLED, "", set()
        for id, task in self.tasks.items():
            if promise.id in task.awaiting:
                task.awaiting.discard(promise.id)
                if task.state == TaskState.SUSPENDED and self.promises[id].timeout_at > self.now():
                    task.state = TaskState.PENDING
        self.on_change(settled)
        self.changed.notify_all()
        return settled

    def _fence(self, lease: Lease) -> _Task:
        self.apply_deadlines()
        task = self.tasks.get(lease.task_id)
        if task is None or task.state != TaskState.ACQUIRED or task.version != lease.version:
            raise LeaseLost(f"Task {lease.task_id} is held by somebody else, or done.")
        return task

    def _branch(self, id: str) -> list[PromiseRecord]:
        branch = self.promises[id].tags.get("resonate:branch", id)
        return [
            promise
            for other, promise in self.promises.items()
            if other != id
            and _origin(promise) != other
            and other.startswith((branch + ".",) if ":" in branch else (branch + ":", branch + "."))
            and promise.tags.get("resonate:branch") in (branch, other)
        ]

    def _check_awaitable(self, awaiter: str, awaited: Sequence[str], create: Sequence[NewPromise]) -> None:
        new = {promise.id: promise for promise in create}
        origin = _origin(self.promises[awaiter])
        for id in awaited:
            promise = self.promises.get(id) or new.get(id)
            if promise is None:
                raise Unprocessable("Awaited promise not found")
            if _origin(promise) != origin:
                raise BadRequest("Awaited and awaiter must have the same origin")
            if promise.tags.get("resonate:scope") == "local":
                raise Unprocessable("Awaited promise is not awaitable")


def _origin(promise: PromiseRecord | NewPromise) -> str:
    return promise.tags.get("resonate:origin", promise.id.partition(":")[0])


def _is_canceled_with(promise: PromiseRecord, id: str) -> bool:
    below = id + ("." if ":" in id else ":")
    return promise.id.startswith(below) and not promise.tags.get("countersign:detached", "").startswith(below)


def _check_settle_state(state: str) -> None:
    if state not in SETTLE_STATES:
        raise BadRequest("state must be resolved, rejected or rejected_canceled")


def _check_awaited(id: str, awaited: Sequence[str]) -> None:
    if not awaited or id in awaited or len(set(awaited)) < len(awaited):
        raise BadRequest("A task suspends on one or more other promises, each named once")
