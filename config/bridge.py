"""Serves a WSGI application from an event loop: bodies are limited, views run in threads, waiting requests
hold none.

Django's synchronous views are four times faster as WSGI in a thread than under its ASGI handler. A short
answer crosses from the thread to the loop once, whole; one without a length, or a long one, is passed on
piece by piece.
"""

import asyncio
import io
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from promises.error_views import MACHINE_PREFIXES, too_large_page
from promises.parking import ParkingLot, parked_promise, wait_replaced, wait_seconds

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[str, str]]

WHOLE_ANSWER = 256 * 1024  # bytes
DRAIN_LIMIT = 16 * 1024 * 1024
DRAIN_SECONDS = 10
PAGE_POLICY = "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"


class ClientGone(Exception):
    """The caller closed the connection."""


class BodyTooLarge(Exception):
    """The body is larger than the limit."""


class Answer:
    """What the application answered; `body` is None when the answer has been sent already, piece by piece."""

    def __init__(self, status: int, headers: Headers, body: bytes | None) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Bridge:
    """An ASGI application around a WSGI one."""

    def __init__(
        self,
        application: Callable[..., Iterable[bytes]],
        *,
        threads: int,
        body_limit: Callable[[str], int],
        lot: ParkingLot,
    ) -> None:
        self.application = application
        self.body_limit = body_limit
        self.lot = lot
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="web")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._read(scope, receive)
        except ClientGone:
            return
        except BodyTooLarge:
            loop = asyncio.get_running_loop()
            limit = self.body_limit(scope["path"])
            await send_answer(send, await loop.run_in_executor(self.pool, too_large, scope, limit))
            await drain(receive)
            return
        query = scope["query_string"].decode("latin-1")
        deadline = time.monotonic() + wait_seconds(query)
        while True:
            asked_at = time.monotonic()
            answer = await self._ask({**scope, "query_string": query.encode("latin-1")}, body, send)
            promise = parked_promise(answer.headers)
            if answer.body is None:
                return
            if promise is None or asked_at >= deadline:
                await send_answer(send, answer)
                return
            if not await self._park(promise, receive, since=asked_at, seconds=deadline - time.monotonic()):
                return
            query = wait_replaced(query, deadline - time.monotonic())

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body; BodyTooLarge as soon as it is known to be over the limit."""
        limit = self.body_limit(scope["path"])
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > limit:
                raise BodyTooLarge
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            body += message.get("body", b"")
            if len(body) > limit:
                raise BodyTooLarge
            if not message.get("more_body", False):
                return bytes(body)

    async def _ask(self, scope: Scope, body: bytes, send: Send) -> Answer:
        """Call the application once, in a thread."""
        loop = asyncio.get_running_loop()

        def send_now(message: dict[str, Any]) -> None:
            asyncio.run_coroutine_threadsafe(as_coroutine(send(message)), loop).result()

        return await loop.run_in_executor(self.pool, self._call, environ_build(scope, body), send_now)

    def _call(self, environ: dict[str, Any], send_now: Callable[[dict[str, Any]], None]) -> Answer:
        """In a thread: the whole answer, or, when that is long, its pieces sent from here."""
        started: list[tuple[int, Headers]] = []

        def start_response(status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], None]:
            started[:] = [(int(status.split(" ", 1)[0]), headers)]
            return _write_unsupported

        pieces = self.application(environ, start_response)
        try:
            return _answer(started, pieces, send_now)
        finally:
            if close := getattr(pieces, "close", None):
                close()

    async def _park(self, promise: str, receive: Receive, *, since: float, seconds: float) -> bool:
        """Wait for the promise or the deadline; False when the caller has gone."""
        waiting = asyncio.ensure_future(self.lot.wait(promise, since=since, seconds=seconds))
        gone = asyncio.ensure_future(until_gone(receive))
        try:
            await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
            return not gone.done()
        finally:
            waiting.cancel()
            gone.cancel()
            await asyncio.gather(waiting, gone, return_exceptions=True)


def _answer(
    started: list[tuple[int, Headers]], pieces: Iterable[bytes], send_now: Callable[[dict[str, Any]], None]
) -> Answer:
    iterator = iter(pieces)
    first = next(iterator, b"")
    status, headers = started[0]
    length = next((value for name, value in headers if name.lower() == "content-length"), None)
    is_empty = status in (204, 304)
    if is_empty or isinstance(pieces, list | tuple) or (length is not None and int(length) <= WHOLE_ANSWER):
        return Answer(status, headers, b"".join([first, *iterator]))
    send_now({"type": "http.response.start", "status": status, "headers": encoded(headers)})
    send_now({"type": "http.response.body", "body": first, "more_body": True})
    for piece in iterator:
        send_now({"type": "http.response.body", "body": piece, "more_body": True})
    send_now({"type": "http.response.body", "body": b"", "more_body": False})
    return Answer(status, headers, None)


def environ_build(scope: Scope, body: bytes) -> dict[str, Any]:
    """The WSGI environment of a request (PEP 3333: text is bytes read as latin-1)."""
    server_host, server_port = scope.get("server") or ("localhost", 80)
    raw = scope.get("raw_path")
    path = unquote_to_bytes(raw.split(b"?", 1)[0]) if raw else scope["path"].encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope.get("root_path", "").encode().decode("latin-1"),
        "PATH_INFO": path.decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server_host,
        "SERVER_PORT": str(server_port or 0),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "countersign.park": True,
    }
    if client := scope.get("client"):
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
    environ.update(environ_headers(scope["headers"]))
    return environ


def environ_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers as WSGI names them. A name with an underscore could pass for another one, so it is left out."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if "_" in name or name in ("content-length", "transfer-encoding"):
            continue
        key = "CONTENT_TYPE" if name == "content-type" else "HTTP_" + name.upper().replace("-", "_")
        separator = "; " if name == "cookie" else ","
        found[key] = f"{found[key]}{separator}{value}" if key in found else value
    return found


def too_large(scope: Scope, limit: int) -> Answer:
    """413 as a problem document for machines' addresses, as a page for people's."""
    headers = [("connection", "close"), ("cache-control", "no-store"), ("x-content-type-options", "nosniff")]
    if not scope["path"].startswith(MACHINE_PREFIXES):
        headers += [("content-type", "text/html; charset=utf-8"), ("content-security-policy", PAGE_POLICY)]
        return Answer(413, headers, too_large_page().encode())
    problem = {
        "type": "urn:countersign:problem:PayloadTooLarge",
        "title": HTTPStatus.REQUEST_ENTITY_TOO_LARGE.phrase,
        "status": 413,
        "detail": f"The body is larger than the {limit:,} bytes that this server accepts.",
        "code": "PayloadTooLarge",
        "instance": scope["path"],
    }
    return Answer(413, [("content-type", "application/problem+json"), *headers], json.dumps(problem).encode())


async def send_answer(send: Send, answer: Answer) -> None:
    """Send a whole answer."""
    headers = encoded([pair for pair in answer.headers if pair[0].lower() != "x-park"])
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body or b"", "more_body": False})


async def drain(receive: Receive) -> None:
    """Read and forget some of a refused body, so that the caller comes to read the answer instead of a
    broken pipe."""
    seen = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while seen < DRAIN_LIMIT:
                message = await receive()
                seen += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


async def until_gone(receive: Receive) -> None:
    """Return when the caller closes the connection."""
    while (await receive())["type"] != "http.disconnect":
        continue


async def as_coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable


def encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _write_unsupported(data: bytes) -> None:
    raise RuntimeError("This server takes a WSGI response's iterable; Django never uses write().")
