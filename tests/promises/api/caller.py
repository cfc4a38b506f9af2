"""How the tests of the REST interfaces call them: with a token, with a session, or with nothing."""

import json
from typing import Any

from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from approvals.tokens import SCOPES, token_create

PROBLEM = "application/problem+json"
ABSENT: Any = object()


class Caller:
    """A client that sends JSON and remembers who it is."""

    def __init__(self, client: Client, headers: dict[str, str] | None = None) -> None:
        self.client = client
        self.headers = headers or {}

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=self.headers | headers)

    def post(self, path: str, body: Any = ABSENT, **headers: str) -> Any:
        data = "" if body is ABSENT else body if isinstance(body, str | bytes) else json.dumps(body)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, data, content_type="application/json", headers=self.headers | names)

    def delete(self, path: str) -> Any:
        return self.client.delete(path, headers=self.headers)


def make_user(name: str, **extra: Any) -> Any:
    user, _created = get_user_model().objects.get_or_create(username=name, defaults=extra)
    return user


def with_token(name: str = "robot", *scopes: str, human: bool = True) -> Caller:
    """A caller with a token of user `name`; all scopes when none is named."""
    _token, text = token_create(make_user(name), list(scopes or SCOPES), now=timezone.now(), human=human)
    return Caller(Client(raise_request_exception=False), {"Authorization": f"Bearer {text}"})


def with_session(user: Any, *, enforce_csrf: bool = False) -> Caller:
    """A caller who is signed in as `user`."""
    client = Client(raise_request_exception=False, enforce_csrf_checks=enforce_csrf)
    client.force_login(user)
    return Caller(client)


def nobody() -> Caller:
    return Caller(Client(raise_request_exception=False))


def assert_problem(response: Any, status: int, code: str = "", *words: str) -> dict[str, Any]:
    """The response is a problem document with this status and code whose detail has these words; returns it."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == PROBLEM
    document: dict[str, Any] = json.loads(response.content)
    assert {"type", "title", "status", "detail", "code", "instance"} <= set(document)
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert not code or document["code"] == code
    assert all(word in document["detail"] for word in words), document["detail"]
    assert "Traceback" not in response.content.decode()
    return document
