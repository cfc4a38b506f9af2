"""The bridge between the event loop and the WSGI application: bodies, answers, long answers, requests that
wait."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from config.bridge import WHOLE_ANSWER, Bridge, environ_build
from promises.parking import ParkingLot

Message = dict[str, Any]


def scope_for(
    path: str = "/", *, query: str = "", method: str = "GET", headers: dict[str, str] | None = None
) -> Message:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("192.0.2.1", 40000),
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
    }


class Caller:
    """One request's side of the conversation: what it sends, and what it has been sent."""

    def __init__(self, *body: bytes) -> None:
        self.pieces = list(body) or [b""]
        self.read = 0
        self.sent: list[Message] = []
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        if self.read < len(self.pieces):
            self.read += 1
            return {
                "type": "http.request",
                "body": self.pieces[self.read - 1],
                "more_body": self.read < len(self.pieces),
            }
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    body = environ["wsgi.input"].read()
    start_response("201 Created", [("Content-Length", str(len(body))), ("X-Path", environ["PATH_INFO"])])
    return [body]


def serve(application: Application, scenario: Callable[[Bridge], Coroutine[Any, Any, None]], limit: int = 100) -> None:
    async def run() -> None:
        bridge = Bridge(
            application,
            threads=2,
            body_limit=lambda path: 10 * limit if path == "/upload/" else limit,
            lot=ParkingLot(),
        )
        try:
            await asyncio.wait_for(scenario(bridge), 20)
        finally:
            bridge.pool.shutdown()

    asyncio.run(run())


def test_a_request_reaches_the_application_and_its_answer_the_caller():
    async def scenario(bridge: Bridge) -> None:
        caller = Caller(b"one ", b"two")
        await bridge(scope_for("/some/", method="POST"), caller.receive, caller.send)
        assert (caller.status, caller.body) == (201, b"one two")
        assert caller.headers[b"x-path"] == b"/some/"

    serve(echo, scenario)


def test_a_declared_body_over_the_limit_is_refused_unread():
    async def scenario(bridge: Bridge) -> None:
        caller = Caller(b"x" * 50, b"x" * 51)
        caller.gone.set()
        scope = scope_for("/api/", method="POST", headers={"content-length": "101"})
        await bridge(scope, caller.receive, caller.send)
        assert caller.status == 413
        assert caller.headers[b"content-type"] == b"application/problem+json"
        assert json.loads(caller.body)["code"] == "PayloadTooLarge"

    serve(echo, scenario)


def test_an_undeclared_body_over_the_limit_is_refused_when_it_gets_there():
    async def scenario(bridge: Bridge) -> None:
        caller = Caller(*[b"x" * 60] * 1000)
        read_at_answer: list[int] = []

        async def send(message: Message) -> None:
            read_at_answer.append(caller.read)
            await caller.send(message)

        await bridge(scope_for(method="POST"), caller.receive, send)
        assert caller.status == 413
        assert read_at_answer[0] == 2

    serve(echo, scenario)


def test_each_path_has_its_own_limit():
    async def scenario(bridge: Bridge) -> None:
        for path, status in [("/upload/", 201), ("/other/", 413)]:
            caller = Caller(b"x" * 101)
            await bridge(scope_for(path, method="POST"), caller.receive, caller.send)
            assert caller.status == status

    serve(echo, scenario)


@pytest.mark.parametrize("path", ["/start/expense/", "/accounts/login/"])
def test_a_person_who_sends_too_much_gets_a_page_of_the_site_and_the_database_is_not_asked(path):
    async def scenario(bridge: Bridge) -> None:
        caller = Caller(b"x" * 101)
        await bridge(scope_for(path, method="POST"), caller.receive, caller.send)
        assert caller.status == 413
        assert caller.headers[b"content-type"].startswith(b"text/html")
        assert b"default-src 'self'" in caller.headers[b"content-security-policy"]
        assert b"That was too large" in caller.body
        assert b"css/app.css" in caller.body

    serve(echo, scenario)  # this test has no database: pytest-django refuses every query


@pytest.mark.parametrize("path", ["/api/promises/", "/callbacks/abc/"])
def test_a_program_that_sends_too_much_gets_a_problem_whatever_it_accepts(path):
    async def scenario(bridge: Bridge) -> None:
        caller = Caller(b"x" * 101)
        await bridge(scope_for(path, method="POST", headers={"accept": "text/html"}), caller.receive, caller.send)
        assert caller.status == 413
        assert caller.headers[b"content-type"] == b"application/problem+json"
        assert json.loads(caller.body)["instance"] == path

    serve(echo, scenario)


