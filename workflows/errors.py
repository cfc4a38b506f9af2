"""What can go wrong in a workflow, and how an exception crosses the boundary of a process as JSON.

An error that the caller may handle derives from WorkflowError; what ends an activation derives from BaseException, so
that a workflow's `except Exception` cannot swallow it.
"""

import builtins
from typing import Any, TypeVar

from promises.errors import CodedError


class WorkflowError(CodedError):
    """The workflow cannot do what was asked."""


class FunctionNotFound(WorkflowError):
    """No function is registered under this name and version."""

    status = 404


class InvalidArguments(WorkflowError):
    """The arguments do not fit the function's signature."""

    status = 422


class InvalidId(WorkflowError):
    """An execution's id is 1 to 200 characters, without ':', '/', spaces and control characters."""

    status = 400


class ExecutionNotFound(WorkflowError):
    """There is no execution with this id."""

    status = 404


class ReasonMissing(WorkflowError):
    """Say why: what was found, or what was mended."""

    status = 422


class PromiseTimeout(WorkflowError):
    """The promise's deadline passed before anyone settled it."""

    status = 409


class PromiseCanceled(WorkflowError):
    """The promise was canceled."""

    status = 409


class RemoteError(WorkflowError):
    """The function failed with an error that has no class here; `name` is the class it had where it was raised."""

    def __init__(self, message: str = "", name: str = "") -> None:
        super().__init__(message)
        self.name = name


class EncodingError(WorkflowError):
    """The value cannot be stored as JSON."""

    status = 422


class Halt(BaseException):
    """Stops an execution visibly: its task is halted with this reason until somebody continues it after a fix."""


class NonDeterminism(Halt):
    """A replay asked for something else than what is recorded."""


class NonDurableAwait(Halt):
    """A workflow body waits for something that is not a durable operation, so nothing would ever wake it."""


class Suspended(BaseException):
    """Raised by context calls of a body that is being put away; it lets the body's frames unwind."""


class LeaseLost(BaseException):
    """Another worker holds the execution now, or it is settled: this one stops writing and forgets it."""


class ShuttingDown(BaseException):
    """This process is about to stop: the lease is given back, so that another one goes on at once."""


_E = TypeVar("_E", bound=type[Exception])
# asyncio refuses these as the outcome of a future.
_NOT_TO_BE_AWAITED = (StopIteration, StopAsyncIteration)
_portable: dict[str, type[Exception]] = {}


def portable(cls: _E) -> _E:
    """Class decorator: errors of this class come back as this class on the other side of a promise, made from their
    message. The name of the class is what is recorded, so no two may share one (ValueError)."""
    known = _portable.get(cls.__name__, cls)
    if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(
            f"{cls.__module__}.{cls.__qualname__} cannot be portable: {known.__module__}.{known.__qualname__} already "
            "comes back under this name. Rename one of them."
        )
    _portable[cls.__name__] = cls
    return cls


def error_to_json(error: BaseException) -> dict[str, Any]:
    """The wire form of an error: {"__type": "error", "name", "message"}."""
    name = error.name if isinstance(error, RemoteError) and error.name else type(error).__name__
    # A KeyError prints its key quoted; once more with every boundary it crosses.
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    return {"__type": "error", "name": name, "message": str(message)}


def error_from_json(value: Any) -> Exception:
    """The error in a rejected promise's value: its declared or builtin class, made from the message, else
    RemoteError."""
    if isinstance(value, str):
        return RemoteError(value)
    if not isinstance(value, dict):
        return RemoteError("rejected without a reason" if value is None else f"rejected with {value!r}")
    name, message = str(value.get("name", "")), str(value.get("message", ""))
    cls = _portable.get(name) or getattr(builtins, name, None)
    if isinstance(cls, type) and issubclass(cls, Exception) and not issubclass(cls, _NOT_TO_BE_AWAITED):
        try:
            return cls(message)
        except Exception:  # a class that is not made from one message
            return RemoteError(message, name)
    return RemoteError(message, name)


for _cls in (FunctionNotFound, InvalidArguments, PromiseTimeout, PromiseCanceled, EncodingError):
    portable(_cls)
