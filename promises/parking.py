"""Requests that wait for a promise without holding a thread (`?wait=30s`).

A view that would have to wait answers at once, marked `X-Park: promise:ID` (see promises/api/waiting.py).
Whoever serves the request keeps that answer to itself, waits here, and then asks the view again with what is
left of the time.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlencode

from promises.api.inputs import MAX_WAIT, duration_ms

CHANNEL = "countersign_settled"
HEADER = "x-park"
PREFIX = "promise:"
# A view looks, answers, and only then do we wait: what was settled this long ago may have fallen in between.
MEMORY_SECONDS = 30.0


class ParkingLot:
    """The waiting requests of one event loop, by promise id."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._settled_at: dict[str, float] = {}

    def __len__(self) -> int:
        return sum(len(events) for events in self._waiting.values())

    def settle_note(self, promise_id: str) -> None:
        """A promise was settled: wake who waits for it, and remember it for who is about to."""
        now = time.monotonic()
        self._settled_at.pop(promise_id, None)
        self._settled_at[promise_id] = now
        self._forget(now)
        for event in self._waiting.get(promise_id, ()):
            event.set()

    def wake_all(self) -> None:
        """Notifications may have been missed: everybody looks again."""
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def wait(self, promise_id: str, *, since: float, seconds: float) -> None:
        """Return when the promise was settled after `since` (monotonic), or after `seconds`."""
        if self._settled_at.get(promise_id, float("-inf")) >= since:
            return
        with self._place(promise_id) as event:
            try:
                async with asyncio.timeout(seconds):
                    await event.wait()
            except TimeoutError:
                return

    @contextmanager
    def _place(self, promise_id: str) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        self._waiting[promise_id].add(event)
        try:
            yield event
        finally:
            self._waiting[promise_id].discard(event)
            if not self._waiting[promise_id]:
                del self._waiting[promise_id]

    def _forget(self, now: float) -> None:
        """Drop what is older than the memory; the dictionary is in order of time."""
        while self._settled_at:
            oldest = next(iter(self._settled_at))
            if now - self._settled_at[oldest] <= MEMORY_SECONDS:
                return
            del self._settled_at[oldest]


def parked_promise(headers: list[tuple[str, str]]) -> str | None:
    """The promise that an answer waits for; None when the answer is meant for the caller."""
    for name, value in headers:
        if name.lower() == HEADER and value.startswith(PREFIX):
            return value.removeprefix(PREFIX)
    return None


def wait_seconds(query: str) -> float:
    """How long the caller is ready to wait; the view has checked that the parameter is well formed."""
    text = dict(parse_qsl(query)).get("wait", "")
    try:
        return min(duration_ms(text), MAX_WAIT) / 1000 if text else 0.0
    except ValueError:
        return 0.0


def wait_replaced(query: str, seconds: float) -> str:
    """The query with the time that is left, in whole milliseconds."""
    pairs = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name != "wait"]
    return urlencode([*pairs, ("wait", f"{max(0, int(seconds * 1000))}ms")])
