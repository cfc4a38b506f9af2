"""What happens to approvals, live: an event stream (SSE) for everybody who has a page open.

One database connection per process hears of events (NOTIFY on `countersign_approvals`, sent in the
transaction that makes them) and they are handed to the clients in memory. An event only says what to look at;
the page asks for it as usual.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.db import Error, close_old_connections
from django.http import HttpRequest, parse_cookie

CHANNEL = "countersign_approvals"
PATH = "/events/"
PING_SECONDS = 15
# A client that has this many events unsent is too slow; it is dropped, and comes back by itself.
BACKLOG = 64
# A stream ends after this long and the browser opens it again, so that a session that has ended is noticed.
STREAM_SECONDS = 900
RETRY_MS = 3000

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Sent when events may have been missed: the page loads afresh what it shows.
REFRESH = b"event: refresh\ndata: {}\n\n"
PING = b": ping\n\n"


class Client:
    """One open stream."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(BACKLOG)
        self.dropped = asyncio.Event()


class EventStreams:
    """The ASGI application behind `/events/`, and the fan-out to its clients."""

    def __init__(self, threads: Executor) -> None:
        self.threads = threads
        self.clients: set[Client] = set()

    def publish(self, payload: str) -> None:
        """A notification from the database: `{"request": id, "event": "opened" | "decided" | ...}`."""
        self._fan_out(f"event: approval\ndata: {json.dumps(json.loads(payload))}\n\n".encode())

    def refresh(self) -> None:
        """Notifications may have been missed."""
        self._fan_out(REFRESH)

    def _fan_out(self, event: bytes) -> None:
        for client in self.clients:
            try:
                client.queue.put_nowait(event)
            except asyncio.QueueFull:
                client.dropped.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await _refuse(send, 405, "MethodNotAllowed", "Only GET is allowed here.")
            return
        cookies = dict(scope["headers"]).get(b"cookie", b"").decode("latin-1")
        try:
            is_known = await asyncio.get_running_loop().run_in_executor(self.threads, _is_signed_in, cookies)
        except Error:
            await _refuse(send, 503, "ServiceUnavailable", "The database cannot be reached at the moment.")
            return
        if not is_known:
            await _refuse(send, 401, "NotAuthenticated", "Sign in to receive events.")
            return
        await self._stream(receive, send)

    async def _stream(self, receive: Receive, send: Send) -> None:
        """Send events until the client goes, is too slow, or has to prove its session again."""
        client = Client()
        self.clients.add(client)
        tasks = {
            asyncio.ensure_future(_send_events(client, send)),
            asyncio.ensure_future(_until_gone(receive)),
            asyncio.ensure_future(client.dropped.wait()),
        }
        try:
            await asyncio.wait(tasks, timeout=STREAM_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.clients.discard(client)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def is_signed_in(cookies: str) -> bool:
    """Whether the Cookie header belongs to the session of an active user. Asks the database."""
    key = parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME)
    if not key:
        return False
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    return get_user(request).is_authenticated


def _is_signed_in(cookies: str) -> bool:
    """The same in a thread of the pool, whose connection may have been lost since it was last used."""
    close_old_connections()
    try:
        return is_signed_in(cookies)
    finally:
        close_old_connections()


async def _send_events(client: Client, send: Send) -> None:
    headers = [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await _send_piece(send, f"retry: {RETRY_MS}\n: open\n\n".encode())
    while True:
        try:
            async with asyncio.timeout(PING_SECONDS):  # wait_for may swallow a cancellation before Python 3.12
                event = await client.queue.get()
        except TimeoutError:
            event = PING
        await _send_piece(send, event)


async def _send_piece(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _refuse(send: Send, status: int, code: str, detail: str) -> None:
    problem = {
        "type": f"urn:countersign:problem:{code}",
        "title": code,
        "status": status,
        "detail": detail,
        "code": code,
    }
    headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(problem).encode(), "more_body": False})
