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

# A body that is still not quiet after so many passes through the queue of ready callbacks never will be.
MOST_PASSES = 100_000


class Loop(asyncio.SelectorEventLoop):
    """An event loop driven in turns by an activation; each thread keeps one and uses it again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.set_task_factory(_numbered_task)  # type: ignore[arg-type]

    @classmethod
    def borrow(cls) -> "Loop":
        """A loop for one activation, until `give_back`: this thread's, unless an activation uses it (a step may run a
        workflow itself)."""
        kept: _Kept | None = getattr(_local, "kept", None)
        found = kept.take() if kept is not None else None
        return found if found is not None and not found.is_closed() else cls()

    def give_back(self) -> None:
        """Keep the loop for this thread's next activation; one that something refuses to leave is closed."""
        kept: _Kept | None = getattr(_local, "kept", None)
        if (kept is None or kept.loop is None) and not asyncio.all_tasks(self):
            _local.kept = _Kept(self)
        else:
            self.close()

    def turn(self, passes: int = MOST_PASSES) -> bool:
        """Run callbacks until none is ready: every body then waits for something outside this thread. False when that
        has not come after so many passes."""
        # The queue of ready handles is asyncio's own, unchanged since Python 3.4; there is no public way to ask whether
        # it is empty. Running them here, without a look at sockets and timers, costs a third of `run_forever`.
        ready = self._ready  # type: ignore[attr-defined]
        asyncio._set_running_loop(self)
        try:
            while ready and passes:
                passes -= 1
                for _ in range(len(ready)):
                    handle = ready.popleft()
                    if not handle.cancelled():
                        handle._run()
        finally:
            asyncio._set_running_loop(None)
        return not ready

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

    def wait(self, seconds: float | None = None) -> None:
        """Block until something calls `stop` (a finished step, another thread by `call_soon_threadsafe`), at most so
        long."""
        timer = None if seconds is None else self.call_later(seconds, self.stop)
        self.run_forever()
        if timer is not None:
            timer.cancel()


class _Kept:
    """A thread's loop between two activations. It is closed when the thread ends; left to the garbage collector, which
    may find its sockets first, it would complain."""

    def __init__(self, loop: Loop) -> None:
        self.loop: Loop | None = loop

    def take(self) -> Loop | None:
        loop, self.loop = self.loop, None
        return loop

    def __del__(self) -> None:
        if self.loop is not None:
            self.loop.close()


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


def is_in_loop() -> bool:
    """Whether an event loop runs in this thread, so that another one cannot."""
    return asyncio._get_running_loop() is not None


def outside_loops(work: Callable[[], None]) -> None:
    """Call it where no event loop runs: here, or in a thread when one does. (What async code has forgotten is put away
    wherever the garbage collector finds it.)"""
    if not is_in_loop():
        work()
        return
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
