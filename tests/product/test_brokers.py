"""The same product on the brokers that operators run, where they answer on their standard ports."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.product.installation import Installation

pytestmark = pytest.mark.broker

BROKERS = {
    "rabbitmq": "amqp://guest:guest@127.0.0.1:5672//",
    "redis": "redis://127.0.0.1:6379/9",
}
SMALL_CLAIM = "date,category,description,amount\n2026-01-05,meals,Lunch,5.00\n"


def is_answering(url: str) -> bool:
    address = urlsplit(url)
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex((address.hostname or "", address.port or 0)) == 0


@pytest.mark.parametrize("name", BROKERS)
def test_a_workflow_runs_on_this_broker(name: str, tmp_path: Path) -> None:
    if not is_answering(BROKERS[name]):
        pytest.skip(f"no {name} answers at {BROKERS[name]}; start one there to run this test")
    installation = Installation(tmp_path, CELERY_BROKER_URL=BROKERS[name], COUNTERSIGN_BROKER_WAKES="1")
    try:
        installation.start()
        with installation.client("ana") as ana:
            body = {"workflow": "expense", "kwargs": {"claimant": "ana", "csv": SMALL_CLAIM}}
            started = ana.post("/api/executions/", json=body).json()
            ended = ana.get(f"/api/executions/{started['id']}/", params={"wait": "30s"}).json()
        assert ended["value"] == {"status": "booked", "total": "5.00", "problems": []}
    finally:
        installation.stop()
