"""/callbacks/{token}/: describes on GET, settles on POST, for whoever holds the address and until it expires."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import signing

from promises import store
from promises.callback_urls import LONGEST_MS, callback_token, callback_url, token_grant
from promises.records import PromiseRecord
from promises.times import NEVER, now_ms
from promises.values import Value
from tests.promises.api.caller import assert_problem, make_user, nobody, with_session


def path_of(promise: PromiseRecord) -> str:
    return urlsplit(callback_url(promise.id, promise.timeout_at)).path


def state_of(id: str) -> str:
    return store.promise_get(id, now=now_ms()).state


def test_get_describes_and_never_settles(latent: PromiseRecord) -> None:
    response = nobody().get(path_of(latent))
    assert response.status_code == 200
    assert set(response.json()) == {"id", "state", "expires_at", "settled_at", "answer"}
    assert (response.json()["id"], response.json()["state"]) == ("ci-1", "pending")
    assert (response["Cache-Control"], response["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert state_of("ci-1") == "pending"


@pytest.mark.parametrize("value", [{"passed": True}, None, 0, "", [1]])
def test_a_value_resolves(latent: PromiseRecord, value: Any) -> None:
    response = nobody().post(path_of(latent), {"value": value})
    assert (response.status_code, response.json()["state"]) == (200, "resolved")
    assert store.promise_get("ci-1", now=now_ms()).value.decode() == value


@pytest.mark.parametrize(
    ("error", "stored"),
    [
        ("3 tests failed", {"message": "3 tests failed"}),
        ({"message": "no", "log": "..."}, {"message": "no", "log": "..."}),
    ],
)
def test_an_error_rejects(latent: PromiseRecord, error: Any, stored: Any) -> None:
    assert nobody().post(path_of(latent), {"error": error}).json()["state"] == "rejected"
    assert store.promise_get("ci-1", now=now_ms()).value.decode() == stored


def test_the_same_answer_again_is_welcome_and_another_is_not(latent: PromiseRecord) -> None:
    path = path_of(latent)
    nobody().post(path, {"value": 1})
    assert nobody().post(path, {"value": 1}).status_code == 200
    assert_problem(nobody().post(path, {"value": 2}), 409, "AlreadySettled")
    assert_problem(nobody().post(path, {"error": "late"}), 409, "AlreadySettled")
    assert nobody().get(path).json()["state"] == "resolved"


@pytest.mark.parametrize(
    "body", [{}, {"value": 1, "error": "x"}, {"error": None}, {"error": 5}, {"error": {}}, {"result": 1}]
)
def test_an_answer_is_a_value_or_an_error(latent: PromiseRecord, body: Any) -> None:
    assert_problem(nobody().post(path_of(latent), body), 400, "ValidationError")
    assert state_of("ci-1") == "pending"


def test_an_expired_address_is_gone(db: None) -> None:
    now = now_ms()
    promise, _created = store.promise_create("p", timeout_at=now - 10, now=now - 1000)
    assert_problem(nobody().get(path_of(promise)), 410, "Expired")
    assert_problem(nobody().post(path_of(promise), {"value": 1}), 410, "Expired")


def test_an_address_lives_a_year_at_most() -> None:
    now = now_ms()
    assert token_grant(callback_token("p", NEVER, now=now)).expires_at == now + LONGEST_MS
    assert token_grant(callback_token("p", now + 5, now=now)).expires_at == now + 5


def test_a_token_that_is_not_ours_is_404(latent: PromiseRecord) -> None:
    token = path_of(latent).split("/")[2]
    foreign = signing.Signer(salt="something.else", sep=".").sign_object({"p": "ci-1", "e": NEVER})
    shape = signing.Signer(salt="promises.callback", sep=".").sign_object(["ci-1"])
    for bad in ("x", token[:-1], token + "x", "A" + token[1:], foreign, shape, "%00", "a.b", "ü"):
        assert_problem(nobody().get(f"/callbacks/{bad}/"), 404, "InvalidToken")
        assert_problem(nobody().post(f"/callbacks/{bad}/", {"value": 1}), 404, "InvalidToken")
    assert state_of("ci-1") == "pending"


def test_a_promise_that_is_gone_is_404(db: None) -> None:
    assert_problem(nobody().get(f"/callbacks/{callback_token('gone', NEVER, now=now_ms())}/"), 404, "PromiseNotFound")


def test_an_approval_is_never_decided_by_a_callback(of_approval: PromiseRecord) -> None:
    assert_problem(nobody().post(path_of(of_approval), {"value": 1}), 403, "ApprovalPromise")
    assert_problem(nobody().get(path_of(of_approval)), 403, "ApprovalPromise")
    assert state_of(of_approval.id) == "pending"


def test_the_promise_of_a_function_is_not_settled_by_a_callback(db: None) -> None:
    promise, _created = store.promise_create(
        "exp-1", timeout_at=NEVER, now=now_ms(), tags={"resonate:target": "celery://default"}, param=Value.of(1)
    )
    assert_problem(nobody().post(path_of(promise), {"value": 1}), 403, "NotLatent")


def test_cookies_play_no_part(latent: PromiseRecord) -> None:
    stranger = with_session(make_user("ana"), enforce_csrf=True)
    assert stranger.post(path_of(latent), {"value": 1}).status_code == 200


def test_a_body_over_the_limit_is_refused(latent: PromiseRecord, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    assert_problem(nobody().post(path_of(latent), {"value": "x" * 200}), 413, "PayloadTooLarge", "100")
    assert state_of("ci-1") == "pending"


def test_a_body_that_is_no_json_is_refused(latent: PromiseRecord) -> None:
    response = nobody().client.post(path_of(latent), {"value": "1"})
    assert_problem(response, 415, "UnsupportedMediaType")
