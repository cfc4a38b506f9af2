"""What can go wrong with promises and tasks. The class name is the API's code, its docstring the default message."""


class CodedError(Exception):
    """The base of each app's family of errors: `status` as in HTTP, `code` for programs, the message for people."""

    status = 500

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def code(self) -> str:
        return type(self).__name__


class PromiseError(CodedError):
    """The promise store refused the call."""


class BadRequest(PromiseError):
    """The request is not well formed."""

    status = 400


class PromiseNotFound(PromiseError):
    """There is no promise with this id."""

    status = 404


class TaskNotFound(PromiseError):
    """There is no task with this id."""

    status = 404


class ScheduleNotFound(PromiseError):
    """There is no schedule with this id."""

    status = 404


class ScheduleDeclared(PromiseError):
    """The code declares this schedule, so it would come back: remove it there, or pause it."""

    status = 409


class Conflict(PromiseError):
    """The task is not in the state, or not at the version, that this call needs; fetch it again."""

    status = 409


class Unprocessable(PromiseError):
    """A promise named in the request cannot play the part the request gives it."""

    status = 422


def error_for(status: int, message: str) -> PromiseError:
    """The error for a verdict of the SQL functions (`status` as in HTTP)."""
    family: dict[int, type[PromiseError]] = {400: BadRequest, 409: Conflict, 422: Unprocessable}
    if status == 404:
        return (TaskNotFound if message.startswith("Task") else PromiseNotFound)(message)
    return family[status](message)
