"""One durable operation of a body: what was asked, and the future that its outcome arrives in."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from promises.records import NewPromise, PromiseRecord
from promises.states import PromiseState
from workflows.retries import DEFAULT, Retry

if TYPE_CHECKING:
    from workflows.frames import Frame
    from workflows.registry import Workflow
    from workflows.replay import Activation

T = TypeVar("T")


class Kind(Enum):
    """Where an operation happens."""

    LEAF = "leaf"  # a plain function, here
    NESTED = "nested"  # a workflow function, here
    REMOTE = "remote"  # a promise that somebody else settles: another worker, a person, a timer


@dataclass(frozen=True, slots=True)
class Options:
    """What `ctx.options(...)` sets for the next call."""

    timeout: timedelta | None = None
    retry: Retry = DEFAULT
    durable: bool = True
    atomic: bool = False
    target: str | None = None
    version: int | None = None
    priority: int | None = None
    id: str | None = None
    tags: dict[str, str] = field(default_factory=dict)

    def but(self, **changes: Any) -> "Options":
        return replace(self, **changes)


@dataclass(eq=False, slots=True)
class Operation:
    """A call that a body made. `promise` is what to store: for remote ones pending, for local ones once they have
    completed."""

    id: str
    kind: Kind
    func: str
    frame: "Frame"
    options: Options
    deadline: int
    annotation: Any
    promise: NewPromise
    future: "DurableFuture[Any]" = field(init=False)
    function: "Workflow[..., Any] | None" = None  # the workflow that is called, if it is known here
    call: Callable[[], Any] | None = None
    is_async: bool = False
    attempt: int = 0
    retry_at: int = 0  # when the next attempt is made, once one has failed (ms)
    started_at: int = 0
    is_stored: bool = False
    is_awaited: bool = False
    is_detached: bool = False
    is_canceled: bool = False
    running: "asyncio.Task[Any] | None" = None
    must_store: "list[asyncio.Future[str]]" = field(default_factory=list)


class DurableFuture(asyncio.Future[T]):
    """The outcome of a durable operation, to come. Await it now (a call) or later (fan-out); `asyncio.gather` and
    friends work."""

    operation: Operation
    activation: "Activation"
    settled: PromiseRecord | None = None

    @property
    def id(self) -> str:
        """The id of the promise."""
        return self.operation.id

    @property
    def state(self) -> str:
        """The promise's state as this body knows it: pending, resolved, rejected, rejected_canceled,
        rejected_timedout."""
        if self.settled is not None:
            return self.settled.state
        return PromiseState.REJECTED_CANCELED if self.cancelled() else PromiseState.PENDING

    @property
    def callback_url(self) -> str:
        """The address at which anyone who knows it may settle this promise (see `ctx.promise`)."""
        return self.activation.store.callback_url(self.id, self.operation.deadline)

    def created(self) -> "asyncio.Future[str]":
        """Awaitable: the promise's id, once it is stored. Await it before you tell anyone the id."""
        return self.activation.ensure_stored(self.operation)

    def add_done_callback(self, fn: Callable[..., object], /, *, context: Any = None) -> None:
        # Whoever waits for a future adds a callback to it: that is how the engine knows what a body waits for.
        self.operation.is_awaited = True
        super().add_done_callback(fn, context=context)

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the call, and all that is below it; also what asyncio does to a task that awaits it."""
        is_canceled = super().cancel(msg)
        if is_canceled:
            self.activation.cancellation.ask(self.operation)
        return is_canceled
