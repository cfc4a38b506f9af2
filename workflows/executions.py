"""Starting executions in durable mode, and handles to them."""

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Generic, TypeVar

from promises import store
from promises.errors import PromiseNotFound
from promises.queries import promise_graph, promise_graph_stored
from promises.records import NewPromise, PromiseRecord
from promises.times import NEVER, now_ms
from workflows import codec
from workflows.errors import ExecutionNotFound, FunctionNotFound
from workflows.frames import checked_invocation, root_tags
from workflows.histories import History
from workflows.observers import starting
from workflows.outcomes import result_of
from workflows.registry import Workflow, registry
from workflows.stores.durable import DurableStore
from workflows.strands import check_id

R = TypeVar("R")


def start(
    function: Workflow[..., Any] | str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    id: str | None = None,
    version: int | None = None,
    requester: str = "",
    timeout: timedelta | None = None,
    priority: int | None = None,
) -> "tuple[Handle[Any], bool]":
    """Start an execution, or attach to the one that has this `id`: (handle, created).

    The arguments are checked against the function's signature first. Without `timeout` it has no deadline, without
    `priority` (-99 to 99; a step is worth a minute of waiting) its workflow's. Errors:
    FunctionNotFound, InvalidArguments, InvalidId, EncodingError.
    """
    found = function if isinstance(function, Workflow) else registry.get(function, version)
    id = check_id(id if id is not None else f"{found.name}-{uuid.uuid4().hex[:12]}")
    param = checked_invocation(found, args, kwargs or {})
    now = now_ms()
    deadline = NEVER if timeout is None else min(now + int(timeout.total_seconds() * 1000), NEVER)
    with starting(id, found.name) as tags:
        promise = NewPromise(id, deadline, param, root_tags(id, found, requester, priority) | tags)
        _, created = DurableStore().create(promise)
    return Handle(id), created


def get(id: str) -> "Handle[Any]":
    """The handle of an existing execution. Errors: ExecutionNotFound."""
    handle: Handle[Any] = Handle(id)
    handle.promise()
    return handle


class Handle(Generic[R]):
    """An execution, by its id. Every method asks the database; nothing is kept."""

    def __init__(self, id: str) -> None:
        self.id = id

    def __repr__(self) -> str:
        return f"<execution {self.id}>"

    def promise(self) -> PromiseRecord:
        """Its promise as it is now. Errors: ExecutionNotFound."""
        try:
            return store.promise_get(self.id, now=now_ms())
        except PromiseNotFound:
            raise self._not_found() from None

    def status(self) -> str:
        """Its promise's state: pending, resolved, rejected, rejected_canceled, rejected_timedout."""
        return self.promise().state

    def result(self, timeout: float | None = None) -> R:
        """Wait for the end, at most `timeout` seconds, and return the result; an error it ended with is raised as
        itself.

        Errors: TimeoutError (it goes on all the same), ExecutionNotFound, PromiseCanceled, PromiseTimeout, the
        workflow's own.
        """
        give_up_at = None if timeout is None else time.monotonic() + timeout
        pause = 0.002
        while (promise := self.promise()).is_pending:
            if give_up_at is not None and time.monotonic() >= give_up_at:
                raise TimeoutError(f"{self.id} is still running after {timeout} s; ask again later.")
            time.sleep(pause)
            pause = min(pause * 1.3, 0.2)
        result: R = result_of(promise, self._annotation(promise))
        return result

    async def aresult(self, timeout: float | None = None) -> R:  # noqa: ASYNC109 (the same name as in `result`)
        """`result`, for async callers."""
        return await asyncio.to_thread(self.result, timeout)

    def cancel(self) -> PromiseRecord:
        """Cancel it and every promise below it that is still pending, in one commit, but for what was started
        detached. One that is settled stays as it is.

        Errors: ExecutionNotFound.
        """
        try:
            return store.graph_cancel(self.id, now=now_ms())
        except PromiseNotFound:
            raise self._not_found() from None

    def tree(self) -> list[PromiseRecord]:
        """Its call graph: the root first, then all promises in id order."""
        return promise_graph(self.id, now=now_ms(), limit=None)

    def history(self) -> History:
        """What it has recorded so far, to be kept and replayed (`workflows.testing.assert_replays`).

        Errors: ExecutionNotFound.
        """
        promises, tasks = promise_graph_stored(self.id)
        if not tasks:
            raise self._not_found()
        return History(promises, {task.id: task for task in tasks})

    def _not_found(self) -> ExecutionNotFound:
        return ExecutionNotFound(f"There is no execution {self.id!r}.")

    def _annotation(self, promise: PromiseRecord) -> Any:
        try:
            function = registry.get(promise.func, int(promise.tags.get("countersign:version", 1)))
        except FunctionNotFound:
            return Any
        return codec.result_type(function.fn)
