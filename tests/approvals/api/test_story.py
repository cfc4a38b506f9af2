"""A workflow that asks, from its start to its result, by REST alone."""

from typing import Any

import pytest

from approvals.steps import approval
from tests.promises.api.caller import assert_problem, with_session, with_token
from workflows import Context, registry, workflow
from workflows.executor import execute
from workflows.stores.durable import DurableStore


async def rest_ask(ctx: Context, amount: int) -> str:
    if await approval(ctx, f"Pay {amount}?", to="group:finance", never="requester"):
        return "paid"
    return "refused"


@pytest.fixture(autouse=True)
def _workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_functions", dict(registry._functions))
    workflow(rest_ask)


@pytest.mark.parametrize(("outcome", "result"), [("approve", "paid"), ("reject", "refused")])
def test_start_ask_decide_finish(people: Any, outcome: str, result: str) -> None:
    ana, bob = with_token("ana"), with_token("bob")
    ana.post("/api/executions/", {"workflow": "rest_ask", "id": "ask-1", "kwargs": {"amount": 5}})
    execute(DurableStore(), "ask-1")

    (row,) = bob.get("/api/approvals/?for=me&state=pending").json()["results"]
    assert (row["title"], row["requester"], row["execution_id"]) == ("Pay 5?", "ana", "ask-1")
    kinds = [node["kind"] for node in ana.get("/api/executions/ask-1/").json()["nodes"]]
    assert kinds == ["workflow", "approval", "step"]

    decided = bob.post(f"/api/approvals/{row['id']}/decisions/", {"outcome": outcome, "comment": "so be it"})
    assert decided.status_code == 201
    execute(DurableStore(), "ask-1")
    assert ana.get("/api/executions/ask-1/?wait=5s").json()["value"] == result


def test_the_promise_behind_it_is_out_of_reach(people: Any) -> None:
    ana = with_token("ana")
    ana.post("/api/executions/", {"workflow": "rest_ask", "id": "ask-1", "kwargs": {"amount": 5}})
    execute(DurableStore(), "ask-1")
    (row,) = ana.get("/api/approvals/?for=mine").json()["results"]
    assert_problem(ana.post(f"/api/promises/{row['promise_id']}/resolve/", {"value": True}), 403, "ApprovalPromise")
    assert ana.get(f"/api/promises/{row['promise_id']}/").json()["callback_url"] is None
    assert_problem(ana.post("/api/promises/", {"id": "ask-1:7"}), 403, "ReservedId")


def test_who_is_asked_may_look_at_the_execution(people: Any) -> None:
    with_token("ana").post("/api/executions/", {"workflow": "rest_ask", "id": "ask-1", "kwargs": {"amount": 5}})
    execute(DurableStore(), "ask-1")
    assert with_session(people["bob"]).get("/api/executions/ask-1/").status_code == 200
    assert len(with_session(people["bob"]).get("/api/executions/").json()["results"]) == 1
    assert_problem(with_session(people["dave"]).get("/api/executions/ask-1/"), 404, "ExecutionNotFound")
    assert_problem(with_session(people["bob"]).post("/api/executions/ask-1/cancel/"), 403, "NotRequester")


def test_canceling_the_execution_takes_the_question_back(people: Any) -> None:
    ana, bob = with_token("ana"), with_token("bob")
    ana.post("/api/executions/", {"workflow": "rest_ask", "id": "ask-1", "kwargs": {"amount": 5}})
    execute(DurableStore(), "ask-1")
    (row,) = bob.get("/api/approvals/?for=me&state=pending").json()["results"]
    assert ana.post("/api/executions/ask-1/cancel/").status_code == 200
    refused = bob.post(f"/api/approvals/{row['id']}/decisions/", {"outcome": "approve"})
    assert_problem(refused, 409, "RequestClosed", "canceled")
