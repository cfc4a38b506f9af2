"""The event loop that a workflow body runs on: it can say when nothing more will happen by itself, and it gives every
asyncio task that a body starts its own numbering, so that ids do not depend on which task happens to run first."""

import asyncio
import contextvars
import threading
from collections.abc import Coroutine
from typing import Any

from workflows.strands import CURRENT

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

    def wait(self) -> None:
        """Block until something calls `stop` (a finished step, a timer, another thread by `call_soon_threadsafe`)."""
        self.run_forever()


def _numbered_task(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **kwargs: Any
) -> "asyncio.Task[Any]":
    strand = CURRENT.get()
    if strand is not None and kwargs.get("context") is None:
        context = contextvars.copy_context()
        context.run(CURRENT.set, strand.fork())
        kwargs["context"] = context
    return asyncio.Task(coro, loop=loop, **kwargs)
