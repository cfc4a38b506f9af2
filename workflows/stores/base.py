"""What the engine needs of a store. `tests/workflows/store_contract.py` holds every implementation to it."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from promises.records import Acquired, NewPromise, PromiseRecord
from promises.values import Value


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for a task: its id and the version that the acquire gave."""

    task_id: str
    version: int


class Store(Protocol):
    """Durable promises. Verbs that take a lease raise LeaseLost when it is not held any more."""

    is_durable: bool  # whether what is stored outlives this process

    def now(self) -> int:
        """The time, ms since the epoch."""

    def create(self, promise: NewPromise) -> tuple[PromiseRecord, bool]:
        """Create the promise, or find it: (record, created)."""

    def get(self, id: str) -> PromiseRecord | None:
        """The promise as it is now."""

    def settle(self, id: str, state: str, value: Value) -> PromiseRecord:
        """Settle the promise, unless it is settled: then it is returned as it is. Raises PromiseNotFound."""

    def acquire(self, task_id: str, version: int | None = None) -> Acquired | None:
        """The lease of a pending task and all that is recorded below it; None when it is not to be had."""

    def record(self, lease: Lease, promises: Sequence[NewPromise]) -> dict[str, PromiseRecord]:
        """Store promises, pending or settled, in one commit; {} when all are new, else all of them as they are
        stored."""

    def suspend(self, lease: Lease, awaited: Sequence[str], create: Sequence[NewPromise]) -> list[PromiseRecord]:
        """Create the missing ones, and give up the lease until one of the awaited settles: []. Or those that are
        settled already."""

    def fulfill(self, lease: Lease, state: str, value: Value) -> PromiseRecord:
        """Settle the task's own promise."""

    def settle_child(self, lease: Lease, id: str, state: str, value: Value) -> PromiseRecord:
        """Settle another promise as the holder of the lease."""

    def cancel_child(self, lease: Lease, id: str) -> PromiseRecord:
        """Cancel another promise and all that is pending below it, as the holder of the lease."""

    def release(self, lease: Lease) -> None:
        """Give the lease back unfinished; the task is due at once."""

    def halt(self, lease: Lease, reason: str) -> None:
        """Stop the execution, visibly, until somebody continues it."""

    def transaction(self) -> AbstractContextManager[object]:
        """What is written inside commits together with the promises recorded inside; a no-op where nothing else is
        written."""

    def leave_thread(self) -> None:
        """Called by a helper thread when its step has ended: give back what the thread holds (connections)."""

    def callback_url(self, id: str, timeout_at: int) -> str:
        """The address at which the outside world settles a latent promise."""
