"""`?wait=`: the answer comes when the promise settles, or the server is asked to hold the request."""

import threading
import time
from typing import Any

import pytest
from django.db import connection

from promises import store
from promises.api import inputs
from promises.models import Listener
from promises.records import PromiseRecord
from promises.times import NEVER, now_ms
from promises.values import Value
from tests.promises.api.caller import Caller, assert_problem, with_token

URL = "/api/promises/ci-1/"


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("30s", 30_000),
        ("500ms", 500),
        ("1m", 60_000),
        ("2", 2000),
        ("0", 0),
        ("1.5s", 1500),
        ("1h30m", 5_400_000),
        ("2 h", 7_200_000),
    ],
)
def test_durations(text: str, ms: int) -> None:
    assert inputs.duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "x", "s", "-1s", "1y", "1s!", "1e9", "٣s", "nan", "9" * 40])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        inputs.duration_ms(text)


def test_the_wait_ends_without_a_settlement(robot: Caller, latent: PromiseRecord) -> None:
    begin = time.monotonic()
    response = robot.get(f"{URL}?wait=200ms")
    assert (response.status_code, response.json()["state"]) == (200, "pending")
    assert 0.2 <= time.monotonic() - begin < 2
    assert "X-Park" not in response


def test_a_settled_promise_is_answered_at_once(robot: Caller, latent: PromiseRecord) -> None:
    store.promise_settle("ci-1", "resolved", Value.of(1), now=now_ms())
    begin = time.monotonic()
    assert robot.get(f"{URL}?wait=30s").json()["value"] == 1
    assert time.monotonic() - begin < 2


@pytest.mark.parametrize("wait", ["soon", "-1s", "1s1", "%00"])
def test_a_wait_that_is_none_is_refused(robot: Caller, latent: PromiseRecord, wait: str) -> None:
    assert "wait" in assert_problem(robot.get(f"{URL}?wait={wait}"), 400, "ValidationError")["errors"]


def test_waiting_for_what_does_not_exist_is_404_at_once(robot: Caller) -> None:
    assert_problem(robot.get("/api/promises/nothing/?wait=30s"), 404, "PromiseNotFound")


def test_a_server_that_parks_requests_is_asked_to(robot: Caller, latent: PromiseRecord) -> None:
    parked: dict[str, Any] = {"countersign.park": True}
    response = robot.client.get(f"{URL}?wait=30s", headers=robot.headers, **parked)
    assert (response["X-Park"], response.json()["state"]) == ("promise:ci-1", "pending")
    assert Listener.objects.get().address == "notify:settled"
    last = robot.client.get(f"{URL}?wait=0", headers=robot.headers, **parked)
    assert "X-Park" not in last


def test_a_promise_that_tells_nobody_is_looked_at_instead(robot: Caller) -> None:
    store.promise_create("p", timeout_at=NEVER, now=now_ms(), tags={"resonate:scope": "local"})
    parked: dict[str, Any] = {"countersign.park": True}
    response = robot.client.get("/api/promises/p/?wait=100ms", headers=robot.headers, **parked)
    assert (response.status_code, "X-Park" in response) == (200, False)


def test_a_client_cannot_ask_for_parking(robot: Caller, latent: PromiseRecord) -> None:
    assert "X-Park" not in robot.get(f"{URL}?wait=100ms", **{"countersign.park": "1", "Countersign-Park": "1"})


@pytest.mark.django_db(transaction=True)
def test_the_wait_ends_with_the_settlement() -> None:
    robot = with_token("robot")
    robot.post("/api/promises/", {"id": "ci-1"})

    def settle() -> None:
        store.promise_settle("ci-1", "resolved", Value.of("yes"), now=now_ms())
        connection.close()

    timer = threading.Timer(0.2, settle)
    timer.start()
    begin = time.monotonic()
    assert robot.get(f"{URL}?wait=20s").json()["value"] == "yes"
    assert time.monotonic() - begin < 5
    timer.join()
