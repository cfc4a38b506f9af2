"""The admin: everything opens, nothing that the machine owns can be edited, and what is moved goes through the
operations, with a reason."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from approvals import operations, policies, registry
from approvals.audit import events_in, events_of
from approvals.delegations import Delegation
from approvals.durations import after
from approvals.models import ApprovalRequest
from approvals.operations.delegating import stream_of
from approvals.policies import Policy
from approvals.policy_versions import PolicyVersion
from approvals.registry import policy_register
from promises.times import now_ms

Ask = Callable[..., ApprovalRequest]
READ_ONLY = [
    *("approvalrequest", "ballot", "decision", "requestaudience", "requestversion", "requestfile", "alarm"),
    *("auditevent", "auditcheckpoint", "knownmembers", "settledpromise", "apitoken"),
]
POLICY = Policy("pay", stages=["group:finance"], remind="2h", escalate=after("8h", to="group:sre"))


@pytest.fixture
def admin(people: dict[str, User]) -> Client:
    return signed_in(people["admin"])


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    policy_register(POLICY)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, action: str, row: Any, **sent: str) -> str:
    """Take an action of the list; what the page says then."""
    name = row._meta.model_name
    sent = {"action": action, "_selected_action": str(row.pk), **sent}
    response = client.post(reverse(f"admin:approvals_{name}_changelist"), sent, follow=True)
    return str(response.content.decode())


# -- looking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [*READ_ONLY, "delegation", "policyversion"])
def test_every_model_is_listed(admin: Client, people: dict[str, User], ask: Ask, model: str) -> None:
    ask(to=POLICY)
    operations.approval_decide(ask().pk, actor=people["bob"], outcome="approve", channel="page", now=now_ms())
    operations.eligibility_sweep(now_ms())
    assert admin.get(reverse(f"admin:approvals_{model}_changelist")).status_code == 200


@pytest.mark.parametrize("model", READ_ONLY)
def test_what_the_machine_owns_is_not_added_by_hand(admin: Client, model: str) -> None:
    assert admin.get(reverse(f"admin:approvals_{model}_add")).status_code == 403


def test_a_request_is_read_and_not_written(admin: Client, ask: Ask) -> None:
    address = reverse("admin:approvals_approvalrequest_change", args=[ask("Pay?").pk])
    assert admin.get(address).status_code == 200
    assert admin.post(address, {"state": "decided"}).status_code == 403


# -- requests --------------------------------------------------------------------------------------------------------


def test_withdrawing_goes_through_the_operation_with_its_reason(admin: Client, ask: Ask) -> None:
    request = ask()
    assert "Say why" in act(admin, "withdraw_selected", request)
    assert events_of(request)[-1].kind == "opened"
    act(admin, "withdraw_selected", request, reason="twice")
    request.refresh_from_db()
    assert (request.state, request.closed_because, request.closed_reason) == ("canceled", "withdrawn", "twice")
    assert LogEntry.objects.get().get_change_message() == "withdrawn: twice"


def test_a_claim_is_taken_away_with_a_reason(admin: Client, people: dict[str, User], ask: Ask) -> None:
    request = ask()
    operations.approval_claim(request.pk, actor=people["bob"], channel="page", now=now_ms())
    act(admin, "release_selected", request, reason="on holiday")
    event = events_of(request)[-1]
    assert (event.kind, event.actor, event.channel, event.data["reason"]) == (
        "released",
        "admin",
        "admin",
        "on holiday",
    )


def test_escalating_and_reminding(admin: Client, people: dict[str, User], ask: Ask) -> None:
    request = ask()
    act(admin, "escalate_selected", request, reason="urgent", to="group:sre")
    act(admin, "remind_selected", request, reason="urgent")
    assert [event.kind for event in events_of(request)] == ["opened", "escalated", "reminded"]
    assert "names nobody" in act(admin, "escalate_selected", request, reason="urgent", to="leads")
    assert "less than 15 minutes ago" in act(admin, "remind_selected", request, reason="urgent")


def test_who_may_only_look_moves_nothing(people: dict[str, User], ask: Ask) -> None:
    people["dave"].is_staff = True
    people["dave"].save()
    people["dave"].user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    request = ask()
    act(signed_in(people["dave"]), "withdraw_selected", request, reason="mine")
    request.refresh_from_db()
    assert request.state == "pending"


# -- delegations -----------------------------------------------------------------------------------------------------


def delegation(**sent: str) -> dict[str, str]:
    return {
        "delegator": "bob",
        "delegate": "carol",
        "starts_0": "2027-01-01",
        "starts_1": "08:00",
        "ends_0": "2027-01-15",
        "ends_1": "18:00",
        "reason": "On holiday.",
        **sent,
    }


def test_a_delegation_is_made_and_revoked_and_each_recorded(admin: Client, people: dict[str, User]) -> None:
    response = admin.post(reverse("admin:approvals_delegation_add"), delegation())
    assert response.status_code == 302
    made = Delegation.objects.get()
    assert (made.delegator, made.delegate, made.created_by) == ("bob", "carol", "admin")
    assert admin.get(reverse("admin:approvals_delegation_change", args=[made.pk])).status_code == 200
    act(admin, "revoke_selected", made, reason="back early")
    events = events_in(stream_of("bob"))
    assert [(event.kind, event.data["reason"]) for event in events] == [
        ("delegated", "On holiday."),
        ("delegation_revoked", "back early"),
    ]


@pytest.mark.parametrize(
    "wrong", [{"delegate": "bob"}, {"delegate": "nobody"}, {"ends_0": "2026-12-31"}, {"reason": ""}, {"ends_0": "soon"}]
)
def test_a_delegation_that_makes_no_sense_stays_in_the_form(
    admin: Client, people: dict[str, User], wrong: dict[str, str]
) -> None:
    response = admin.post(reverse("admin:approvals_delegation_add"), delegation(**wrong))
    assert response.status_code == 200
    assert "errornote" in response.content.decode()
    assert not Delegation.objects.exists()


# -- policies --------------------------------------------------------------------------------------------------------


def test_a_policy_is_edited_from_the_version_in_force(admin: Client, people: dict[str, User]) -> None:
    address = reverse("admin:approvals_policyversion_add")
    assert "group:finance" in admin.get(f"{address}?name=pay").content.decode()
    definition = policies.freeze(POLICY.changed(stages=["group:sre"]))
    sent = {"name": "pay", "definition": json.dumps(definition), "reason": "They are on duty."}
    assert admin.post(address, sent).status_code == 302
    made = PolicyVersion.objects.get()
    assert (made.version, made.created_by, made.reason) == (2, "admin", "They are on duty.")
    assert "group:sre" in admin.get(f"{address}?name=pay").content.decode()
    assert admin.get(reverse("admin:approvals_policyversion_change", args=[made.pk])).status_code == 200
    assert [event.kind for event in events_in("policy:pay")] == ["policy_edited"]


@pytest.mark.parametrize(
    ("definition", "why"),
    [('["x"]', "JSON object"), ("{}", "required"), ("no json", "JSON"), ('{"stages": ["everybody"]}', "no policy")],
)
def test_a_definition_that_is_no_policy_stays_in_the_form(
    admin: Client, people: dict[str, User], definition: str, why: str
) -> None:
    sent = {"name": "pay", "definition": definition, "reason": "x"}
    response = admin.post(reverse("admin:approvals_policyversion_add"), sent)
    assert response.status_code == 200
    assert why in response.content.decode()
    assert not PolicyVersion.objects.exists()


def test_a_policy_that_is_not_registered_is_not_offered(admin: Client, people: dict[str, User]) -> None:
    address = reverse("admin:approvals_policyversion_add")
    assert admin.get(f"{address}?name=other").status_code == 200
    sent = {"name": "other", "definition": "{}", "reason": "x"}
    assert "not one of the available choices" in admin.post(address, sent).content.decode()
