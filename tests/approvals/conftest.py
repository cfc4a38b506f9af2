"""People and requests for the tests of approvals; every row is made as in production, by an operation."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from approvals import operations
from approvals.cards import card
from approvals.models import ApprovalRequest
from promises import store
from promises.times import NEVER, now_ms

PEOPLE = {
    "ana": [],
    "bob": ["finance"],
    "carol": ["finance"],
    "dave": ["sre"],
    "erin": ["sre"],
    "frank": ["sre"],
}


@pytest.fixture
def people(db: None) -> dict[str, User]:
    """ana (asks), bob and carol (finance), dave, erin, frank (sre), admin (superuser)."""
    return people_create()


def people_create() -> dict[str, User]:
    made = {}
    for name, groups in PEOPLE.items():
        made[name] = User.objects.create_user(name, password="demo")
        made[name].groups.set([Group.objects.get_or_create(name=group)[0] for group in groups])
    made["admin"] = User.objects.create_superuser("admin", password="demo")
    return made


@pytest.fixture
def ask(people: dict[str, User]) -> Callable[..., ApprovalRequest]:
    """Opens a request: `ask("Pay?", to="group:finance")`; ana asks unless told otherwise."""
    return request_open


def request_open(title: str = "Pay 12.50?", *, id: str = "", now: int | None = None, **asked: Any) -> ApprovalRequest:
    now = now_ms() if now is None else now
    promise_id = id or f"pay-{ApprovalRequest.objects.count()}:1"
    root = promise_id.partition(":")[0]
    store.promise_create(
        root,
        timeout_at=NEVER,
        now=now,
        tags={
            "resonate:target": "celery://default",
            "resonate:origin": root,
            "countersign:func": "pay",
            "countersign:version": "1",
            "countersign:requester": asked.get("requester", "ana"),
        },
    )
    store.promise_create(
        promise_id,
        timeout_at=asked.pop("promise_timeout_at", NEVER),
        now=now,
        tags={"resonate:origin": root, "resonate:parent": root, "countersign:approval": "1"},
    )
    content = card(title, **{"to": "group:finance", "requester": "ana", **asked})
    return operations.approval_open(promise_id, content.to_json(), now=now, workflow="pay")
