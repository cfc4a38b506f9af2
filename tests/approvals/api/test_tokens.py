"""API tokens: the command that makes them, and what a request with one may expect."""

import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from approvals.tokens import SCOPES, ApiToken, token_create, token_find, token_revoke
from tests.promises.api.caller import Caller, assert_problem, make_user, nobody, with_token

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
URL = "/api/promises/"


def run(*args: str) -> str:
    out = StringIO()
    call_command("token", *args, stdout=out)
    return out.getvalue()


def call(text: str) -> Any:
    return Caller(nobody().client, {"Authorization": f"Bearer {text}"}).get(URL)


@pytest.fixture
def ana(db: None) -> Any:
    return make_user("ana")


# --- the command -----------------------------------------------------------------------------------------------------


def test_create_prints_the_token_and_nothing_else(ana: Any) -> None:
    printed = run("create", "ana", "--scope", "promises:read", "--scope", "approvals:decide")
    assert re.fullmatch(r"cs_[a-z0-9]{8}_[A-Za-z0-9_-]{43}\n", printed)
    assert call(printed.strip()).status_code == 200
    token = ApiToken.objects.get()
    assert (token.user, token.scopes, token.human, token.expires_at) == (
        ana,
        ["promises:read", "approvals:decide"],
        True,
        None,
    )


def test_only_a_hash_is_stored(ana: Any) -> None:
    secret = run("create", "ana", "--scope", "promises:read").strip().split("_", 2)[2]
    stored = ApiToken.objects.values_list().get()
    assert not any(secret in str(column) for column in stored)


def test_a_token_may_be_a_machines_and_may_expire(ana: Any) -> None:
    with time_machine.travel(NOW, tick=False):
        run("create", "ana", "--scope", "promises:read", "--machine", "--expires", "90d")
    token = ApiToken.objects.get()
    assert (token.human, token.expires_at) == (False, NOW + timedelta(days=90))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("create", "ana", "--scope", "promises:eat"), ["promises:eat", *SCOPES]),
        (("create", "ana"), ["none given"]),
        (("create", "nobody", "--scope", "promises:read"), ["nobody"]),
        (("create", "ana", "--scope", "promises:read", "--expires", "soon"), ["soon"]),
        (("create", "ana", "--scope", "promises:read", "--expires", "999999999999w"), ["999999999999w"]),
        (("revoke", "nothing"), ["nothing"]),
        ((), ["verb"]),
        (("create",), ["username"]),
    ],
)
def test_a_mistake_is_named_and_leaves_nothing(ana: Any, args: tuple[str, ...], words: list[str]) -> None:
    with pytest.raises(CommandError) as refused:
        run(*args)
    assert all(word in str(refused.value) for word in words)
    assert not ApiToken.objects.exists()
    assert refused.value.returncode == 1


def test_list_shows_prefixes_and_no_secrets(ana: Any) -> None:
    text = run("create", "ana", "--scope", "promises:read").strip()
    listed = run("list")
    assert text[:11] in listed
    assert "ana" in listed
    assert "promises:read" in listed
    assert text not in listed


@pytest.mark.parametrize("part", [slice(3, 11), slice(0, 11), slice(0, None)])
def test_a_revoked_token_is_useless_at_once(ana: Any, part: slice) -> None:
    text = run("create", "ana", "--scope", "promises:read").strip()
    run("revoke", text[part])
    run("revoke", text[part])
    assert_problem(call(text), 401, "AuthenticationFailed", "revoked")


# --- the request -----------------------------------------------------------------------------------------------------


def test_an_expired_token_is_401(ana: Any) -> None:
    with time_machine.travel(NOW, tick=False):
        text = run("create", "ana", "--scope", "promises:read", "--expires", "1h").strip()
    with time_machine.travel(NOW + timedelta(minutes=59)):
        assert call(text).status_code == 200
    with time_machine.travel(NOW + timedelta(hours=1)):
        response = call(text)
    assert_problem(response, 401, "AuthenticationFailed")
    assert response["WWW-Authenticate"] == "Bearer"


def test_the_token_of_a_user_who_left_is_401(ana: Any) -> None:
    text = run("create", "ana", "--scope", "promises:read").strip()
    ana.is_active = False
    ana.save()
    assert_problem(call(text), 401, "AuthenticationFailed")


def test_the_right_prefix_with_another_secret_is_401(ana: Any) -> None:
    text = run("create", "ana", "--scope", "promises:read").strip()
    assert_problem(call(text[:12] + "A" * 43), 401, "AuthenticationFailed")


def test_the_word_bearer_may_be_written_in_any_case(ana: Any) -> None:
    text = run("create", "ana", "--scope", "promises:read").strip()
    assert nobody().get(URL, Authorization=f"bearer {text}").status_code == 200


def test_the_last_use_is_noted_once_a_minute(ana: Any) -> None:
    _token, text = token_create(ana, ["promises:read"], now=NOW)
    for seconds, noted in ((0, 0), (59, 0), (60, 60), (61, 60)):
        token_find(text, now=NOW + timedelta(seconds=seconds))
        assert ApiToken.objects.get().last_used_at == NOW + timedelta(seconds=noted)


def test_revoking_twice_keeps_the_first_time(ana: Any) -> None:
    token, _text = token_create(ana, ["promises:read"], now=NOW)
    for minutes in (1, 2):
        revoked = token_revoke(token.prefix, now=NOW + timedelta(minutes=minutes))
        assert revoked is not None
        assert revoked.revoked_at == NOW + timedelta(minutes=1)


def test_a_missing_scope_is_403_and_named(ana: Any) -> None:
    response = with_token("ana", "approvals:read").get(URL)
    assert assert_problem(response, 403, "MissingScope", "promises:read")["scope"] == "promises:read"
    assert 'scope="promises:read"' in response["WWW-Authenticate"]
