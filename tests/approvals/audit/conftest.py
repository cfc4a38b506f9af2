"""A key, requests with a history, and somebody who changes the tables behind everybody's back."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from approvals import operations, signing
from approvals.durations import after
from approvals.models import ApprovalRequest
from approvals.policies import Policy
from approvals.requirements import n_of

NOW = 1_800_000_000_000
HOUR = 3_600_000
KEY = "bm90aGluZy11cC1teS1zbGVldmUtbm90aGluZy1hLTE"
OTHER_KEY = "bm90aGluZy11cC1teS1zbGVldmUtbm90aGluZy1hLTI"
PUBLIC = signing.public_text(signing.key_of(KEY).public_key())
OTHER_PUBLIC = signing.public_text(signing.key_of(OTHER_KEY).public_key())

Tamper = Callable[..., None]


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.APPROVALS = {**settings.APPROVALS, "SIGNING_KEY": KEY}


@pytest.fixture
def no_key(settings: Any) -> None:
    settings.APPROVALS = {**settings.APPROVALS, "SIGNING_KEY": ""}


@pytest.fixture
def story(people: dict[str, User], ask: Callable[..., ApprovalRequest]) -> ApprovalRequest:
    """A request with all that can happen to one before it is decided."""
    policy = Policy("p", stages=["user:ana", n_of(2, "group:finance")], escalate=after("8h", to="group:sre"))
    request = ask(to=policy, requester="frank", now=NOW)
    common: dict[str, Any] = {"channel": "page", "reason": "because"}
    operations.approval_reassign(
        request.pk, instead_of="user:ana", to="user:bob", actor=people["ana"], now=NOW + 1, **common
    )
    operations.approval_claim(request.pk, actor=people["bob"], channel="page", now=NOW + 2)
    decide(request, people["bob"], NOW + 3)
    operations.approval_add_approver(
        request.pk, principal="user:erin", actor=people["carol"], is_required=True, now=NOW + 4, **common
    )
    operations.delegation_create(
        "carol", "dave", starts_at=NOW, ends_at=NOW + 100 * HOUR, by=people["carol"], now=NOW + 5
    )
    operations.alarms_ring(NOW + 8 * HOUR)
    decide(request, people["dave"], NOW + 8 * HOUR + 1, on_behalf_of="carol")
    decide(request, people["bob"], NOW + 8 * HOUR + 2, stage=1)
    decide(request, people["erin"], NOW + 8 * HOUR + 3)
    request.refresh_from_db()
    assert request.state == "decided"
    return request


def decide(request: ApprovalRequest, actor: User, now: int, outcome: str = "approve", **more: Any) -> operations.Vote:
    return operations.approval_decide(
        request.pk, actor=actor, outcome=outcome, comment="so be it", channel="page", now=now, **more
    )


@pytest.fixture
def tamper(db: None) -> Tamper:
    """Run a statement with the guards off, as somebody could who owns the database."""

    def run(statement: str, *parameters: object) -> None:
        with connection.cursor() as cursor:
            for name in ("event", "checkpoint"):
                cursor.execute(f"ALTER TABLE approvals_audit{name} DISABLE TRIGGER USER")
            cursor.execute(statement, parameters)
            assert cursor.rowcount > 0
            for name in ("event", "checkpoint"):
                cursor.execute(f"ALTER TABLE approvals_audit{name} ENABLE TRIGGER USER")

    return run
