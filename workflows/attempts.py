"""One attempt at a step: call the function, and say what came of it: an outcome to record, or when to try again."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from promises.records import NewPromise, PromiseRecord
from promises.states import PromiseState
from promises.values import EMPTY, Value
from workflows import codec
from workflows.errors import EncodingError, error_to_json
from workflows.observing import attempt_begins
from workflows.operations import Operation
from workflows.stores.base import Lease, Store

log = logging.getLogger(__name__)

# Beyond this a timer would not fit the event loop's clock; the promise's own deadline still holds.
_LONGEST_TIMER = 86_400.0


@dataclass(slots=True)
class Attempt:
    """What an attempt came to. `retry_in` (seconds): nothing yet. `known`: it is recorded already, as this. `error`:
    why it failed."""

    operation: Operation
    state: str = PromiseState.PENDING
    value: Value = EMPTY
    retry_in: float | None = None
    known: PromiseRecord | None = None
    error: BaseException | None = None

    @property
    def tags(self) -> dict[str, str]:
        """The promise's tags; they say which attempt gave the outcome, unless it was the first."""
        tags, attempt = self.operation.promise.tags, self.operation.attempt
        return tags if attempt <= 1 else {**tags, "countersign:attempt": str(attempt)}

    def promise(self) -> NewPromise:
        """The settled promise to store."""
        new, started_at = self.operation.promise, self.operation.started_at
        return NewPromise(new.id, new.timeout_at, new.param, self.tags, self.state, self.value, started_at or None)

    def as_record(self) -> PromiseRecord:
        """The promise as it is once stored."""
        promise, started_at = self.operation.promise, self.operation.started_at
        return PromiseRecord(
            promise.id, self.state, promise.param, self.value, self.tags, promise.timeout_at, started_at, started_at
        )


class _RollBack(Exception):
    """Undoes an atomic step; `attempt` is what it came to."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt


def attempt_sync(operation: Operation, store: Store, lease: Lease, *, in_thread: bool = False) -> Attempt:
    """Call a plain function; with `atomic` record its outcome in the same transaction. Never raises what the function
    raises. Call it in a context of its own.

    Raises LeaseLost from an atomic step, whose writes are rolled back then.
    """
    attempt = None
    operation.attempt += 1
    end = attempt_begins(operation)
    try:
        attempt = _attempt_sync(operation, store, lease)
        return attempt
    finally:
        end(attempt)
        if in_thread:
            store.leave_thread()


async def attempt_async(operation: Operation, store: Store) -> Attempt:
    """Await an async function, for as long as its time lasts. Never raises what the function raises. Await it in a
    context of its own."""
    attempt = None
    operation.attempt += 1
    end = attempt_begins(operation)
    try:
        attempt = await _attempt_async(operation, store)
        return attempt
    finally:
        end(attempt)


def _attempt_sync(operation: Operation, store: Store, lease: Lease) -> Attempt:
    if not _begin(operation, store):
        return _timed_out(operation)
    try:
        if operation.options.atomic:
            return _attempt_atomic(operation, store, lease)
        return _succeeded(operation, _call(operation), store)
    except Exception as error:
        return _failed(operation, error, store)


async def _attempt_async(operation: Operation, store: Store) -> Attempt:
    if not _begin(operation, store):
        return _timed_out(operation)
    left = (operation.deadline - store.now()) / 1000
    try:
        async with asyncio.timeout(left if left < _LONGEST_TIMER else None) as limit:
            result = await _call(operation)
        return _succeeded(operation, result, store)
    except TimeoutError as error:
        return _timed_out(operation) if limit.expired() else _failed(operation, error, store)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():  # it is put away
            raise
        return _failed(operation, error, store)
    except Exception as error:
        return _failed(operation, error, store)


def _attempt_atomic(operation: Operation, store: Store, lease: Lease) -> Attempt:
    try:
        with store.transaction():
            attempt = _succeeded(operation, _call(operation), store)
            if attempt.state != PromiseState.RESOLVED:  # its time was up: what it wrote must not stay
                raise _RollBack(attempt)
            known = store.record(lease, [attempt.promise()])
            if known:
                raise _RollBack(Attempt(operation, known=known[operation.id]))
        attempt.known = attempt.as_record()
        return attempt
    except _RollBack as undone:
        return undone.attempt


def _begin(operation: Operation, store: Store) -> bool:
    """False when the time is up before it has begun."""
    now = store.now()
    operation.started_at = operation.started_at or now
    return now < operation.deadline


def _call(operation: Operation) -> Any:
    assert operation.call is not None
    return operation.call()


def _succeeded(operation: Operation, result: Any, store: Store) -> Attempt:
    if store.now() >= operation.deadline:
        return _timed_out(operation)
    try:
        return Attempt(operation, PromiseState.RESOLVED, Value.of(codec.to_json(result)))
    except ValueError as error:
        raise EncodingError(f"The result of {operation.func} cannot be stored as JSON: {error}") from None


def _timed_out(operation: Operation) -> Attempt:
    return Attempt(operation, PromiseState.REJECTED_TIMEDOUT)


def _failed(operation: Operation, error: BaseException, store: Store) -> Attempt:
    """The verdict of the retry policy; an outcome that cannot be encoded will not be better next time."""
    delay = None if isinstance(error, EncodingError) else operation.options.retry.delay(operation.attempt, error)
    log.warning(
        "step %s of %s failed (attempt %d)%s",
        operation.func,
        operation.id,
        operation.attempt,
        "" if delay is None else f"; next in {delay:.1f} s",
        exc_info=error,
    )
    if delay is None:
        return Attempt(operation, PromiseState.REJECTED, Value.of(error_to_json(error)), error=error)
    if store.now() + delay * 1000 >= operation.deadline:
        return Attempt(operation, PromiseState.REJECTED_TIMEDOUT, error=error)
    return Attempt(operation, retry_in=delay, error=error)
