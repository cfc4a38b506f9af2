"""/api/promises/: works, repeated, wrong person, wrong scope, wrong state, missing, malformed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from promises import store
from promises.api.outputs import PromiseSerializer
from promises.records import PromiseRecord
from promises.times import NEVER, now_ms
from promises.values import Value
from tests.promises.api.caller import Caller, assert_problem, make_user, nobody, with_session, with_token

URL = "/api/promises/"


# --- create ----------------------------------------------------------------------------------------------------------


def test_a_promise_is_created_pending(robot: Caller) -> None:
    response = robot.post(URL, {"id": "ci-1", "timeout": "1h", "param": {"a": [1, None]}, "tags": {"team": "sre"}})
    assert response.status_code == 201
    shown = response.json()
    assert (shown["id"], shown["state"], shown["param"], shown["value"]) == (
        "ci-1",
        "pending",
        {"a": [1, None]},
        None,
    )
    assert shown["tags"] == {"team": "sre"}
    assert shown["settled_at"] is None
    assert set(shown) == set(PromiseSerializer().fields)


def test_creating_twice_answers_the_first_one(robot: Caller) -> None:
    robot.post(URL, {"id": "ci-1", "param": "first"})
    again = robot.post(URL, {"id": "ci-1", "param": "second", "timeout": "1h"})
    assert again.status_code == 200
    assert (again.json()["param"], again.json()["timeout_at"]) == ("first", None)


def test_value_is_another_name_for_param(robot: Caller) -> None:
    assert robot.post(URL, {"id": "ci-1", "value": 7}).json()["param"] == 7
    assert_problem(robot.post(URL, {"id": "ci-2", "value": 7, "param": 7}), 400, "ValidationError")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2030-01-02T03:04:05Z", "2030-01-02T03:04:05.000Z"),
        ("2030-01-02T03:04:05.250+01:00", "2030-01-02T02:04:05.250Z"),
        (1893553445000, "2030-01-02T03:04:05.000Z"),
        (None, None),
        (NEVER, None),
    ],
)
def test_a_deadline_is_an_instant(robot: Caller, given: Any, expected: str | None) -> None:
    assert robot.post(URL, {"id": "ci-1", "timeout": given}).json()["timeout_at"] == expected


def test_a_deadline_may_be_a_duration_from_now(robot: Caller) -> None:
    before = now_ms()
    shown = robot.post(URL, {"id": "ci-1", "timeout": "1h30m"}).json()["timeout_at"]
    deadline = datetime.fromisoformat(shown).astimezone(UTC).timestamp() * 1000
    assert before <= deadline - 5_400_000 + 1 <= now_ms() + 1


def test_a_promise_born_after_its_deadline_has_timed_out(robot: Caller) -> None:
    assert robot.post(URL, {"id": "ci-1", "timeout": 1000}).json()["state"] == "rejected_timedout"


@pytest.mark.parametrize(
    "timeout", ["soon", "30", "2030-01-02T03:04:05", "2030-13-45T00:00:00Z", -1, 2**53, 1.5, True, [], "1h?"]
)
def test_a_deadline_that_is_none_is_refused(robot: Caller, timeout: Any) -> None:
    problem = assert_problem(robot.post(URL, {"id": "ci-1", "timeout": timeout}), 400, "ValidationError")
    assert list(problem["errors"]) == ["timeout"]


@pytest.mark.parametrize("id", ["", " ", "a b", "a\tb", "x" * 257, "..", 5, None, ["x"], "a\u200eb"])
def test_a_malformed_id_is_refused(robot: Caller, id: Any) -> None:
    problem = assert_problem(robot.post(URL, {"id": id}), 400)
    assert "id" in problem["errors"]


def test_an_id_is_required(robot: Caller) -> None:
    assert "id" in assert_problem(robot.post(URL, {}), 400, "ValidationError")["errors"]


@pytest.mark.parametrize(
    "tags", [{"countersign:approval": "1"}, {"countersign:requester": "bob"}, {"a": {}}, ["a"], "a"]
)
def test_tags_that_are_not_ones_own_are_refused(robot: Caller, tags: Any) -> None:
    assert_problem(robot.post(URL, {"id": "ci-1", "tags": tags}), 400, "ValidationError")


@pytest.mark.parametrize("target", ["nowhere", "celery://default"])
def test_a_workflow_is_not_started_around_its_own_route(robot: Caller, target: str) -> None:
    refused = robot.post(URL, {"id": "ci-1", "tags": {"resonate:target": target}})
    assert_problem(refused, 400, "ValidationError")
    assert "POST /api/executions/" in str(refused.json())
    assert_problem(robot.get(f"{URL}ci-1/"), 404, "PromiseNotFound")


def test_the_ids_below_an_execution_are_its_own(robot: Caller) -> None:
    tags = {"resonate:target": "celery://default", "resonate:origin": "expense-1"}
    store.promise_create("expense-1", timeout_at=NEVER, now=now_ms(), tags=tags)
    assert_problem(robot.post(URL, {"id": "expense-1:3"}), 403, "ReservedId", "expense-1")


# --- who may ---------------------------------------------------------------------------------------------------------


def test_without_credentials_nobody_is_served(latent: PromiseRecord) -> None:
    for response in (nobody().get(URL), nobody().get(f"{URL}ci-1/"), nobody().post(URL, {"id": "x"})):
        assert_problem(response, 401, "NotAuthenticated")
        assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_token_needs_the_scope(latent: PromiseRecord) -> None:
    reader, writer = with_token("r", "promises:read"), with_token("w", "promises:write")
    assert_problem(reader.post(URL, {"id": "x"}), 403, "MissingScope", "promises:write")
    assert_problem(reader.post(f"{URL}ci-1/resolve/", {}), 403, "MissingScope", "promises:write")
    assert_problem(writer.get(f"{URL}ci-1/"), 403, "MissingScope", "promises:read")
    assert_problem(writer.get(URL), 403, "MissingScope", "promises:read")


def test_a_session_needs_the_permission(latent: PromiseRecord) -> None:
    ana = make_user("ana")
    assert_problem(with_session(ana).get(f"{URL}ci-1/"), 403, "MissingPermission", "promises.view_promise")
    ana.user_permissions.add(Permission.objects.get(codename="view_promise"))
    assert with_session(ana).get(f"{URL}ci-1/").status_code == 200
    assert_problem(with_session(ana).post(f"{URL}ci-1/resolve/", {}), 403, "MissingPermission")


def test_a_session_needs_the_csrf_token(latent: PromiseRecord) -> None:
    admin = make_user("root", is_superuser=True)
    assert_problem(
        with_session(admin, enforce_csrf=True).post(f"{URL}ci-1/resolve/", {}),
        403,
        "PermissionDenied",
        "CSRF",
    )
    assert with_session(admin).post(f"{URL}ci-1/resolve/", {}).status_code == 200


def test_only_who_may_write_sees_the_callback_url(latent: PromiseRecord) -> None:
    assert with_token("r", "promises:read").get(f"{URL}ci-1/").json()["callback_url"] is None
    url = with_token("rw", "promises:read", "promises:write").get(f"{URL}ci-1/").json()["callback_url"]
    assert "/callbacks/" in url


OCCUPIED = [{"resonate:timer": "true"}, {"resonate:target": "celery://default"}, {"countersign:approval": "1"}]


@pytest.mark.parametrize("tags", [*OCCUPIED, {"resonate:scope": "local"}])
def test_what_is_not_latent_has_no_callback_url(robot: Caller, tags: dict[str, str]) -> None:
    store.promise_create("p", timeout_at=NEVER, now=now_ms(), tags=tags)
    assert robot.get(f"{URL}p/").json()["callback_url"] is None


# --- get -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["root:1.2", "root%3A1.2", "root:1%2E2"])
def test_ids_with_punctuation_route(robot: Caller, path: str) -> None:
    robot.post(URL, {"id": "root:1.2"})
    assert robot.get(f"{URL}{path}/").json()["id"] == "root:1.2"
    assert robot.post(f"{URL}{path}/resolve/", {"value": 1}).json()["value"] == 1


def test_ids_with_slashes_route(robot: Caller) -> None:
    robot.post(URL, {"id": "a/b"})
    assert robot.get(f"{URL}a%2Fb/").json()["id"] == "a/b"
    assert robot.post(f"{URL}a/b/cancel/").json()["state"] == "rejected_canceled"


def test_a_promise_past_its_deadline_reads_as_timed_out(robot: Caller) -> None:
    store.promise_create("p", timeout_at=now_ms() - 1000, now=now_ms() - 2000)
    assert robot.get(f"{URL}p/").json()["state"] == "rejected_timedout"
    listed = robot.get(f"{URL}?state=rejected_timedout").json()["results"]
    assert [row["id"] for row in listed] == ["p"]
    assert robot.get(f"{URL}?state=pending").json()["results"] == []


def test_a_missing_promise_is_404(robot: Caller) -> None:
    assert_problem(robot.get(f"{URL}nothing/"), 404, "PromiseNotFound", "nothing")
    assert_problem(robot.post(f"{URL}nothing/resolve/", {}), 404, "PromiseNotFound")


@pytest.mark.parametrize("path", ["a%00b", "%01", "x" * 600])
def test_a_malformed_id_in_the_address_is_400(robot: Caller, path: str) -> None:
    assert_problem(robot.get(f"{URL}{path}/"), 400)


def test_foreign_data_is_shown_as_it_is(robot: Caller) -> None:
    store.promise_create("p", timeout_at=NEVER, now=now_ms(), param=Value(data="not base64!"))
    store.promise_create("q", timeout_at=NEVER, now=now_ms(), param=Value(data="TmFO"))  # NaN
    store.promise_create("r", timeout_at=NEVER, now=now_ms(), param=Value(data="Ilx1ZDgwMCI="))  # half a surrogate pair
    assert robot.get(f"{URL}p/").json()["param"] == "not base64!"
    assert robot.get(f"{URL}q/").json()["param"] == "TmFO"
    assert robot.get(f"{URL}r/").status_code == 200


# --- list ------------------------------------------------------------------------------------------------------------


def test_the_list_pages_through_everything_once(robot: Caller) -> None:
    for number in range(5):
        robot.post(URL, {"id": f"p{number}"})
    seen, url = [], f"{URL}?limit=2"
    while url:
        page = robot.get(url).json()
        assert set(page) == {"results", "next"}
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
    assert seen == ["p0", "p1", "p2", "p3", "p4"]


def test_the_list_can_be_narrowed(robot: Caller) -> None:
    for id in ("a1", "a2", "b1", "a_1"):
        robot.post(URL, {"id": id})
    robot.post(f"{URL}a2/resolve/", {})
    assert [row["id"] for row in robot.get(f"{URL}?prefix=a").json()["results"]] == ["a1", "a2", "a_1"]
    assert [row["id"] for row in robot.get(f"{URL}?prefix=a_").json()["results"]] == ["a_1"]
    assert [row["id"] for row in robot.get(f"{URL}?prefix=a&state=resolved").json()["results"]] == ["a2"]


@pytest.mark.parametrize(
    "query", ["state=PENDING", "limit=0", "limit=x", "cursor=x", "cursor=W10=", "prefix=%00", "cursor=%00"]
)
def test_a_malformed_question_is_400(robot: Caller, query: str) -> None:
    problem = assert_problem(robot.get(f"{URL}?{query}"), 400, "ValidationError")
    assert list(problem["errors"]) == [query.split("=", maxsplit=1)[0]]


# --- settle ----------------------------------------------------------------------------------------------------------

VERBS = {"resolve": "resolved", "reject": "rejected", "cancel": "rejected_canceled"}


@pytest.mark.parametrize(("verb", "state"), VERBS.items())
def test_settling_works_and_the_same_again_is_welcome(
    robot: Caller, latent: PromiseRecord, verb: str, state: str
) -> None:
    body = {"value": {"b": 1, "a": [True, None, "é"]}}
    first = robot.post(f"{URL}ci-1/{verb}/", body)
    again = robot.post(f"{URL}ci-1/{verb}/", {"value": {"a": [True, None, "é"], "b": 1}})
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert (first.json()["state"], first.json()["value"]) == (state, body["value"])
    assert first.json()["settled_at"] is not None
    assert first.json()["callback_url"] is None


@pytest.mark.parametrize("verb", VERBS)
def test_the_first_answer_stands(robot: Caller, latent: PromiseRecord, verb: str) -> None:
    robot.post(f"{URL}ci-1/resolve/", {"value": "first"})
    problem = assert_problem(robot.post(f"{URL}ci-1/{verb}/", {"value": "second"}), 409, "AlreadySettled", "resolved")
    assert (problem["promise"]["state"], problem["promise"]["value"]) == ("resolved", "first")


def test_a_late_answer_is_told_of_the_deadline(robot: Caller) -> None:
    robot.post(URL, {"id": "p", "timeout": 1000})
    assert_problem(robot.post(f"{URL}p/resolve/", {"value": 1}), 409, "AlreadySettled", "deadline")


def test_settling_without_a_value_means_null(robot: Caller, latent: PromiseRecord) -> None:
    assert robot.post(f"{URL}ci-1/resolve/").json()["value"] is None
    assert robot.post(f"{URL}ci-1/resolve/", {"value": None}).status_code == 200


@pytest.mark.parametrize("verb", VERBS)
def test_the_promise_of_an_approval_is_decided_by_people(robot: Caller, of_approval: PromiseRecord, verb: str) -> None:
    assert_problem(robot.post(f"{URL}expense-1:2/{verb}/", {"value": 1}), 403, "ApprovalPromise", "/api/approvals/")
    assert store.promise_get("expense-1:2", now=now_ms()).is_pending


def test_settling_is_a_post(robot: Caller, latent: PromiseRecord) -> None:
    assert_problem(robot.get(f"{URL}ci-1/resolve/"), 405, "MethodNotAllowed")
