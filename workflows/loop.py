"""The event loop that a workflow body runs on: it can say when nothing more will happen by itself, it gives every
asyncio task that a body starts its own numbering, so that ids do not depend on which task happens to run first, and it
refuses a body what no record would bring back: timers of its own, and threads."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from workflows.strands import CURRENT

Args = TypeVarTuple("Args")
R = TypeVar("R")

_local = threading.local()


class Loop(asyncio.SelectorEventLoop):
    """An event loop driven in turns by an activation; each thread keeps one and uses it again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.set_task_factory(_numbered_task)  # type: ignore[arg-type]

    @classmethod
    def borrow(cls) -> "Loop":
        """A loop for one activation, until `give_back`: this thread's, unless an activation uses it (a step may run a
        workflow itself)."""
        found: Loop | None = getattr(_local, "loop", None)
        _local.loop = None
        return found if found is not None and not found.is_closed() else cls()

    def give_back(self) -> None:
        """Keep the loop for this thread's next activation; one that something refuses to leave is closed."""
        if getattr(_local, "loop", None) is None and not asyncio.all_tasks(self):
            _local.loop = self
        else:
            self.close()

    def __del__(self) -> None:
        # Its thread has ended. asyncio's own version warns.
        if not self.is_closed():
            self.close()

    def turn(self) -> None:
        """Run callbacks until none is ready: every body then waits for something outside this thread."""
        # The queue of ready handles is asyncio's own, unchanged since Python 3.4; there is no public way to ask whether
        # it is empty. Running them here, without a look at sockets and timers, costs a third of `run_forever`.
        ready = self._ready  # type: ignore[attr-defined]
        asyncio._set_running_loop(self)
        try:
            while ready:
                handle = ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio._set_running_loop(None)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Args], object],
        *args: *Args,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Set a timer; `call_later`, asyncio.sleep and asyncio.timeout come here, too."""
        _refuse_to_bodies(
            "sets a timer of the event loop (asyncio.sleep, asyncio.timeout, asyncio.wait_for), which a restart would "
            "forget. Use ctx.sleep, ctx.first or ctx.options(timeout=...)."
        )
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Args], R], *args: *Args) -> asyncio.Future[R]:
        """Call a function in a thread; asyncio.to_thread and asgiref's sync_to_async come here, too."""
        _refuse_to_bodies(
            "hands work to a thread (asyncio.to_thread, sync_to_async, the async ORM), of which nothing is recorded. "
            "Do it in a step: ctx.run."
        )
        return super().run_in_executor(executor, func, *args)

    def wait(self) -> None:
        """Block until something calls `stop` (a finished step, a timer, another thread by `call_soon_threadsafe`)."""
        self.run_forever()


def _refuse_to_bodies(what: str) -> None:
    """Raises NonDurableAwait when it is a workflow body whose code asks (steps and the engine may)."""
    strand = CURRENT.get()
    if strand is not None:
        raise strand.frame.activation.non_durable(what)


def _numbered_task(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **kwargs: Any
) -> "asyncio.Task[Any]":
    strand = CURRENT.get()
    if strand is not None and kwargs.get("context") is None:
        context = contextvars.copy_context()
        context.run(CURRENT.set, strand.fork())
        kwargs["context"] = context
    return asyncio.Task(coro, loop=loop, **kwargs)
