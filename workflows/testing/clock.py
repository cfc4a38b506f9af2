"""Virtual time, for tests that are sync or async."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from promises.times import NEVER
from workflows.durations import duration_of
from workflows.loop import is_in_loop

if TYPE_CHECKING:
    from workflows.local import Runner

START = datetime.fromisoformat("2026-01-05T09:00:00+00:00")


@dataclass
class Time:
    """The time of a store, in ms since the epoch. (It does not know the clock that moves it: a playground that is
    forgotten is gone at once, and puts away what it was at.)"""

    now: int

    def __call__(self) -> int:
        return self.now


class Clock:
    """Stands still until it is told to go on; what the runner has to do on the way is done at its time."""

    def __init__(self, time: Time, runner: "Runner") -> None:
        self._time = time
        self._runner = runner

    @property
    def now(self) -> int:
        """The time, in ms since the epoch."""
        return self._time.now

    @now.setter
    def now(self, now: int) -> None:
        self._time.now = now

    @property
    def moment(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.fromtimestamp(self.now / 1000, UTC)

    def advance(self, duration: timedelta | str) -> Awaitable[None]:
        """Let time pass ("25h", "90s", "1d"): every deadline, timer and attempt on the way comes at its moment, and
        what it wakes runs. Async tests await it. Raises Halted."""
        until = self.now + int(duration_of(duration).total_seconds() * 1000)
        return done_or_awaitable(lambda: self._pass(until))

    def jump(self) -> bool:
        """Let time pass up to the next moment at which something happens by itself. False when there is none."""
        at = self._runner.next_moment()
        if at >= NEVER:
            return False
        self.now = max(self.now, at)
        return True

    def _pass(self, until: int) -> None:
        self._runner.work()
        while self._runner.next_moment() <= until:
            self.jump()
            self._runner.work()
        self.now = until


def done_or_awaitable(work: Callable[[], None]) -> Awaitable[None]:
    """Do it; in async code, once it is awaited, and in a thread, since an event loop runs here already."""
    if is_in_loop():
        return asyncio.to_thread(work)
    work()
    return _Done()


class _Done:
    def __await__(self) -> Generator[None, None, None]:
        yield from ()
