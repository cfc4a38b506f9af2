"""`/health/`, `/ready/`, and what callers are told while the database is away."""

import json
from collections.abc import Iterator

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client, RequestFactory

from promises import health, outage
from promises.models import Process
from promises.times import now_ms


@pytest.fixture
def database_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every statement fails as it does when the server has gone."""

    def refuse(*args: object) -> None:
        cause = psycopg.OperationalError("connection refused")
        raise OperationalError("connection refused") from cause

    with connection.execute_wrapper(refuse):
        monkeypatch.setattr(connection, "close", lambda: None)
        yield


def alive(kind: str, *, ago_ms: int = 0) -> None:
    now = now_ms()
    Process.objects.create(id=f"{kind}-1", kind=kind, host="here", started_at=now - ago_ms, seen_at=now - ago_ms)


def test_health_asks_nobody(client: Client):
    response = client.get("/health/")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert "no-cache" in response.headers["Cache-Control"]


def test_only_reading_is_allowed(client: Client):
    assert client.post("/health/").status_code == 405
    assert client.post("/ready/").status_code == 405


@pytest.mark.django_db
def test_ready_when_all_four_work(client: Client):
    alive("worker")
    alive("clock")
    response = client.get("/ready/")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "components": {name: {"ok": True} for name in ("database", "broker", "worker", "clock")},
    }


@pytest.mark.django_db
@pytest.mark.parametrize(("missing", "present"), [("worker", "clock"), ("clock", "worker")])
def test_a_missing_process_is_named(client: Client, missing: str, present: str):
    alive(present)
    alive(missing, ago_ms=health.SEEN_WITHIN_MS + 1000)
    response = client.get("/ready/")
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    components = response.json()["components"]
    assert missing in components[missing]["reason"]
    assert components[present] == {"ok": True}


@pytest.mark.django_db
def test_ready_says_that_the_database_is_missing(client: Client, database_away: None):
    response = client.get("/ready/")
    assert response.status_code == 503
    components = response.json()["components"]
    assert components["database"] == {"ok": False, "reason": "The database does not answer."}
    assert components["broker"] == {"ok": True}
    assert "database" in components["worker"]["reason"]


def test_a_broker_that_cannot_be_reached_is_named(settings, monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("kombu.connection.Connection.ensure_connection", refuse)
    with pytest.raises(health.NotReady, match="broker"):
        health.broker_check()


@pytest.mark.django_db
def test_machines_get_a_problem_while_the_database_is_away(client: Client, database_away: None):
    client.raise_request_exception = False
    client.cookies["sessionid"] = "a" * 32
    response = client.get("/api/promises/some-id/")
    assert response.status_code == 503
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Retry-After"]
    assert "Traceback" not in response.content.decode()


@pytest.mark.django_db
def test_people_get_a_page_while_the_database_is_away(client: Client, database_away: None):
    client.raise_request_exception = False
    client.cookies["sessionid"] = "a" * 32
    response = client.get("/admin/")
    assert response.status_code == 503
    assert response.headers["Content-Type"].startswith("text/html")
    assert response.headers["Retry-After"]
    assert "Traceback" not in response.content.decode()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationalError("gone"), True),
        (InterfaceError("closed"), True),
        (ValueError("no"), False),
        (None, False),
    ],
)
def test_what_counts_as_an_outage(error, expected):
    assert outage.is_outage(error) is expected


@pytest.mark.parametrize("cause", [psycopg.errors.DeadlockDetected("x"), psycopg.errors.LockNotAvailable("x")])
def test_a_refused_statement_is_no_outage(cause):
    error = OperationalError("x")
    error.__cause__ = cause
    assert not outage.is_outage(error)


def test_a_shutdown_is_an_outage():
    error = OperationalError("x")
    error.__cause__ = psycopg.errors.AdminShutdown("x")
    response = outage.outage_response(RequestFactory().get("/api/x/"), error)
    assert json.loads(response.content)["code"] == "ServiceUnavailable"
    assert outage.is_outage(error)
