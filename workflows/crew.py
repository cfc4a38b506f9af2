"""The threads that carry on the executions of a runner: the caller's own, and helpers for what can go on at the same
time."""

import contextvars
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from workflows.replay import Progress

if TYPE_CHECKING:
    from workflows.local import Runner

T = TypeVar("T")

MOST_THREADS = 8
LONGEST_WAIT = 1.0  # seconds; a clock that is set meanwhile is noticed then


class Crew:
    """Works for one call of `work_until`. What waits for the caller alone is left to it, so a lone execution stays on
    the caller's thread; one helper more than there is work for keeps watch, so that nothing waits for a long step of
    something else."""

    def __init__(self, runner: "Runner") -> None:
        self.runner = runner
        self.changed = runner.store.changed
        self.helpers = 0
        self.watching = 0  # helpers without work
        self.callers: str | None = None  # the execution that the caller carries on
        self.is_over = False
        self.failure: BaseException | None = None

    def work_until(self, found: Callable[[], T | None]) -> T:
        """Carry on whatever can go on until `found` finds something, and return that. Raises what helpers raise."""
        try:
            while True:
                with self.changed:
                    if self.failure is not None:
                        raise self.failure
                    if (result := found()) is not None:
                        return result
                    self.callers = None
                    work = self._claim(self.runner.ready())
                    if work is None:
                        self._wait()
                        continue
                    self.callers = work[0]
                self.runner.carry_on(*work)
        finally:
            with self.changed:
                self.is_over = True
                self.changed.notify_all()

    def _help(self) -> None:
        try:
            while work := self._next():
                self.runner.carry_on(*work)
        except BaseException as error:
            with self.changed:
                self.failure = error
                self.changed.notify_all()

    def _next(self) -> tuple[str, Progress] | None:
        """What a helper does next; None once it is over."""
        with self.changed:
            while not self.is_over:
                work = self._claim(self._left_by_the_caller())
                if work is not None:
                    return work
                self.watching += 1
                self._wait()
                self.watching -= 1
        return None

    def _left_by_the_caller(self) -> list[str]:
        """What is ready, but for what the caller takes: the first, when it is free, or again the one it is at."""
        ready = self.runner.ready()
        return ready[1:] if self.callers is None else [id for id in ready if id != self.callers]

    def _claim(self, ready: list[str]) -> tuple[str, Progress] | None:
        for id in ready:
            progress = self.runner.claim(id)
            if progress is not None:
                self._call_a_helper()
                return id, progress
        return None

    def _call_a_helper(self) -> None:
        if not self.watching and self.helpers < MOST_THREADS - 1:
            self.helpers += 1
            run = contextvars.copy_context().run
            threading.Thread(target=run, args=(self._help,), name="local-mode", daemon=True).start()

    def _wait(self) -> None:
        seconds = (self.runner.next_moment() - self.runner.store.now()) / 1000
        self.changed.wait(min(max(seconds, 0.001), LONGEST_WAIT))
