"""/api/schedules/: works, repeated, wrong person, wrong scope, wrong state, missing, malformed."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission

from promises import store
from promises.records import NewSchedule
from promises.times import NEVER, now_ms
from tests.promises.api.caller import Caller, assert_problem, make_user, nobody, with_session, with_token
from workflows.api.schedules import ScheduleSerializer

URL = "/api/schedules/"
NIGHTLY = {
    "id": "nightly",
    "workflow": "rest_sum",
    "args": [{"name": "tea", "amount": 3}],
    "cron": "0 3 * * 1-5",
    "time_zone": "Europe/Berlin",
    "timeout": "6h",
}


def test_a_schedule_is_created_and_starts_executions_of_the_caller(robot: Caller) -> None:
    response = robot.post(URL, NIGHTLY)
    assert response.status_code == 201
    shown = response.json()
    assert set(shown) == set(ScheduleSerializer().fields)
    assert {key: shown[key] for key in NIGHTLY if key != "timeout"} == {
        k: v for k, v in NIGHTLY.items() if k != "timeout"
    }
    assert (shown["version"], shown["timeout_ms"], shown["requester"], shown["declared"]) == (
        1,
        21_600_000,
        "robot",
        False,
    )
    at = store.schedule_get("nightly").next_run_at
    store.schedules_fire(at)
    execution = robot.get(f"/api/executions/nightly-{at}/").json()
    assert (execution["requester"], execution["args"]) == ("robot", NIGHTLY["args"])
    assert robot.get(f"{URL}nightly/").json()["last_run_at"] == shown["next_run_at"]


def test_creating_again_answers_the_same_schedule(robot: Caller) -> None:
    first = robot.post(URL, NIGHTLY).json()
    again = robot.post(URL, NIGHTLY | {"cron": "0 4 * * *"})
    assert (again.status_code, again.json()) == (200, first)


def test_schedules_are_listed_page_by_page(robot: Caller) -> None:
    for id in ("c", "a", "b"):
        robot.post(URL, NIGHTLY | {"id": id})
    first = robot.get(f"{URL}?limit=2").json()
    assert [row["id"] for row in first["results"]] == ["a", "b"]
    assert [row["id"] for row in robot.get(first["next"]).json()["results"]] == ["c"]


def test_pausing_wants_a_reason_and_resuming_none(robot: Caller) -> None:
    robot.post(URL, NIGHTLY)
    assert_problem(robot.post(f"{URL}nightly/pause/", {}), 400)
    paused = robot.post(f"{URL}nightly/pause/", {"reason": "month-end"}).json()
    assert (paused["pause_reason"], paused["paused_at"] is None) == ("month-end", False)
    resumed = robot.post(f"{URL}nightly/resume/").json()
    assert (resumed["pause_reason"], resumed["paused_at"]) == ("", None)


def test_deleting(robot: Caller) -> None:
    robot.post(URL, NIGHTLY)
    assert robot.delete(f"{URL}nightly/").status_code == 204
    assert_problem(robot.delete(f"{URL}nightly/"), 404, "ScheduleNotFound")
    assert_problem(robot.get(f"{URL}nightly/"), 404, "ScheduleNotFound")


def test_what_the_code_declares_is_paused_here_and_deleted_there(robot: Caller) -> None:
    declared = NewSchedule(
        id="s", cron="* * * * *", promise_timeout=NEVER, promise_tags={"resonate:target": "celery://default"}
    )
    store.schedules_declare([declared], now=now_ms())
    shown = robot.get(f"{URL}s/").json()
    assert (shown["declared"], shown["workflow"], shown["version"], shown["timeout_ms"]) == (True, "", None, None)
    assert_problem(robot.delete(f"{URL}s/"), 409, "ScheduleDeclared", "pause it")
    assert robot.post(f"{URL}s/pause/", {"reason": "x"}).status_code == 200


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"cron": "often"}, 400, "BadRequest"),
        ({"time_zone": "Mars"}, 400, "BadRequest"),
        ({"timeout": "long"}, 400, ""),
        ({"timeout": 60}, 201, ""),
        ({"timeout": None}, 201, ""),
        ({"id": "a:b"}, 400, "InvalidId"),
        ({"workflow": "nothing"}, 404, "FunctionNotFound"),
        ({"version": 9}, 404, "FunctionNotFound"),
        ({"args": []}, 422, "InvalidArguments"),
        ({"cron": None}, 400, ""),
    ],
)
def test_what_is_accepted(robot: Caller, changed: dict[str, Any], status: int, code: str) -> None:
    response = robot.post(URL, NIGHTLY | changed)
    if status == 201:
        assert response.status_code == 201
    else:
        assert_problem(response, status, code)


def test_reading_and_writing_want_their_scopes(robot: Caller) -> None:
    robot.post(URL, NIGHTLY)
    reader, writer = with_token("r", "schedules:read"), with_token("w", "schedules:write")
    assert reader.get(f"{URL}nightly/").status_code == 200
    assert_problem(writer.get(URL), 403, "MissingScope", "schedules:read")
    for refused in (
        reader.post(URL, NIGHTLY),
        reader.post(f"{URL}nightly/pause/", {"reason": "x"}),
        reader.post(f"{URL}nightly/resume/"),
        reader.delete(f"{URL}nightly/"),
    ):
        assert_problem(refused, 403, "MissingScope", "schedules:write")
    assert writer.post(f"{URL}nightly/resume/").status_code == 200
    assert_problem(nobody().get(URL), 401)


@pytest.mark.parametrize(
    ("codename", "call"),
    [
        ("view_schedule", lambda caller: caller.get(URL)),
        ("add_schedule", lambda caller: caller.post(URL, NIGHTLY | {"id": "mine"})),
        ("change_schedule", lambda caller: caller.post(f"{URL}nightly/pause/", {"reason": "x"})),
        ("delete_schedule", lambda caller: caller.delete(f"{URL}nightly/")),
    ],
)
def test_a_session_wants_the_permission(robot: Caller, codename: str, call: Any) -> None:
    robot.post(URL, NIGHTLY)
    user = make_user("olga")
    assert_problem(call(with_session(user)), 403, "MissingPermission", codename)
    user.user_permissions.add(Permission.objects.get(codename=codename))
    assert call(with_session(make_user("olga"))).status_code in (200, 201, 204)
