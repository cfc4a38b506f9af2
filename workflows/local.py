"""Local mode: run a workflow in this process, with no server, database, broker or Django settings.

The function is the same, to the letter; what is missing is recovery from a crash, since nothing outlives the process.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from promises.records import NewPromise, PromiseRecord
from promises.times import NEVER, now_ms
from workflows import codec
from workflows.declarations import new_schedule
from workflows.executor import execute
from workflows.frames import invocation, root_tags
from workflows.outcomes import result_of
from workflows.registry import Registry, Workflow, registry
from workflows.stores.memory import MemoryStore

R = TypeVar("R")


class Halted(Exception):
    """The execution stopped: it is not deterministic, or it waits for something that nothing here will ever give."""


class Runner:
    """Executes what is due in a memory store, one task after the other; when nothing is, it waits for the next
    deadline.

    `services` are passed to the context; `clock` returns the time in ms since the epoch.
    """

    def __init__(
        self,
        store: MemoryStore | None = None,
        *,
        services: Mapping[str, Any] | None = None,
        functions: Registry = registry,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self.store = store or MemoryStore(clock)
        self.services = services or {}
        self.functions = functions
        self.outcomes: dict[str, str] = {}

    def start(
        self,
        function: Workflow[..., Any],
        *args: Any,
        id: str | None = None,
        requester: str = "",
        timeout_at: int = NEVER,
        **kwargs: Any,
    ) -> str:
        """Create the execution's promise and task; returns its id."""
        id = id or f"{function.name}-{uuid.uuid4().hex[:12]}"
        tags = root_tags(id, function, requester)
        param = invocation(function.name, function.version, args, kwargs)
        self.store.create(NewPromise(id, timeout_at, param, tags))
        return id

    def schedule(self, id: str, function: Workflow[..., Any], *args: Any, cron: str, time_zone: str = "UTC") -> None:
        """Start the function at each occurrence of `cron` from now on, while this runs; see `workflows.schedule`."""
        self.store.schedule(new_schedule(id, function, args, cron=cron, time_zone=time_zone))

    def step(self) -> bool:
        """Execute every task that is due now. False when there was none."""
        due = self.store.due_tasks()
        for id in due:
            self.outcomes[id] = execute(self.store, id, functions=self.functions, services=self.services)
            if self.outcomes[id] == "halted":
                raise Halted(f"{id} is halted: {self.store.tasks[id].halt_reason}")
        return bool(due)

    def run_until_settled(self, id: str) -> PromiseRecord:
        """Go on until the execution is settled; sleeps take their time. Raises Halted."""
        while True:
            promise = self.store.get(id)
            if promise is None:
                raise KeyError(id)
            if not promise.is_pending:
                return promise
            if not self.step():
                self._wait()

    def _wait(self) -> None:
        seconds = (self.store.next_deadline() - self.store.now()) / 1000
        with self.store.changed:
            if not self.store.due_tasks():
                self.store.changed.wait(min(max(seconds, 0.001), 1.0))


def run(
    fn: Workflow[..., R],
    *args: Any,
    id: str | None = None,
    requester: str = "",
    services: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> R:
    """Run a workflow to its end and return its result; an error it ends with is raised as itself. `services` are
    given to its context: `{"approvals": Humans()}` from `approvals.testing` answers its approvals.

    Errors: what the workflow raises; Halted.
    """
    runner = Runner(services=services)
    promise = runner.run_until_settled(runner.start(fn, *args, id=id, requester=requester, **kwargs))
    result: R = result_of(promise, codec.result_type(fn.fn))
    return result


async def arun(fn: Workflow[..., R], *args: Any, **kwargs: Any) -> R:
    """`run`, for callers that are async themselves: the workflow runs in a thread."""
    return await asyncio.to_thread(run, fn, *args, **kwargs)
