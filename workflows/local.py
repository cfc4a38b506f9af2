"""Local mode: run a workflow in this process, with no server, database, broker or Django settings.

The function is the same, to the letter; what is missing is recovery from a crash, since nothing outlives the process.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from promises.records import NewPromise, PromiseRecord
from promises.times import NEVER, now_ms
from workflows import codec
from workflows.crew import Crew
from workflows.declarations import new_schedule
from workflows.executor import carry_on
from workflows.frames import invocation, root_tags
from workflows.loop import is_in_loop
from workflows.observing import Observer
from workflows.outcomes import result_of
from workflows.registry import Registry, Workflow, registry
from workflows.replay import Progress
from workflows.stores.memory import MemoryStore
from workflows.strands import check_id

R = TypeVar("R")


class Halted(Exception):
    """The execution stopped: it is not deterministic, or asks for what there is not; the message says why."""


class Runner:
    """Carries on the executions in a memory store, wherever one can go on.

    `services` are passed to the context; `clock` returns the time in ms since the epoch.
    """

    def __init__(
        self,
        store: MemoryStore | None = None,
        *,
        services: Mapping[str, Any] | None = None,
        functions: Registry = registry,
        clock: Callable[[], int] = now_ms,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.store = store or MemoryStore(clock)
        self.services = {} if services is None else services
        self.functions = functions
        self.observers = observers
        self.outcomes: list[str] = []  # what became of each activation, in order
        self._between: dict[str, tuple[int, Progress]] = {}  # between two attempts at a step, and until when

    def start(
        self,
        function: Workflow[..., Any],
        *args: Any,
        id: str | None = None,
        requester: str = "",
        timeout_at: int = NEVER,
        **kwargs: Any,
    ) -> str:
        """Create the execution's promise and task; returns its id. Nothing runs yet. Errors: InvalidId."""
        return self.create(function, args, kwargs, id=id, requester=requester, timeout_at=timeout_at)

    def create(
        self,
        function: Workflow[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        id: str | None = None,
        requester: str = "",
        timeout_at: int = NEVER,
    ) -> str:
        """`start`, with the arguments apart from the options."""
        id = check_id(id or f"{function.name}-{uuid.uuid4().hex[:12]}")
        tags = root_tags(id, function, requester)
        param = invocation(function.name, function.version, args, kwargs)
        self.store.create(NewPromise(id, timeout_at, param, tags))
        return id

    def schedule(self, id: str, function: Workflow[..., Any], *args: Any, cron: str, time_zone: str = "UTC") -> None:
        """Start the function at each occurrence of `cron` from now on, while this runs; see `workflows.schedule`."""
        self.store.schedule(new_schedule(id, function, args, cron=cron, time_zone=time_zone))

    def promise(self, id: str) -> PromiseRecord:
        """The promise as it is now. Raises KeyError."""
        promise = self.store.get(id)
        if promise is None:
            raise KeyError(id)
        return promise

    def ready(self) -> list[str]:
        """The executions that can go on now."""
        with self.store.changed:
            now = self.store.now()
            again = [id for id, (at, _) in self._between.items() if at <= now]
            return again + self.store.due_tasks()

    def next_moment(self) -> int:
        """When the next one can go on by itself, or a deadline passes (ms; NEVER when nothing has one)."""
        with self.store.changed:
            return min([self.store.next_deadline(), *(at for at, _ in self._between.values())])

    def claim(self, id: str) -> Progress | None:
        """The right to carry this execution on; None when another thread has it."""
        if is_in_loop():
            raise RuntimeError(
                "An event loop runs in this thread, and workflows run on one of their own: await local.arun(), or the "
                "playground's arun(), work() and clock.advance()."
            )
        with self.store.changed:
            if id in self._between:
                return self._between.pop(id)[1]
            acquired = self.store.acquire(id)
        if acquired is None:
            return None
        return carry_on(
            self.store, acquired, functions=self.functions, services=self.services, observers=self.observers
        )

    def carry_on(self, id: str, progress: Progress) -> None:
        """Run it as far as it goes now. Raises Halted."""
        try:
            at = next(progress)
        except StopIteration as end:
            self.outcomes.append(end.value)
            if end.value == "halted":
                raise Halted(f"{id} is halted: {self.store.tasks[id].halt_reason}") from None
        else:
            with self.store.changed:
                self._between[id] = at, progress
                self.store.changed.notify_all()

    def step(self) -> bool:
        """Carry on all that can go on now, one after the other. False when nothing could. Raises Halted."""
        ready = self.ready()
        for id in ready:
            progress = self.claim(id)
            if progress is not None:
                self.carry_on(id, progress)
        return bool(ready)

    def work(self) -> None:
        """Carry on all that can go on, until nothing can. Raises Halted."""
        while self.step():
            pass

    def forget(self) -> None:
        """Let go of what waits for another attempt, as a process that dies does."""
        between, self._between = self._between, {}
        for _, progress in between.values():
            progress.close()

    def run_until_settled(self, id: str) -> PromiseRecord:
        """Go on until the execution is settled; sleeps take their time. What can go on at the same time does so in
        threads; the steps of a lone execution run in this one. Raises Halted."""
        return Crew(self).work_until(lambda: None if (promise := self.promise(id)).is_pending else promise)

    def run_until_idle(self) -> None:
        """Go on until nothing here goes on by itself: all has ended, or waits for somebody outside without a deadline.
        Raises Halted."""
        Crew(self).work_until(lambda: True if self.store.is_idle() else None)


def run(
    fn: Workflow[..., R],
    *args: Any,
    id: str | None = None,
    requester: str = "",
    timeout: timedelta | None = None,
    services: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> R:
    """Run a workflow to its end, and what it has detached, and return its result; an error it ends with is raised as
    itself. Without `timeout` it has no deadline. `services` are given to its context: `{"approvals": Humans()}` from
    `approvals.testing` answers its approvals.

    Errors: what the workflow raises; PromiseTimeout; Halted.
    """
    runner = Runner(services=services)
    id = runner.start(fn, *args, id=id, requester=requester, timeout_at=deadline(timeout), **kwargs)
    try:
        promise = runner.run_until_settled(id)
        runner.run_until_idle()
    finally:
        runner.forget()
    result: R = result_of(promise, codec.result_type(fn.fn))
    return result


async def arun(fn: Workflow[..., R], *args: Any, **kwargs: Any) -> R:
    """`run`, for callers that are async themselves: the workflow runs in a thread."""
    return await asyncio.to_thread(run, fn, *args, **kwargs)


def deadline(timeout: timedelta | None) -> int:
    """The moment (ms) at which this time is over."""
    return NEVER if timeout is None else min(now_ms() + int(timeout.total_seconds() * 1000), NEVER)
