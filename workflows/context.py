"""What a workflow body may do: every method is a durable operation whose outcome is recorded and found again by a
replay."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from promises.times import to_datetime, to_ms
from workflows.operations import DurableFuture, Options
from workflows.registry import Workflow
from workflows.retries import Never, Retry

if TYPE_CHECKING:
    from workflows.frames import Frame
    from workflows.stores.base import Store

P = ParamSpec("P")
R = TypeVar("R")
R2 = TypeVar("R2")
R3 = TypeVar("R3")
_UNSET: Any = object()


@dataclass(frozen=True)
class Info:
    """Who this execution is: ids, the function, when its time is up (ms; see `deadline`), and its promise's tags."""

    id: str
    parent_id: str | None
    origin_id: str
    func_name: str
    version: int
    timeout_at: int
    tags: Mapping[str, str]
    requester: str

    @property
    def deadline(self) -> datetime | None:
        """When this function's time is up; None when it has no deadline."""
        return to_datetime(self.timeout_at)


class Context:
    """Passed to a workflow as its first argument; never to a plain function."""

    __slots__ = ("_frame", "_options")

    def __init__(self, frame: "Frame", options: Options | None = None) -> None:
        self._frame = frame
        self._options = options or Options()

    @property
    def info(self) -> Info:
        """Facts about this execution; the same on every replay."""
        return self._frame.info

    @property
    def services(self) -> Mapping[str, Any]:
        """Objects that the runner provides (test doubles, the in-memory approvers of local mode); empty on a worker."""
        return self._frame.activation.services

    @property
    def is_durable(self) -> bool:
        """False in local mode, where nothing outlives the process: effects may stay in memory there, too."""
        return self._frame.activation.store.is_durable

    def options(
        self,
        *,
        timeout: timedelta | None = _UNSET,
        retry: Retry | None = _UNSET,
        durable: bool = _UNSET,
        atomic: bool = _UNSET,
        target: str | None = _UNSET,
        version: int | None = _UNSET,
        priority: int = _UNSET,
        id: str | None = _UNSET,
        tags: Mapping[str, str] = _UNSET,
    ) -> "Context":
        """This context with options for the next call: `ctx.options(timeout=timedelta(minutes=5)).run(fn)`.

        timeout: the call's time; it never exceeds this function's own. retry: a policy, None for one attempt.
        durable=False: nothing is stored, the step runs again on a replay. atomic=True: the step's ORM writes and its
        promise commit together. target, version, priority: for rpc, where it runs (`celery://QUEUE`), which version,
        and how urgent it is (the workflow's own priority unless given). id: a name instead of a number, unique in this
        function. tags: more tags for the promise.
        """
        given = {
            "timeout": timeout,
            "retry": Never() if retry is None else retry,
            "durable": durable,
            "atomic": atomic,
            "target": target,
            "version": version,
            "priority": priority,
            "id": id,
            "tags": tags,
        }
        return Context(self._frame, self._options.but(**{k: v for k, v in given.items() if v is not _UNSET}))

    @overload
    def run(self, fn: Workflow[P, R], *args: P.args, **kwargs: P.kwargs) -> DurableFuture[R]: ...

    @overload
    def run(self, fn: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> DurableFuture[R]: ...

    @overload
    def run(self, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> DurableFuture[R]: ...

    def run(self, fn: Any, *args: Any, **kwargs: Any) -> DurableFuture[Any]:
        """Call a function here; its outcome is recorded once, when it completes. A failing step is tried again by its
        retry policy within its time. A `@workflow` gets a child context, any other callable is a plain step, sync or
        async."""
        if isinstance(fn, Workflow):
            return self._frame.call_nested(fn, args, kwargs, self._options)
        return self._frame.call_leaf(fn, args, kwargs, self._options)

    @overload
    def rpc(self, fn: Workflow[P, R], *args: P.args, **kwargs: P.kwargs) -> DurableFuture[R]: ...

    @overload
    def rpc(self, fn: str, *args: Any, **kwargs: Any) -> DurableFuture[Any]: ...

    def rpc(self, fn: Any, *args: Any, **kwargs: Any) -> DurableFuture[Any]:
        """Call a workflow on whichever worker takes it, by function or by name (other processes, other languages)."""
        return self._frame.call_remote(fn, args, kwargs, self._options)

    @overload
    def detached(self, fn: Workflow[P, R], *args: P.args, **kwargs: P.kwargs) -> DurableFuture[R]: ...

    @overload
    def detached(self, fn: str, *args: Any, **kwargs: Any) -> DurableFuture[Any]: ...

    def detached(self, fn: Any, *args: Any, **kwargs: Any) -> DurableFuture[Any]:
        """Like `rpc`, but this function does not wait for it before it finishes, and canceling this does not cancel
        it."""
        return self._frame.call_remote(fn, args, kwargs, self._options, is_detached=True)

    def sleep(self, duration: timedelta | None = None, *, until: datetime | None = None) -> DurableFuture[None]:
        """Wait for a duration, or until an (aware) moment. Durable: no process waits, and a restart loses no time."""
        if (duration is None) == (until is None):
            raise TypeError("ctx.sleep takes a duration or until=, one of them")
        wake_at = to_ms(until) if until is not None else None
        return self._frame.call_sleep(duration or timedelta(0), wake_at, self._options)

    def promise(
        self, *, timeout: timedelta | None = None, data: Any = None, tags: Mapping[str, str] | None = None
    ) -> DurableFuture[Any]:
        """A latent promise, for the outside world to settle: it has an `id` and a `callback_url`. `data` is its
        param. Without `timeout` its time is this function's. Awaiting it raises PromiseTimeout, PromiseCanceled or
        the error it was rejected with."""
        options = self._options.but(timeout=timeout) if timeout is not None else self._options
        return self._frame.call_latent(data, {**options.tags, **(tags or {})}, options)

    @overload
    async def first(self, one: DurableFuture[R], another: DurableFuture[R2], /) -> R | R2: ...

    @overload
    async def first(
        self, one: DurableFuture[R], another: DurableFuture[R2], third: DurableFuture[R3], /
    ) -> R | R2 | R3: ...

    @overload
    async def first(self, *futures: DurableFuture[R]) -> R: ...

    async def first(self, *futures: DurableFuture[Any]) -> Any:
        """The result, or the error, of the call that is settled first; the others are canceled, and all that is below
        them (a step that runs in a thread goes on, and its outcome is dropped). Who won is recorded once.

        `future.state` tells who it was: `await ctx.first(answer, late := ctx.sleep(timedelta(days=1)))`, then
        `late.state == "resolved"`.
        """
        if not futures:
            raise TypeError("ctx.first needs the futures of calls: ctx.first(ctx.promise(), ctx.sleep(...))")
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        ended = [(f.settled.settled_at or 0 if f.settled else 0, n) for n, f in enumerate(futures) if f.done()]
        first = min(ended)[1]
        winner = futures[await self._frame.call_leaf(_chosen, (first,), {}, Options(), name="ctx.first")]
        losers = [f for f in futures if f is not winner and not f.operation.is_detached]
        for loser in losers:
            self._frame.activation.cancellation.ask(loser.operation)
        if losers:
            await asyncio.wait(losers)
        return await winner

    def now(self) -> DurableFuture[datetime]:
        """The current time (aware, UTC), recorded once."""
        return self._frame.call_leaf(_now, (self._frame.activation.store,), {}, self._options, name="ctx.now")

    def random(self) -> DurableFuture[float]:
        """A random number in [0, 1), recorded once. Not for secrets."""
        return self._frame.call_leaf(_random, (), {}, self._options, name="ctx.random")

    def uuid4(self) -> DurableFuture[uuid.UUID]:
        """A random UUID, recorded once."""
        return self._frame.call_leaf(_uuid4, (), {}, self._options, name="ctx.uuid4")


def _now(store: "Store") -> datetime:
    return datetime.fromtimestamp(store.now() / 1000, UTC)


def _chosen(number: int) -> int:
    return number


def _random() -> float:
    return random.random()  # noqa: S311


def _uuid4() -> uuid.UUID:
    return uuid.uuid4()
