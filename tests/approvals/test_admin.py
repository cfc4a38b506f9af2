"""The admin: everything opens, nothing that the machine owns can be edited, withdrawing goes through the operation."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from approvals import operations
from approvals.models import ApprovalRequest
from promises.times import now_ms

MODELS = ["approvalrequest", "ballot", "decision", "auditevent", "requestaudience", "settledpromise", "apitoken"]


@pytest.fixture
def admin(people: dict[str, User]) -> Client:
    client = Client()
    client.force_login(people["admin"])
    return client


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_listed_and_none_is_added_by_hand(
    admin: Client, people: dict[str, User], ask: Callable[..., ApprovalRequest], model: str
) -> None:
    operations.approval_decide(ask().pk, actor=people["bob"], outcome="approve", channel="page", now=now_ms())
    assert admin.get(reverse(f"admin:approvals_{model}_changelist")).status_code == 200
    assert admin.get(reverse(f"admin:approvals_{model}_add")).status_code == 403


def test_a_request_is_read_and_not_written(admin: Client, ask: Callable[..., ApprovalRequest]) -> None:
    address = reverse("admin:approvals_approvalrequest_change", args=[ask("Pay?").pk])
    assert admin.get(address).status_code == 200
    assert admin.post(address, {"state": "decided"}).status_code == 403


def test_withdrawing_goes_through_the_operation(admin: Client, ask: Callable[..., ApprovalRequest]) -> None:
    request = ask()
    sent = {"action": "withdraw_selected", "_selected_action": [str(request.pk)]}
    admin.post(reverse("admin:approvals_approvalrequest_changelist"), sent)
    request.refresh_from_db()
    assert (request.state, request.closed_because) == ("canceled", "withdrawn")
