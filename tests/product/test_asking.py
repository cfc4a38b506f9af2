"""Programs and people over HTTP: the integrator's script, and many people who decide at random on two web processes."""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from tests.product.installation import ROOT, Installation, free_port

THREADS = 20
SIZES = [pytest.param(25, marks=pytest.mark.slow), pytest.param(500, marks=pytest.mark.scale)]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("asking"))
    made.start()
    yield made
    made.stop()


def token(product: Installation, person: str, *scopes: str) -> str:
    return product.manage("token", "create", person, *(word for scope in scopes for word in ("--scope", scope)))


def script(product: Installation, *arguments: str) -> "subprocess.Popen[str]":
    own = {"COUNTERSIGN_TOKEN": token(product, "ana", "approvals:create", "approvals:read")}
    environment = {**product.environment, "COUNTERSIGN_PUBLIC_URL": product.url, "COUNTERSIGN_DEMO": "1", **own}
    command = [sys.executable, str(ROOT / "examples" / "ask.py"), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(("outcome", "status"), [("approve", 0), ("reject", 1)])
def test_the_script_asks_waits_and_verifies(product: Installation, outcome: str, status: int) -> None:
    with script(product, f"Shall we {outcome}?", "user:bob") as asking, product.client("bob") as bob:
        inbox = {"for": "me", "state": "pending"}
        found = product.wait_until(lambda: bob.get("/api/approvals/", params=inbox).json()["results"], "the request")
        bob.post(f"/api/approvals/{found[0]['id']}/decisions/", json={"outcome": outcome, "comment": "seen"})
        _out, told = asking.communicate(timeout=60)
    assert (asking.returncode, f"{outcome} by bob" in told) == (status, True), told


@pytest.mark.slow
def test_the_script_is_told_that_nobody_answered(product: Installation) -> None:
    with script(product, "Is anybody there?", "user:carol", "--timeout", "1s") as asking:
        _out, told = asking.communicate(timeout=60)
    assert (asking.returncode, "timed_out: reject" in told) == (2, True), told


@pytest.mark.parametrize("count", SIZES)
def test_deciding_at_random_on_two_web_processes(product: Installation, count: int) -> None:
    """Every thread answers every request, in an order of its own: somebody of finance, and an outcome, by chance."""
    with ExitStack() as stack:
        port = free_port()
        stack.enter_context(product.program("web", "--port", str(port)))
        urls = [product.url, f"http://127.0.0.1:{port}"]
        product.wait_until(lambda: answers(urls[1]), "the second web process")
        ana = {"Authorization": f"Bearer {token(product, 'ana', 'approvals:create', 'approvals:read')}"}
        people = [token(product, name, "approvals:decide", "approvals:read") for name in ("bob", "carol")]
        asked = [{"question": f"Number {number}?", "to": ["user:bob", "user:carol"]} for number in range(count)]
        with httpx.Client(base_url=urls[0], headers=ana, timeout=60) as shop:
            ids = [shop.post("/api/approvals/", json=body).json()["id"] for body in asked]

            def decide(thread: int) -> list[tuple[str, int, str, str]]:
                chance = random.Random(thread)
                own = {"Authorization": f"Bearer {people[thread % 2]}"}
                found = []
                with httpx.Client(base_url=urls[thread // 2 % 2], headers=own, timeout=60) as client:
                    for id in chance.sample(ids, len(ids)):
                        body = {"outcome": chance.choice(["approve", "reject"]), "comment": "by chance"}
                        answer = client.post(f"/api/approvals/{id}/decisions/", json=body)
                        found.append((id, answer.status_code, ("bob", "carol")[thread % 2], body["outcome"]))
                return found

            with ThreadPoolExecutor(THREADS) as pool:
                results = [result for found in pool.map(decide, range(THREADS)) for result in found]
            decided = {id: shop.get(f"/api/approvals/{id}/").json() for id in ids}

    assert {status for _id, status, _who, _outcome in results} <= {200, 201, 409}
    winners = [(id, who, outcome) for id, status, who, outcome in results if status == 201]
    assert Counter(id for id, _who, _outcome in winners) == Counter(ids)
    assert {(id, found["decided_by"], found["outcome"]) for id, found in decided.items()} == set(winners)
    assert all(len(found["ballots"]) == 1 for found in decided.values())


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready/", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False
