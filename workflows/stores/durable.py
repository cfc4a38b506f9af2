"""The store of durable mode: the promise store in PostgreSQL, on the current thread's Django connection."""

import os
import socket
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from django.conf import settings
from django.db import connections, transaction

from promises import store
from promises.callback_urls import callback_url
from promises.errors import Conflict, PromiseNotFound, TaskNotFound
from promises.records import Acquired, NewPromise, PromiseRecord
from promises.times import now_ms
from promises.values import Value
from workflows.errors import LeaseLost
from workflows.stores.base import Lease


@contextmanager
def fenced() -> Iterator[None]:
    """What the store refuses to somebody whose lease is not held any more is a LeaseLost."""
    try:
        yield
    except (Conflict, TaskNotFound) as lost:
        raise LeaseLost(str(lost)) from None


# One per process: who holds a lease.
PID = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


class DurableStore:
    """See `workflows.stores.base.Store`. Has no state of its own, so one instance serves all threads."""

    is_durable = True

    def now(self) -> int:
        return now_ms()

    def create(self, promise: NewPromise) -> tuple[PromiseRecord, bool]:
        return store.promise_create(
            promise.id, timeout_at=promise.timeout_at, now=now_ms(), param=promise.param, tags=promise.tags
        )

    def get(self, id: str) -> PromiseRecord | None:
        try:
            return store.promise_get(id, now=now_ms())
        except PromiseNotFound:
            return None

    def settle(self, id: str, state: str, value: Value) -> PromiseRecord:
        return store.promise_settle(id, state, value, now=now_ms())

    def acquire(self, task_id: str, version: int | None = None) -> Acquired | None:
        try:
            return store.task_acquire(task_id, version, pid=PID, ttl=lease_ms(), now=now_ms())
        except (Conflict, TaskNotFound):
            return None

    def record(self, lease: Lease, promises: Sequence[NewPromise]) -> dict[str, PromiseRecord]:
        with fenced():
            return store.task_record(lease.task_id, lease.version, promises, now=now_ms())

    def suspend(self, lease: Lease, awaited: Sequence[str], create: Sequence[NewPromise]) -> list[PromiseRecord]:
        with fenced():
            return store.task_suspend(lease.task_id, lease.version, awaited, create=create, now=now_ms())

    def fulfill(self, lease: Lease, state: str, value: Value) -> PromiseRecord:
        with fenced():
            return store.task_fulfill(lease.task_id, lease.version, state, value, now=now_ms())

    def settle_child(self, lease: Lease, id: str, state: str, value: Value) -> PromiseRecord:
        with fenced():
            return store.task_fence_settle(lease.task_id, lease.version, id, state, value, now=now_ms())

    def cancel_child(self, lease: Lease, id: str) -> PromiseRecord:
        with fenced():
            return store.task_fence_cancel(lease.task_id, lease.version, id, now=now_ms())

    def release(self, lease: Lease) -> None:
        with fenced():
            store.task_release(lease.task_id, lease.version, now=now_ms())

    def halt(self, lease: Lease, reason: str) -> None:
        with fenced():
            store.task_halt(lease.task_id, reason, version=lease.version, now=now_ms())

    def transaction(self) -> AbstractContextManager[object]:
        return transaction.atomic()

    def leave_thread(self) -> None:
        connections.close_all()

    def callback_url(self, id: str, timeout_at: int) -> str:
        return callback_url(id, timeout_at)


def lease_ms() -> int:
    """How long a lease lasts without a heartbeat."""
    return int(settings.PROMISES.get("LEASE_MS", 15_000))
