"""kill -9 of every process, in the middle of what it does: nothing is lost and nothing happens twice."""

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.product.installation import Installation

CLAIM = (Path(__file__).resolve().parents[2] / "examples" / "samples" / "expense.csv").read_text()

pytestmark = pytest.mark.chaos


@pytest.fixture
def ana(product: Installation) -> Iterator[httpx.Client]:
    with product.client("ana") as client:
        yield client


@pytest.fixture
def bob(product: Installation) -> Iterator[httpx.Client]:
    with product.client("bob") as client:
        yield client


def execution_start(client: httpx.Client, workflow: str, **kwargs: Any) -> str:
    body = {"workflow": workflow, "id": f"{workflow}-{uuid.uuid4().hex[:8]}", "kwargs": kwargs}
    answer = client.post("/api/executions/", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def ending(product: Installation, client: httpx.Client, execution: str) -> Any:
    """The execution once it is settled."""

    def settled() -> Any:
        try:
            answer = client.get(f"/api/executions/{execution}/")
        except httpx.HTTPError:
            return None
        return answer.json() if answer.status_code == 200 and answer.json()["state"] != "pending" else None

    return product.wait_until(settled, f"the end of {execution}")


def latent(product: Installation, client: httpx.Client, execution: str) -> str:
    """The id of the latent promise that the execution waits for."""

    def found() -> Any:
        nodes = client.get(f"/api/executions/{execution}/").json()["nodes"]
        return next((n["id"] for n in nodes if n["func"] == "ctx.promise" and n["state"] == "pending"), None)

    return str(product.wait_until(found, "the latent promise"))


def request_for(product: Installation, client: httpx.Client, execution: str) -> str:
    """The id of the execution's pending approval request."""

    def found() -> Any:
        rows = client.get("/api/approvals/", params={"for": "me", "state": "pending"}).json()["results"]
        return next((row["id"] for row in rows if row["execution_id"] == execution), None)

    return str(product.wait_until(found, "the approval request"))


def test_a_worker_killed_in_the_middle_of_a_step_doubles_no_effect(
    product: Installation, ana: httpx.Client, tmp_path: Path
) -> None:
    execution = execution_start(ana, "shop.order", folder=str(tmp_path))
    product.wait_until((tmp_path / "inside").exists, "the step to be inside its transaction")
    product.kill("celery")
    (tmp_path / "go").touch()
    promise = latent(product, ana, execution)
    ana.post(f"/api/promises/{promise}/resolve/", json={"value": "third"}).raise_for_status()
    end = ending(product, ana, execution)
    assert (end["state"], end["value"]) == ("resolved", ["first", "second", "third"])


def test_a_database_killed_while_an_execution_waits_brings_it_back(
    product: Installation, ana: httpx.Client, bob: httpx.Client
) -> None:
    execution = execution_start(ana, "expense", claimant="ana", csv=CLAIM)
    request = request_for(product, bob, execution)
    product.kill_database()
    product.wait_until(product.is_ready, "the product to be ready again")
    answer = bob.post(f"/api/approvals/{request}/decisions/", json={"outcome": "approve", "comment": "fine"})
    assert answer.status_code == 201, answer.text
    assert ending(product, ana, execution)["value"]["status"] == "booked"


@pytest.mark.parametrize("moment", [0.0, 0.004, 0.02])
def test_a_web_server_killed_during_a_decision_loses_none(
    product: Installation, ana: httpx.Client, bob: httpx.Client, moment: float
) -> None:
    execution = execution_start(ana, "expense", claimant="ana", csv=CLAIM)
    request = request_for(product, bob, execution)
    answers: list[int] = []

    def decide() -> None:
        body = {"outcome": "approve", "comment": ""}
        try:
            answers.append(bob.post(f"/api/approvals/{request}/decisions/", json=body).status_code)
        except httpx.HTTPError:
            answers.append(0)

    deciding = threading.Thread(target=decide)
    deciding.start()
    time.sleep(moment)
    product.kill("granian")
    deciding.join()
    product.wait_until(product.is_ready, "the product to be ready again")
    if answers == [0]:  # the answer was lost: the same decision again is right, whether or not the first one was taken
        decide()
    assert answers[-1] in (200, 201)
    assert ending(product, ana, execution)["value"]["status"] == "booked"
    shown = bob.get(f"/api/approvals/{request}/").json()
    assert (shown["state"], shown["outcome"], shown["decided_by"]) == ("decided", "approve", "bob")


def test_a_clock_killed_is_started_again(product: Installation, ana: httpx.Client) -> None:
    product.kill("manage.py clock")
    product.wait_until(lambda: product.pids("manage.py clock"), "another clock")
    answer = ana.post("/api/promises/", json={"id": f"timer-{uuid.uuid4().hex[:8]}", "timeout": "1s"})
    assert answer.status_code == 201, answer.text
    shown = ana.get(f"/api/promises/{answer.json()['id']}/", params={"wait": "20s"}).json()
    assert shown["state"] == "rejected_timedout"


def test_a_migration_that_replaces_the_verbs_of_the_store_disturbs_nobody(
    product: Installation, ana: httpx.Client, tmp_path: Path
) -> None:
    execution = execution_start(ana, "shop.order", folder=str(tmp_path))
    product.wait_until((tmp_path / "inside").exists, "the step to be inside its transaction")
    verbs = "from promises import sql\nfrom django.db import connection as c\n"
    verbs += "with c.schema_editor() as editor: sql.install(0, editor)"
    product.manage("shell", "--no-imports", "-c", verbs)
    (tmp_path / "go").touch()
    promise = latent(product, ana, execution)
    ana.post(f"/api/promises/{promise}/resolve/", json={"value": "third"}).raise_for_status()
    end = ending(product, ana, execution)
    assert (end["state"], end["value"]) == ("resolved", ["first", "second", "third"])
