"""The event stream of approvals: who may listen, what is heard, and what becomes of a slow client."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

from approvals import events
from promises.listening import Listening, connection_parameters

Message = dict[str, Any]
OPENED = json.dumps({"request": "r1", "event": "opened"})


class Listener:
    """A browser's side of the stream."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.gone = asyncio.Event()
        self.stuck = asyncio.Event()
        self.stuck.set()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.stuck.wait()
        self.sent.append(message)

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    async def wait_for(self, text: str) -> None:
        async with asyncio.timeout(10):
            while text not in self.text:
                await asyncio.sleep(0.01)


def scope_for(cookie: str = "", method: str = "GET") -> Message:
    return {"type": "http", "method": method, "path": "/events/", "headers": [(b"cookie", cookie.encode())]}


def play(scenario: Callable[[events.EventStreams], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        with ThreadPoolExecutor(1) as threads:
            await asyncio.wait_for(scenario(events.EventStreams(threads)), 20)

    asyncio.run(run())


@pytest.fixture
def everybody_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "is_signed_in", lambda cookies: True)


def test_a_stranger_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "is_signed_in", lambda cookies: False)

    async def scenario(streams: events.EventStreams) -> None:
        listener = Listener()
        await streams(scope_for(), listener.receive, listener.send)
        assert listener.sent[0]["status"] == 401
        assert json.loads(listener.text)["code"] == "NotAuthenticated"

    play(scenario)


def test_only_get_is_allowed(everybody_signed_in: None):
    async def scenario(streams: events.EventStreams) -> None:
        listener = Listener()
        await streams(scope_for(method="POST"), listener.receive, listener.send)
        assert listener.sent[0]["status"] == 405

    play(scenario)


def test_every_listener_hears_an_event(everybody_signed_in: None):
    async def scenario(streams: events.EventStreams) -> None:
        listeners = [Listener() for _ in range(3)]
        tasks = [asyncio.create_task(streams(scope_for(), who.receive, who.send)) for who in listeners]
        for listener in listeners:
            await listener.wait_for(": open")
        streams.publish(OPENED)
        for listener in listeners:
            await listener.wait_for('event: approval\ndata: {"request": "r1", "event": "opened"}\n\n')
            listener.gone.set()
        await asyncio.gather(*tasks)
        assert streams.clients == set()

    play(scenario)


def test_a_quiet_stream_is_kept_open_by_comments(everybody_signed_in: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "PING_SECONDS", 0.05)

    async def scenario(streams: events.EventStreams) -> None:
        listener = Listener()
        task = asyncio.create_task(streams(scope_for(), listener.receive, listener.send))
        await listener.wait_for(": ping\n\n: ping\n\n")
        listener.gone.set()
        await task

    play(scenario)


def test_a_client_that_does_not_read_is_dropped_and_the_others_are_not(everybody_signed_in: None):
    async def scenario(streams: events.EventStreams) -> None:
        slow, quick = Listener(), Listener()
        tasks = [asyncio.create_task(streams(scope_for(), who.receive, who.send)) for who in (slow, quick)]
        await slow.wait_for(": open")
        await quick.wait_for(": open")
        slow.stuck.clear()
        for _ in range(events.BACKLOG + 2):
            streams.publish(OPENED)
            await asyncio.sleep(0)
        await asyncio.wait_for(tasks[0], 5)
        assert not tasks[1].done()
        quick.gone.set()
        await tasks[1]

    play(scenario)


def test_a_stream_ends_so_that_the_session_is_looked_at_again(
    everybody_signed_in: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(events, "STREAM_SECONDS", 0.1)

    async def scenario(streams: events.EventStreams) -> None:
        listener = Listener()
        await streams(scope_for(), listener.receive, listener.send)
        assert streams.clients == set()

    play(scenario)


@pytest.mark.django_db
def test_only_the_session_of_an_active_user_counts(client: Client):
    user = get_user_model().objects.create_user("ana")
    client.force_login(user)
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    assert events.is_signed_in(cookie)
    assert not events.is_signed_in("")
    assert not events.is_signed_in("sessionid=" + "a" * 32)
    user.is_active = False
    user.save()
    assert not events.is_signed_in(cookie)


@pytest.mark.django_db(transaction=True)
def test_listening_survives_the_loss_of_its_connection():
    heard: list[str] = []
    connected: list[None] = []

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not condition():
                await asyncio.sleep(0.02)

    async def scenario() -> None:
        listening = asyncio.create_task(Listening({"t_one": heard.append}, lambda: connected.append(None)).run())
        await until(lambda: len(connected) == 1)
        async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as other:
            await other.execute("select pg_notify('t_one', 'first')")
            await until(lambda: heard == ["first"])
            await other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where query like 'LISTEN%t_one%' and datname = current_database()"
            )
            await until(lambda: len(connected) == 2)
            await other.execute("select pg_notify('t_one', 'second')")
            await until(lambda: heard == ["first", "second"])
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    connection.ensure_connection()
    parameters = connection_parameters()
    asyncio.run(scenario())
