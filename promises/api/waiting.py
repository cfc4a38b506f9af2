"""`?wait=30s`: the answer comes when the promise settles or the time is over, whichever is first.

A server that can hold a request without a thread says so by `countersign.park` in the WSGI environment: it gets an
answer marked `X-Park`, keeps it to itself, and asks again when the promise has settled. Elsewhere the view sleeps
and looks again.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from rest_framework.request import Request
from rest_framework.response import Response

from promises import store
from promises.errors import PromiseError
from promises.times import now_ms

Found = TypeVar("Found")

NOTIFY_SETTLED = "notify:settled"
FIRST_NAP, LONGEST_NAP = 0.05, 0.5  # seconds


def respond_settled(
    request: Request,
    *,
    promise_id: str,
    wait: int,
    look: Callable[[int], Found],
    is_over: Callable[[Found], bool],
    respond: Callable[[Found], Response],
) -> Response:
    """Respond with what `look(now)` finds once it `is_over`, or after `wait` ms. `promise_id` is what settles with
    it."""
    found = look(now_ms())
    if is_over(found) or wait <= 0:
        return respond(found)
    if _is_parked(request, promise_id):
        # Registered before this look, so that a settlement in between is either seen now or told.
        found = look(now_ms())
        response = respond(found)
        if not is_over(found):
            response.headers["X-Park"] = f"promise:{promise_id}"
        return response
    return respond(_poll(found, wait, look, is_over))


def _is_parked(request: Request, promise_id: str) -> bool:
    """Whether the server holds requests, and will be told when this promise settles. Steps inside an execution
    tell nobody."""
    environ: dict[str, Any] = request.META
    if not (environ.get("countersign.park") and promise_id.isascii() and promise_id.isprintable()):
        return False
    try:
        store.promise_register_listener(promise_id, NOTIFY_SETTLED, now=now_ms())
    except PromiseError:
        return False
    return True


def _poll(found: Found, wait: int, look: Callable[[int], Found], is_over: Callable[[Found], bool]) -> Found:
    until = time.monotonic() + wait / 1000
    nap = FIRST_NAP
    while not is_over(found) and (left := until - time.monotonic()) > 0:
        time.sleep(min(nap, left))
        nap = min(nap * 1.5, LONGEST_NAP)
        found = look(now_ms())
    return found
