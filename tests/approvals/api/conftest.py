"""Requests for approval as a workflow opens them, and people to decide them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group

from approvals import operations
from approvals.cards import card
from approvals.models import ApprovalRequest
from promises import store
from promises.times import NEVER, now_ms
from tests.promises.api.caller import make_user

Ask = Callable[..., ApprovalRequest]


@pytest.fixture
def people(db: None) -> dict[str, Any]:
    """ana asks; bob, carol and gus are finance; dave is nobody here."""
    finance = Group.objects.create(name="finance")
    found = {name: make_user(name) for name in ("ana", "bob", "carol", "gus", "dave")}
    for name in ("bob", "carol", "gus"):
        found[name].groups.add(finance)
    return found


@pytest.fixture
def ask(people: dict[str, Any]) -> Ask:
    """Opens a request; keywords as for `card`. Its promise is `<execution>:1`."""

    def open_request(
        title: str = "Pay 214.40?", *, execution: str = "expense-1", at: int | None = None, **asked: Any
    ) -> ApprovalRequest:
        now = now_ms() if at is None else at
        promise_id = f"{execution}:1"
        tags = {"resonate:origin": execution, "resonate:scope": "global", "countersign:approval": "1"}
        store.promise_create(promise_id, timeout_at=NEVER, now=now, tags=tags)
        asked = {"to": "group:finance", "requester": "ana", "never": "requester"} | asked
        return operations.approval_open(promise_id, card(title, **asked).to_json(), workflow="expense", now=now)

    return open_request
