"""/api/executions/: works, repeated, wrong person, wrong scope, wrong state, missing, malformed."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from promises import store
from promises.times import NEVER, now_ms
from promises.values import Value
from tests.promises.api.caller import Caller, assert_problem, make_user, nobody, with_session, with_token
from workflows.api.outputs import ExecutionSerializer, ExecutionSummarySerializer, NodeSerializer

URL = "/api/executions/"
SUM = {"workflow": "rest_sum", "id": "sum-1", "args": [{"name": "tea", "amount": 3}], "kwargs": {"extra": 4}}
WAIT = {"workflow": "rest_wait", "id": "wait-1"}

Work = Callable[[str], str]


# --- start -----------------------------------------------------------------------------------------------------------


def test_an_execution_starts(robot: Caller) -> None:
    response = robot.post(URL, SUM)
    assert response.status_code == 201
    shown = response.json()
    assert set(shown) == set(ExecutionSerializer().fields)
    assert (shown["id"], shown["workflow"], shown["version"], shown["state"]) == ("sum-1", "rest_sum", 1, "pending")
    assert (shown["requester"], shown["args"], shown["kwargs"]) == ("robot", SUM["args"], SUM["kwargs"])


def test_starting_twice_answers_the_same_execution(robot: Caller, work: Work) -> None:
    robot.post(URL, SUM)
    work("sum-1")
    again = robot.post(URL, SUM | {"kwargs": {"extra": 100}})
    assert again.status_code == 200
    assert (again.json()["state"], again.json()["value"]) == ("resolved", {"total": 7})


@pytest.mark.parametrize("body", [{"workflow": "rest_wait"}, {"workflow": "rest_wait", "id": None, "version": 1}])
def test_an_id_is_made_up_when_missing(robot: Caller, body: Any) -> None:
    first, second = robot.post(URL, body), robot.post(URL, body)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"].startswith("rest_wait-")
    assert first.json()["id"] != second.json()["id"]


@pytest.mark.parametrize("body", [{"workflow": "nothing"}, {"workflow": "rest_sum", "version": 9}])
def test_an_unknown_workflow_is_404(robot: Caller, body: Any) -> None:
    assert_problem(robot.post(URL, body), 404, "FunctionNotFound", body["workflow"])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({}, "item"),
        ({"args": [{"name": "tea"}]}, "item"),
        ({"args": [{"name": "tea", "amount": "much"}]}, "item"),
        ({"args": [{"name": "tea", "amount": 3}, "x"]}, "extra"),
        ({"args": [{"name": "tea", "amount": 3}, 1, 2]}, "too many"),
        ({"args": [{"name": "tea", "amount": 3}], "kwargs": {"more": 1}}, "more"),
        ({"args": [5], "kwargs": {"item": 5}}, "item"),
    ],
)
def test_wrong_arguments_are_422_and_named(robot: Caller, arguments: Any, word: str) -> None:
    response = robot.post(URL, {"workflow": "rest_sum", "id": "sum-1"} | arguments)
    assert_problem(response, 422, "InvalidArguments", word)
    assert_problem(robot.get(f"{URL}sum-1/"), 404)


@pytest.mark.parametrize("id", ["a:1", "a/b", "a b", "a\tb", "x" * 300, 7, [], "ü:"])
def test_a_malformed_id_is_400(robot: Caller, id: Any) -> None:
    assert_problem(robot.post(URL, WAIT | {"id": id}), 400)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("workflow", 5),
        ("workflow", ""),
        ("args", {}),
        ("args", "x"),
        ("kwargs", []),
        ("version", "x"),
        ("version", 2**40),
    ],
)
def test_a_malformed_field_is_400_and_named(robot: Caller, field: str, value: Any) -> None:
    problem = assert_problem(robot.post(URL, WAIT | {field: value}), 400, "ValidationError")
    assert list(problem["errors"]) == [field]


def test_the_workflow_is_required(robot: Caller) -> None:
    assert "workflow" in assert_problem(robot.post(URL, {"id": "x"}), 400, "ValidationError")["errors"]


# --- who may ---------------------------------------------------------------------------------------------------------


def test_without_credentials_nobody_is_served(db: None) -> None:
    for response in (
        nobody().get(URL),
        nobody().post(URL, SUM),
        nobody().get(f"{URL}x/"),
        nobody().post(f"{URL}x/cancel/"),
    ):
        assert_problem(response, 401, "NotAuthenticated")


def test_a_token_needs_the_scope(db: None) -> None:
    reader, starter = with_token("r", "executions:read"), with_token("s", "executions:start")
    assert starter.post(URL, SUM).status_code == 201
    assert_problem(reader.post(URL, SUM), 403, "MissingScope", "executions:start")
    assert_problem(starter.get(URL), 403, "MissingScope", "executions:read")
    assert_problem(starter.get(f"{URL}sum-1/"), 403, "MissingScope", "executions:read")
    assert_problem(reader.post(f"{URL}sum-1/cancel/"), 403, "MissingScope", "executions:start")
    assert reader.get(f"{URL}sum-1/").json()["requester"] == "s"


def test_a_session_starts_and_sees_its_own(db: None) -> None:
    ana, bob = with_session(make_user("ana")), with_session(make_user("bob"))
    assert ana.post(URL, WAIT).status_code == 201
    assert ana.get(f"{URL}wait-1/").json()["requester"] == "ana"
    assert_problem(bob.get(f"{URL}wait-1/"), 404, "ExecutionNotFound")
    assert_problem(bob.post(URL, WAIT), 409, "IdTaken")
    assert [row["id"] for row in ana.get(URL).json()["results"]] == ["wait-1"]
    assert bob.get(URL).json()["results"] == []


def test_a_session_with_the_permission_sees_all(robot: Caller) -> None:
    robot.post(URL, WAIT)
    operator = make_user("op")
    operator.user_permissions.add(Permission.objects.get(codename="view_promise"))
    assert with_session(operator).get(f"{URL}wait-1/").status_code == 200
    assert_problem(with_session(operator).post(f"{URL}wait-1/cancel/"), 403, "NotRequester")


def test_a_session_needs_the_csrf_token(db: None) -> None:
    assert_problem(with_session(make_user("ana"), enforce_csrf=True).post(URL, WAIT), 403, "PermissionDenied", "CSRF")


# --- get -------------------------------------------------------------------------------------------------------------


def test_a_finished_execution_shows_its_call_graph(robot: Caller, work: Work) -> None:
    robot.post(URL, SUM)
    work("sum-1")
    shown = robot.get(f"{URL}sum-1/").json()
    assert (shown["state"], shown["value"], shown["error"], shown["halted"]) == ("resolved", {"total": 7}, None, None)
    root, step = shown["nodes"]
    assert set(root) == set(NodeSerializer().fields)
    assert (root["id"], root["parent_id"], root["func"], root["kind"]) == ("sum-1", None, "rest_sum", "workflow")
    assert (step["parent_id"], step["func"], step["kind"], step["state"], step["value"]) == (
        "sum-1",
        "add",
        "step",
        "resolved",
        7,
    )
    assert step["settled_at"] is not None


def test_a_failed_execution_says_why(robot: Caller, work: Work) -> None:
    robot.post(URL, {"workflow": "rest_fail", "id": "fail-1"})
    work("fail-1")
    shown = robot.get(f"{URL}fail-1/?wait=5s").json()
    assert (shown["state"], shown["value"]) == ("rejected", None)
    assert shown["error"] == {"name": "ValueError", "message": "there is no money left"}


def test_a_waiting_execution_shows_the_latent_promise(robot: Caller, work: Work) -> None:
    robot.post(URL, WAIT)
    work("wait-1")
    shown = robot.get(f"{URL}wait-1/?wait=50ms").json()
    assert shown["state"] == "pending"
    latent = shown["nodes"][1]
    assert (latent["kind"], latent["state"]) == ("promise", "pending")
    url = robot.get(f"/api/promises/{latent['id']}/").json()["callback_url"]
    nobody().post(url.replace("http://127.0.0.1:8000", ""), {"value": "go"})
    work("wait-1")
    assert robot.get(f"{URL}wait-1/?wait=5s").json()["value"] == "go"


def test_a_halted_execution_says_why(robot: Caller, work: Work) -> None:
    call = {"func": "gone", "args": [], "version": 3}
    tags = {"resonate:target": "celery://default", "countersign:func": "gone"}
    store.promise_create("gone-1", timeout_at=NEVER, now=now_ms(), param=Value.of(call), tags=tags)
    assert work("gone-1") == "halted"
    assert "gone" in robot.get(f"{URL}gone-1/").json()["halted"]


@pytest.mark.parametrize("id", ["nothing", "latent", "ä"])
def test_a_missing_execution_is_404(robot: Caller, id: str) -> None:
    robot.post("/api/promises/", {"id": "latent"})
    assert_problem(robot.get(f"{URL}{id}/"), 404, "ExecutionNotFound")
    assert_problem(robot.post(f"{URL}{id}/cancel/"), 404, "ExecutionNotFound")


@pytest.mark.parametrize("id", ["a:1", "a%3A1", "a%20b", "%00", "x" * 300])
def test_a_malformed_id_in_the_address_is_400(robot: Caller, id: str) -> None:
    assert_problem(robot.get(f"{URL}{id}/"), 400, "InvalidId")


def test_the_id_of_a_promise_is_not_taken_for_an_execution(robot: Caller) -> None:
    robot.post("/api/promises/", {"id": "wait-1"})
    assert_problem(robot.post(URL, WAIT), 409, "IdTaken")


# --- list ------------------------------------------------------------------------------------------------------------


def test_the_list_is_newest_first_and_pages_through_everything_once(robot: Caller) -> None:
    for number in range(5):
        robot.post(URL, {"workflow": "rest_wait", "id": f"wait-{number}"})
    robot.post("/api/promises/", {"id": "not-an-execution"})
    seen, url = [], f"{URL}?limit=2"
    while url:
        page = robot.get(url).json()
        seen += page["results"]
        url = page["next"]
    assert [row["id"] for row in seen] == ["wait-4", "wait-3", "wait-2", "wait-1", "wait-0"]
    assert set(seen[0]) == set(ExecutionSummarySerializer().fields)


def test_the_list_can_be_narrowed(robot: Caller, work: Work) -> None:
    robot.post(URL, WAIT)
    robot.post(URL, SUM)
    work("sum-1")
    for query, expected in (
        ("workflow=rest_wait", ["wait-1"]),
        ("state=resolved", ["sum-1"]),
        ("state=pending", ["wait-1"]),
        ("workflow=rest_wait&state=resolved", []),
    ):
        assert [row["id"] for row in robot.get(f"{URL}?{query}").json()["results"]] == expected


@pytest.mark.parametrize("query", ["state=done", "limit=-1", "cursor=zzz", "cursor=WyJhIiwiYiJd", "workflow=%00"])
def test_a_malformed_question_is_400(robot: Caller, query: str) -> None:
    assert_problem(robot.get(f"{URL}?{query}"), 400, "ValidationError")


# --- cancel ----------------------------------------------------------------------------------------------------------


def test_canceling_works_and_again_is_welcome(robot: Caller, work: Work) -> None:
    robot.post(URL, WAIT)
    work("wait-1")
    first, again = robot.post(f"{URL}wait-1/cancel/"), robot.post(f"{URL}wait-1/cancel/")
    assert (first.status_code, again.status_code) == (200, 200)
    assert {node["state"] for node in first.json()["nodes"]} == {"rejected_canceled"}
    assert first.json()["error"]["name"] == "PromiseCanceled"


def test_a_finished_execution_cannot_be_canceled(robot: Caller, work: Work) -> None:
    robot.post(URL, SUM)
    work("sum-1")
    assert_problem(robot.post(f"{URL}sum-1/cancel/"), 409, "AlreadySettled", "resolved")


def test_only_the_requester_or_who_may_settle_promises_cancels(db: None) -> None:
    with_token("ana", "executions:start").post(URL, WAIT)
    stranger = with_token("bob", "executions:start", "executions:read")
    assert_problem(stranger.post(f"{URL}wait-1/cancel/"), 403, "NotRequester")
    operator = with_token("bob", "executions:start", "executions:read", "promises:write")
    assert operator.post(f"{URL}wait-1/cancel/").status_code == 200


def test_canceling_its_promise_is_canceling_the_execution(robot: Caller, work: Work) -> None:
    robot.post(URL, WAIT)
    work("wait-1")
    answer = robot.post("/api/promises/wait-1/cancel/", {"value": "enough"})
    assert (answer.json()["state"], answer.json()["value"]) == ("rejected_canceled", "enough")
    nodes = robot.get(f"{URL}wait-1/").json()["nodes"]
    assert [node["state"] for node in nodes] == ["rejected_canceled", "rejected_canceled"]


# --- halted ----------------------------------------------------------------------------------------------------------


def test_a_halted_execution_says_why_in_the_list_and_by_itself(robot: Caller) -> None:
    for body in (SUM, WAIT):
        robot.post(URL, body)
    store.task_halt("wait-1", "FunctionNotFound: version 2", now=now_ms())
    (shown,) = robot.get(f"{URL}?halted=true").json()["results"]
    assert (shown["id"], shown["halted"]) == ("wait-1", "FunctionNotFound: version 2")
    assert robot.get(f"{URL}wait-1/").json()["halted"] == "FunctionNotFound: version 2"
    assert {row["id"]: row["halted"] for row in robot.get(URL).json()["results"]}["sum-1"] is None
    assert_problem(robot.get(f"{URL}?halted=maybe"), 400)


def test_continuing_lets_it_go_on(robot: Caller, work: Work) -> None:
    robot.post(URL, SUM)
    store.task_halt("sum-1", "broken", now=now_ms())
    answer = robot.post(f"{URL}sum-1/continue/", {"reason": "mended"})
    assert (answer.status_code, answer.json()["halted"]) == (200, None)
    assert work("sum-1") == "fulfilled"
    assert_problem(robot.post(f"{URL}sum-1/continue/", {"reason": "again"}), 409, "Conflict")


@pytest.mark.parametrize(
    ("body", "status"), [({}, 400), ({"reason": ""}, 400), ({"reason": " "}, 422), ({"reason": 7}, 400)]
)
def test_continuing_wants_a_reason(robot: Caller, body: Any, status: int) -> None:
    robot.post(URL, WAIT)
    store.task_halt("wait-1", "broken", now=now_ms())
    assert_problem(robot.post(f"{URL}wait-1/continue/", body), status)
    assert robot.get(f"{URL}wait-1/").json()["halted"] == "broken"


def test_who_may_continue(robot: Caller) -> None:
    with_token("ana", "executions:start").post(URL, WAIT)
    store.task_halt("wait-1", "broken", now=now_ms())
    path, body = f"{URL}wait-1/continue/", {"reason": "mended"}
    starter = with_token("ana", "executions:start", "executions:read")
    assert_problem(starter.post(path, body), 403, "MissingScope", "promises:write")
    assert_problem(with_session(make_user("ana")).post(path, body), 403, "MissingPermission", "promises.change_task")
    assert_problem(robot.post(f"{URL}missing/continue/", body), 404, "ExecutionNotFound")
    operator = make_user("olga")
    operator.user_permissions.set(Permission.objects.filter(codename__in=["change_task", "view_promise"]))
    assert with_session(operator).post(path, body).status_code == 200