def test_a_body_of_exactly_the_limit_is_accepted():
    async def scenario(bridge: Bridge) -> None:
        caller = Caller(b"x" * 100)
        await bridge(scope_for(method="POST"), caller.receive, caller.send)
        assert caller.status == 201

    serve(echo, scenario)


def test_a_long_answer_is_passed_on_in_pieces_and_closed():
    closed = []

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(4):
                yield b"x" * WHOLE_ANSWER

        def close(self) -> None:
            closed.append(True)

    def long(environ: dict[str, Any], start_response: Callable[..., Any]) -> Pieces:
        start_response("200 OK", [("Content-Type", "text/csv")])
        return Pieces()

    async def scenario(bridge: Bridge) -> None:
        caller = Caller()
        await bridge(scope_for(), caller.receive, caller.send)
        assert len(caller.body) == 4 * WHOLE_ANSWER
        assert len(caller.sent) == 6
        assert caller.sent[-1]["more_body"] is False

    serve(long, scenario)
    assert closed == [True]


def waiting(answers: list[str]) -> Application:
    """Parks until `answers` has another word than "pending"; each call notes the query it got."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        state = answers[0]
        parks = state == "pending" and "wait=0ms" not in environ["QUERY_STRING"]
        headers = [("X-Park", "promise:p1")] if parks and environ["countersign.park"] else []
        start_response("200 OK", [*headers, ("Content-Length", str(len(state)))])
        return [state.encode()]

    return application


def test_a_waiting_request_is_answered_when_its_promise_settles():
    answers = ["pending"]

    async def scenario(bridge: Bridge) -> None:
        caller = Caller()
        asking = asyncio.create_task(bridge(scope_for(query="wait=10s"), caller.receive, caller.send))
        while not len(bridge.lot):
            await asyncio.sleep(0.01)
        assert caller.sent == []
        bridge.lot.settle_note("another")
        answers[0] = "resolved"
        bridge.lot.settle_note("p1")
        await asking
        assert caller.body == b"resolved"
        assert b"x-park" not in caller.headers
        assert len(bridge.lot) == 0

    serve(waiting(answers), scenario)


def test_a_waiting_request_is_answered_when_its_time_is_over():
    async def scenario(bridge: Bridge) -> None:
        caller = Caller()
        started = time.monotonic()
        await bridge(scope_for(query="wait=200ms"), caller.receive, caller.send)
        assert caller.body == b"pending"
        assert 0.15 < time.monotonic() - started < 5
        assert b"x-park" not in caller.headers

    serve(waiting(["pending"]), scenario)


def test_waiting_requests_hold_no_thread():
    async def scenario(bridge: Bridge) -> None:
        callers = [Caller() for _ in range(50)]
        scope = scope_for(query="wait=10s")
        tasks = [asyncio.create_task(bridge(scope, caller.receive, caller.send)) for caller in callers]
        while len(bridge.lot) < 50:
            await asyncio.sleep(0.01)
        other = Caller()
        await bridge(scope_for(query="wait=0ms"), other.receive, other.send)
        assert other.status == 200
        for caller in callers:
            caller.gone.set()
        await asyncio.gather(*tasks)
        assert len(bridge.lot) == 0
        assert all(caller.sent == [] for caller in callers)

    serve(waiting(["pending"]), scenario)


def test_a_settlement_between_the_look_and_the_wait_is_not_missed():
    async def scenario() -> None:
        lot = ParkingLot()
        asked_at = time.monotonic()
        lot.settle_note("p1")
        await asyncio.wait_for(lot.wait("p1", since=asked_at, seconds=60), 1)

    asyncio.run(scenario())


def test_after_a_lost_connection_everybody_looks_again():
    async def scenario() -> None:
        lot = ParkingLot()
        waiting = asyncio.create_task(lot.wait("p1", since=time.monotonic(), seconds=60))
        await asyncio.sleep(0)
        lot.wake_all()
        await asyncio.wait_for(waiting, 1)

    asyncio.run(scenario())


def test_a_header_with_an_underscore_cannot_pass_for_another():
    environ = environ_build(scope_for(headers={"x-forwarded-for": "192.0.2.7", "x_forwarded_for": "203.0.113.9"}), b"")
    assert environ["HTTP_X_FORWARDED_FOR"] == "192.0.2.7"


@pytest.mark.parametrize(("raw", "text"), [("/caf%C3%A9/", "/café/"), ("/a%2Fb/", "/a/b/"), ("/%FF/", None)])
def test_paths_arrive_as_bytes_in_latin_1(raw, text):
    environ = environ_build({**scope_for(), "raw_path": raw.encode()}, b"")
    expected = "/\xff/" if text is None else text.encode().decode("latin-1")
    assert environ["PATH_INFO"] == expected
