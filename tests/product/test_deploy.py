"""A rolling deploy: workers are asked to stop while they execute, and others go on at once."""

import os
import signal
import uuid
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import httpx
import psutil
import pytest

from tests.product.installation import Installation

pytestmark = pytest.mark.chaos


@pytest.fixture
def ana(product: Installation) -> Iterator[httpx.Client]:
    with product.client("ana") as client:
        yield client


@pytest.fixture
def second_worker(product: Installation) -> Iterator[None]:
    with product.program("worker"):
        product.wait_until(lambda: len(workers(product)) >= 2, "a second worker to be ready")
        yield


def workers(product: Installation) -> list[str]:
    code = (
        "from promises.models import Process as P; print(*P.objects.filter(kind='worker').values_list('id', flat=True))"
    )
    return product.manage("shell", "--no-imports", "-c", code).split()


def stamps(client: httpx.Client, execution: str) -> list[Any]:
    """(pid, time) of each step that is recorded, in order."""
    nodes = client.get(f"/api/executions/{execution}/").json()["nodes"]
    return sorted((node["value"] for node in nodes if node["func"] == "stamp"), key=lambda stamp: stamp[1])


def execution_start(client: httpx.Client, number: int, seconds: float) -> str:
    body = {"workflow": "shop.stamps", "id": f"stamps-{uuid.uuid4().hex[:8]}", "args": [number, seconds]}
    answer = client.post("/api/executions/", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.mark.usefixtures("second_worker")
def test_a_worker_that_is_stopped_hands_its_executions_over_within_a_second(
    product: Installation, ana: httpx.Client
) -> None:
    executions = [execution_start(ana, 60, 0.05) for _ in range(3)]
    product.wait_until(lambda: all(len(stamps(ana, id)) >= 5 for id in executions), "the first steps")
    stopped = int(stamps(ana, executions[0])[-1][0])
    os.kill(stopped, signal.SIGTERM)
    for id in executions:
        end = ana.get(f"/api/executions/{id}/", params={"wait": "30s"}).json()
        assert end["state"] == "resolved"
        assert len(end["value"]) == 60
        # A lease lapses after 3 s here, and a lost wake-up is repeated after 2 s.
        assert max(later[1] - earlier[1] for earlier, later in pairwise(end["value"])) < 1.0
    handed_over = {pid for pid, _ in stamps(ana, executions[0])}
    assert len(handed_over) == 2
    product.wait_until(lambda: not psutil.pid_exists(stopped), "the stopped worker to end")
