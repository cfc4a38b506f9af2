"""Whatever goes wrong under /api/ is told as a problem document, and never with a trace."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import RequestFactory

from promises import error_views, problems, store
from promises.api.parsers import MAX_DEPTH
from promises.records import PromiseRecord
from tests.promises.api.caller import PROBLEM, Caller, assert_problem, nobody

URL = "/api/promises/"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("{", "JSON"),
        ("[]", "object"),
        ('"text"', "object"),
        ("null", "object"),
        (b"\xff\xfe", "UTF-8"),
        ('{"id": "a\\u0000b"}', "NUL"),
        ('{"a\\u0000b": 1}', "NUL"),
        ('{"id": "a", "param": {"x": ["\\ud800"]}}', "surrogate"),
        ('{"id": "a", "param": NaN}', "NaN"),
        ('{"id": "a", "param": -Infinity}', "Infinity"),
        ('{"id": "a", "param": 1e999}', "1e999"),
        ('{"id": "a", "param": ' + "9" * 5000 + "}", "too large"),
        ('{"id": "a", "param": ' + "[" * 100 + "]" * 100 + "}", "nested"),
        ('{"id": "a", "param": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested"),
    ],
)
def test_a_body_that_is_no_storable_object_is_400(robot: Caller, body: Any, word: str) -> None:
    assert_problem(robot.post(URL, body), 400, "ParseError", word)


def test_nesting_within_the_limit_is_kept(robot: Caller) -> None:
    deep: Any = 1
    for _level in range(MAX_DEPTH - 3):
        deep = [deep]
    assert robot.post(URL, {"id": "a", "param": deep}).json()["param"] == deep


def test_an_empty_body_is_an_empty_object(robot: Caller) -> None:
    assert_problem(robot.post(URL), 400, "ValidationError", "id")


def test_a_body_over_the_limit_is_413(robot: Caller, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 50
    assert_problem(robot.post(URL, {"id": "a", "param": "x" * 100}), 413, "PayloadTooLarge", "50")


def test_another_content_type_is_415(robot: Caller) -> None:
    assert_problem(robot.client.post(URL, {"id": "a"}, headers=robot.headers), 415, "UnsupportedMediaType")


def test_an_answer_in_another_format_is_406(robot: Caller) -> None:
    assert_problem(robot.get(URL, Accept="text/csv"), 406, "NotAcceptable")


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_another_method_is_405(robot: Caller, method: str) -> None:
    response = getattr(robot.client, method)(URL, headers=robot.headers)
    assert_problem(response, 405, "MethodNotAllowed")
    assert response["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("path", ["/api/", "/api/nothing/", "/api/%00/", "/api/nothing"])
def test_an_unknown_address_is_404(db: None, path: str) -> None:
    document = assert_problem(nobody().get(path), 404)
    assert document["instance"].startswith("/api/")


def test_a_forgotten_slash_keeps_method_and_body(robot: Caller) -> None:
    robot.client.handler.enforce_csrf_checks = True
    response = robot.post("/api/promises?x=1", {"id": "a"})
    assert (response.status_code, response["Location"]) == (308, "/api/promises/?x=1")


@pytest.mark.parametrize(
    "credentials",
    ["Bearer", "Bearer x", "Bearer cs_aaaaaaaa_" + "b" * 43, "Bearer a b", "bearer \x00", "Bearer é"],
)
def test_bad_credentials_are_401(db: None, credentials: str) -> None:
    response = nobody().get(URL, Authorization=credentials)
    assert_problem(response, 401, "AuthenticationFailed")
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_fault_of_ours_is_a_bare_500(robot: Caller, latent: PromiseRecord, monkeypatch: Any) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(store, "promise_get", fail)
    response = robot.get(f"{URL}ci-1/")
    assert_problem(response, 500, "InternalServerError")
    assert b"hunter2" not in response.content


def test_a_database_that_is_away_is_503(robot: Caller, latent: PromiseRecord, monkeypatch: Any) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("connection to server at 10.0.0.1 failed")

    monkeypatch.setattr(store, "promise_get", fail)
    response = robot.get(f"{URL}ci-1/")
    assert_problem(response, 503, "ServiceUnavailable")
    assert response["Retry-After"]
    assert b"10.0.0.1" not in response.content


def test_djangos_own_errors_are_problems_under_api() -> None:
    request = RequestFactory().get("/api/x/")
    for response, status in (
        (error_views.bad_request(request, Exception()), 500),
        (error_views.permission_denied(request, problems.PermissionDenied()), 403),
        (error_views.page_not_found(request, problems.Http404()), 404),
        (error_views.bad_request(request, problems.RequestDataTooBig()), 413),
        (error_views.bad_request(request, problems.SuspiciousOperation()), 400),
        (error_views.csrf_failure(request, "no cookie"), 403),
        (error_views.server_error(request), 500),
    ):
        assert (response.status_code, response["Content-Type"]) == (status, PROBLEM)


def test_nested_field_errors_are_named_by_their_path() -> None:
    detail = {"a": {"b": ["x"]}, "c": [{}, {"d": ["y", "z"]}], "non_field_errors": ["w"]}
    assert problems.flatten_errors(detail) == {"a.b": ["x"], "c.1.d": ["y", "z"], "body": ["w"]}
