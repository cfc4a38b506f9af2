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
    """An event loop driven in turns by an activation; one per thread, used again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.set_task_factory(_numbered_task)  # type: ignore[arg-type]

    @classmethod
    def of_this_thread(cls) -> "Loop":
        """This thread's loop; made on first use."""
        found: Loop | None = getattr(_local, "loop", None)
        if found is None or found.is_closed():
            found = _local.loop = cls()
        return found

    def turn(self) -> None:
        """Run callbacks until none is ready: every body then waits for something outside this thread."""
        self.call_soon(self._stop_when_quiet)
        self.run_forever()

    def wait(self) -> None:
        """Block until something calls `stop` (a finished step, a timer, another thread by `call_soon_threadsafe`)."""
        self.run_forever()

    def _stop_when_quiet(self) -> None:
        # The queue of ready handles is asyncio's own, unchanged since Python 3.4; there is no public way to ask
        # whether it is empty.
        if self._ready:  # type: ignore[attr-defined]
            self.call_soon(self._stop_when_quiet)
        else:
            self.stop()


def _numbered_task(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **kwargs: Any
) -> "asyncio.Task[Any]":
    strand = CURRENT.get()
    if strand is not None and kwargs.get("context") is None:
        context = contextvars.copy_context()
        context.run(CURRENT.set, strand.fork())
        kwargs["context"] = context
    return asyncio.Task(coro, loop=loop, **kwargs)
