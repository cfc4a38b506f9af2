"""What the store takes and answers: plain frozen records in the protocol's vocabulary, free of Django."""

from dataclasses import dataclass, field, replace

from promises.states import PromiseState, TaskState
from promises.values import EMPTY, Value


@dataclass(frozen=True, slots=True)
class PromiseRecord:
    """A promise as every observer sees it: a passed deadline is already applied. Times are ms since the epoch."""

    id: str
    state: str
    param: Value
    value: Value
    tags: dict[str, str]
    timeout_at: int
    created_at: int
    settled_at: int | None = None

    @property
    def is_pending(self) -> bool:
        return self.state == PromiseState.PENDING

    @property
    def func(self) -> str:
        """The name of the function this promise stands for, or ''."""
        return self.tags.get("countersign:func", "")

    @property
    def parent_id(self) -> str | None:
        parent = self.tags.get("resonate:parent")
        return parent if parent and parent != self.id else None


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task as the protocol writes it; `pid` and `ttl` (ms) only while acquired. `halt_reason` is ours."""

    id: str
    state: str
    version: int
    resumes: int = 0
    pid: str | None = None
    ttl: int | None = None
    halt_reason: str = ""


@dataclass(frozen=True, slots=True)
class NewPromise:
    """A promise to create; with `state` set, one that is born settled (a completed local step)."""

    id: str
    timeout_at: int
    param: Value = EMPTY
    tags: dict[str, str] = field(default_factory=dict)
    state: str = PromiseState.PENDING
    value: Value = EMPTY
    created_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """A schedule to create: at each occurrence of `cron` in `time_zone`, a promise whose id comes from the template
    `promise_id` and whose deadline is `promise_timeout` ms later."""

    id: str
    cron: str
    time_zone: str = "UTC"
    promise_id: str = "{{.id}}-{{.timestamp}}"
    promise_timeout: int
    promise_param: Value = EMPTY
    promise_tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecord(NewSchedule):
    """A schedule as it is stored. While `paused_at` is set it does not fire; `is_declared`: it is written in the
    code."""

    created_at: int
    next_run_at: int
    last_run_at: int | None = None
    paused_at: int | None = None
    pause_reason: str = ""
    is_declared: bool = False


@dataclass(frozen=True, slots=True)
class Acquired:
    """A lease: the task with its new version, its promise, and the other promises of its branch known so far.
    `ready_at` (ms): since when the task had been ready; None where nobody notes it."""

    task: TaskRecord
    promise: PromiseRecord
    preload: list[PromiseRecord]
    ready_at: int | None = None

    @property
    def is_leased(self) -> bool:
        return self.task.state == TaskState.ACQUIRED


def project(promise: PromiseRecord, now: int) -> PromiseRecord:
    """The promise as every observer sees it at `now`: at its deadline (`<=`) a pending one is settled, by then, with
    no value."""
    if promise.state != PromiseState.PENDING or promise.timeout_at > now:
        return promise
    is_timer = promise.tags.get("resonate:timer") == "true"
    state = PromiseState.RESOLVED if is_timer else PromiseState.REJECTED_TIMEDOUT
    return replace(promise, state=state, settled_at=promise.timeout_at)
