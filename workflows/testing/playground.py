"""Local mode on a virtual clock: nothing waits, and what a test wants to know can be asked."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from promises.records import PromiseRecord, TaskRecord
from promises.states import TaskState
from promises.times import NEVER, to_ms
from promises.values import Value
from workflows import codec
from workflows.histories import History
from workflows.local import Runner
from workflows.outcomes import result_of
from workflows.registry import Workflow
from workflows.steps import name_of
from workflows.stores.memory import MemoryStore
from workflows.testing.clock import START, Clock, Time, done_or_awaitable
from workflows.testing.probe import Probe
from workflows.tree import call_tree

R = TypeVar("R")


class Stuck(AssertionError):
    """The execution waits for something that never comes by itself."""


class Playground:
    """A memory store, a virtual clock that starts at `start` (aware), and a runner that never really waits.

    `services` are given to the contexts. `outside` is called whenever nothing is due any more and before `finish` lets
    time pass: it settles what the outside world would. The execution that a test is about has the id "r" unless another
    is given.
    """

    def __init__(
        self,
        start: datetime = START,
        services: Mapping[str, Any] | None = None,
        outside: "Callable[[Playground], object]" = lambda play: None,
    ) -> None:
        time = Time(to_ms(start))
        self.store = MemoryStore(time)
        self.services: dict[str, Any] = dict(services or {})
        self.outside = outside
        self.probe = Probe()
        self.runner = Runner(self.store, services=self.services, observers=[self.probe])
        self.clock = Clock(time, self.runner)

    # -- running

    def start(self, fn: Workflow[..., Any], *args: Any, id: str = "r", timeout_at: int = NEVER, **kwargs: Any) -> str:
        """Start an execution; returns its id. Nothing runs yet."""
        return self.runner.start(fn, *args, id=id, timeout_at=timeout_at, **kwargs)

    def schedule(self, id: str, fn: Workflow[..., Any], *args: Any, cron: str, time_zone: str = "UTC") -> None:
        """Start the function at each occurrence of `cron` from now on; the executions are named ID-MILLISECONDS."""
        self.runner.schedule(id, fn, *args, cron=cron, time_zone=time_zone)

    def work(self) -> Awaitable[None]:
        """Execute what is due now, until nothing is. Async tests await it. Raises Halted."""
        return done_or_awaitable(self.runner.work)

    def advance(self, duration: timedelta | str) -> Awaitable[None]:
        """`clock.advance`."""
        return self.clock.advance(duration)

    def finish(self, id: str = "r") -> PromiseRecord:
        """Work, and jump from deadline to deadline, until the execution is settled. Raises Halted; Stuck when it waits
        for something that has no deadline."""
        while True:
            self.runner.work()
            promise = self.promise(id)
            if not promise.is_pending:
                return promise
            self.outside(self)
            if not self.runner.ready() and not self.clock.jump():
                raise Stuck(f"{id} waits for {', '.join(self.pending())}, which has no deadline and nobody settles.")

    def run(self, fn: Workflow[..., R], *args: Any, **kwargs: Any) -> R:
        """The result of a new execution, at once; its error is raised."""
        id = self.start(fn, *args, **kwargs)
        result: R = result_of(self.finish(id), codec.result_type(fn.fn))
        return result

    async def arun(self, fn: Workflow[..., R], *args: Any, **kwargs: Any) -> R:
        """`run`, for async tests."""
        return await asyncio.to_thread(self.run, fn, *args, **kwargs)

    def die(self) -> None:
        """The process dies: what it was doing is lost, and the leases that it held lapse."""
        self.runner.forget()
        for task in self.store.tasks.values():
            if task.state == TaskState.ACQUIRED:
                task.state = TaskState.PENDING

    # -- the outside world

    def settle(self, id: str, value: Any = None, *, state: str = "resolved") -> PromiseRecord:
        """Settle a promise as the outside world would."""
        return self.store.settle(id, state, Value.of(codec.to_json(value)))

    def fail(self, step: str | Callable[..., Any], times: int = 1, *, first: int = 1, error: Exception) -> None:
        """Let a step (a function, its name, or a promise's id) fail with this error, without running, at each call of
        it: `times` attempts, from number `first` on."""
        self.probe.plan(step if isinstance(step, str) else name_of(step), range(first, first + times), error)

    # -- what there is

    def result(self, id: str = "r") -> Any:
        """The result of an execution that has ended, as JSON; its error is raised. Raises Stuck while it is pending."""
        promise = self.promise(id)
        if promise.is_pending:
            raise Stuck(f"{id} is still waiting for {', '.join(self.pending())}.")
        return result_of(promise, Any)

    def promise(self, id: str = "r") -> PromiseRecord:
        """The promise as it is now. Raises KeyError."""
        return self.runner.promise(id)

    def history(self, id: str = "r") -> History:
        """What an execution has recorded so far; see `assert_replays`."""
        below = [self.store.promises[found] for found in sorted(self.store.promises) if found.startswith(f"{id}:")]
        promises = [self.promise(id), *below]
        tasks = {found: TaskRecord(found, task.state, task.version) for found, task in self.store.tasks.items()}
        return History(promises, tasks)

    def ids(self) -> list[str]:
        """All promises but the root `r`, sorted."""
        return sorted(id for id in self.store.promises if id != "r")

    def pending(self) -> list[str]:
        """The promises below the executions that nobody has settled, sorted."""
        return [id for id in sorted(self.store.promises) if ":" in id and self.promise(id).is_pending]

    def funcs(self) -> dict[str, str]:
        """Promise id -> function name, without the root."""
        return {id: self.store.promises[id].func for id in self.ids()}

    def attempts(self, step: str | Callable[..., Any]) -> int:
        """How often a step, given as function or name, was attempted: all its calls, retries and replays together."""
        return self.probe.attempted.count(step if isinstance(step, str) else name_of(step))

    def tree(self, id: str = "r") -> str:
        """The call graph as text: what was called, how it ended, what is still awaited."""
        return "\n".join(call_tree(self.store, id, self.probe.nodes()).lines())

    @property
    def outcomes(self) -> list[str]:
        """What became of each activation so far: "suspended", "fulfilled", "halted"."""
        return self.runner.outcomes

    @property
    def now(self) -> int:
        """The time on the clock (ms)."""
        return self.clock.now

    @now.setter
    def now(self, now: int) -> None:
        self.clock.now = now
