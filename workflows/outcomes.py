"""How an operation ended: a body's end as a promise's state and value, and back as a result or an error."""

import asyncio
from typing import Any

from promises.records import PromiseRecord
from promises.states import PromiseState
from promises.values import Value
from workflows import codec
from workflows.errors import EncodingError, PromiseCanceled, PromiseTimeout, error_from_json, error_to_json


def error_of(task: "asyncio.Task[Any]") -> BaseException | None:
    """What a task has ended with, if not with a result; for one that canceled itself that is a CancelledError."""
    return asyncio.CancelledError("canceled by itself") if task.cancelled() else task.exception()


def outcome_of(task: "asyncio.Task[Any]") -> tuple[str, Value]:
    """How a body ended, as a promise's state and value."""
    error = error_of(task)
    if error is None:
        try:
            return PromiseState.RESOLVED, Value.of(codec.to_json(task.result()))
        except (EncodingError, ValueError) as unfit:
            error = unfit
    if not isinstance(error, Exception | asyncio.CancelledError):
        raise error
    return PromiseState.REJECTED, Value.of(error_to_json(error))


def result_of(promise: PromiseRecord, annotation: Any) -> Any:
    """What awaiting a settled promise gives: its value as the annotated type, or its error, raised."""
    if promise.state == PromiseState.RESOLVED:
        return codec.from_json(promise.value.decode(), annotation)
    if promise.state == PromiseState.REJECTED_TIMEDOUT:
        raise PromiseTimeout(f"The deadline of {promise.id} passed before it was settled.")
    if promise.state == PromiseState.REJECTED_CANCELED:
        raise PromiseCanceled(f"{promise.id} was canceled.")
    raise error_from_json(promise.value.decode())
