"""Working with requests by REST: each route works, repeats, and refuses whom the operation refuses."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User

from approvals import operations
from approvals.api.outputs import ApprovalSerializer, EventSerializer
from approvals.models import AuditEvent, Decision
from approvals.receipts import receipt_verify
from promises.times import now_ms
from tests.approvals.api.conftest import Ask
from tests.promises.api.caller import Caller, assert_problem, with_session, with_token

YES = {"outcome": "approve"}


@pytest.fixture
def operator(people: Any) -> Caller:
    """Somebody who may operate requests; of the people asked he is none."""
    user = User.objects.create_user("olga")
    names = ["change_approvalrequest", "view_approvalrequest"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return with_token("olga")


def of(request: Any, name: str) -> str:
    return f"/api/approvals/{request.pk}/{name}/"


def test_a_claim_is_shown_and_keeps_others_out(ask: Ask) -> None:
    request = ask()
    bob, carol = with_token("bob"), with_token("carol")
    for _ in range(2):
        shown = bob.post(of(request, "claim"), {})
        assert (shown.status_code, shown.json()["claimed_by"]) == (200, "bob")
    assert set(shown.json()) == set(ApprovalSerializer().fields)
    assert_problem(carol.post(of(request, "decisions"), YES), 403, "NotEligible", "bob has claimed")
    problem = assert_problem(carol.post(of(request, "claim")), 409, "AlreadyClaimed")
    assert problem["claimed_by"] == "bob"
    assert_problem(carol.post(of(request, "release"), {}), 403, "NotAllowed")
    assert bob.post(of(request, "release"), {}).json()["claimed_by"] is None
    assert carol.post(of(request, "decisions"), YES).status_code == 201


def test_a_machine_claims_and_hands_on_nothing(ask: Ask) -> None:
    machine = with_token("bob", human=False)
    request = ask(to="user:bob")
    problem = assert_problem(machine.post(of(request, "claim"), {}), 403, "NotEligible", "people")
    assert [rule["name"] for rule in problem["rules"] if not rule["passed"]] == ["person"]
    sent = {"instead_of": "user:bob", "to": "user:carol"}
    assert_problem(machine.post(of(request, "reassign"), sent), 403, "NotAllowed")


def test_ones_own_place_is_handed_on_and_anybodys_by_an_operator(ask: Ask, operator: Caller) -> None:
    request = ask(to="user:bob")
    sent = {"instead_of": "user:bob", "to": "user:carol", "reason": "She knows more."}
    shown = with_token("bob").post(of(request, "reassign"), sent).json()
    assert shown["amendments"] == [{"kind": "reassign", "to": ["user:carol"], "stage": 0, "instead_of": "user:bob"}]
    back = {"instead_of": "user:carol", "to": "user:bob"}
    assert_problem(with_token("bob").post(of(request, "reassign"), back), 403, "NotAllowed")
    assert operator.post(of(request, "reassign"), back).status_code == 200
    assert with_token("bob").post(of(request, "decisions"), YES).status_code == 201
    assert_problem(operator.post(of(request, "reassign"), sent), 409, "AlreadyDecided", "bob")


def test_a_permission_counts_only_with_the_scope(ask: Ask, operator: Caller) -> None:
    request = ask()
    narrow = with_token("olga", "approvals:read", "approvals:decide")
    sent = {"instead_of": "group:finance", "to": "user:dave"}
    assert_problem(narrow.post(of(request, "reassign"), sent), 403, "NotAllowed")
    assert_problem(narrow.post(of(request, "escalate"), {"to": "user:dave"}), 403, "MissingScope")
    assert_problem(narrow.get(f"{of(request, 'eligibility')}?user=bob"), 403, "MissingPermission")
    assert operator.post(of(request, "reassign"), sent).status_code == 200
    session = with_session(User.objects.get(username="olga"))
    assert session.post(of(request, "escalate"), {"to": "user:bob"}).status_code == 200


def test_an_approver_is_added(ask: Ask, operator: Caller) -> None:
    request = ask()
    bob, dave = with_token("bob"), with_token("dave")
    sent = {"principal": "user:dave", "reason": "His budget."}
    assert bob.post(of(request, "approvers"), sent).status_code == 200
    assert_problem(bob.post(of(request, "approvers"), sent | {"required": False}), 403, "NotAllowed")
    assert bob.post(of(request, "decisions"), YES).json()["state"] == "pending"
    assert dave.post(of(request, "decisions"), YES).json()["state"] == "decided"


def test_an_operator_escalates(ask: Ask, operator: Caller) -> None:
    User.objects.get(username="dave").groups.add(Group.objects.create(name="leads"))
    request = ask()
    assert_problem(with_token("bob").post(of(request, "escalate"), {"to": "group:leads"}), 403, "NotAllowed")
    assert operator.post(of(request, "escalate"), {"to": "group:leads"}).status_code == 200
    assert with_token("dave").post(of(request, "decisions"), YES).status_code == 201


@pytest.mark.parametrize(
    ("route", "body", "code"),
    [
        ("reassign", {"instead_of": "bob", "to": "user:carol"}, "InvalidPolicy"),
        ("reassign", {"instead_of": "group:finance", "to": "user:nobody"}, "InvalidChange"),
        ("approvers", {"principal": "everybody"}, "InvalidPolicy"),
        ("escalate", {"to": "user:ana"}, "InvalidChange"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    ask: Ask, operator: Caller, route: str, body: dict[str, str], code: str
) -> None:
    assert_problem(operator.post(of(ask(), route), body), 422, code)


@pytest.mark.parametrize("route", ["reassign", "approvers", "escalate", "comments"])
def test_what_is_missing_is_named(ask: Ask, operator: Caller, route: str) -> None:
    assert assert_problem(operator.post(of(ask(), route), {}), 400)["errors"]


def test_whoever_asked_reminds_but_not_all_the_time(ask: Ask) -> None:
    request = ask()
    assert_problem(with_token("bob").post(of(request, "remind"), {}), 403, "NotAllowed")
    ana = with_token("ana")
    assert ana.post(of(request, "remind"), {}).status_code == 200
    assert_problem(ana.post(of(request, "remind"), {}), 409, "RemindedAlready")


def test_a_comment_is_read_by_those_whom_it_concerns(ask: Ask) -> None:
    request = ask()
    said = with_token("bob").post(of(request, "comments"), {"text": " I have asked. "})
    assert (said.status_code, said.json()["data"]) == (201, {"text": "I have asked."})
    assert with_token("bob").post(of(request, "comments"), {"text": "I have asked."}).json() == said.json()
    assert_problem(with_token("dave").post(of(request, "comments"), {"text": "me too"}), 403, "NotEligible")
    events = with_token("carol").get(of(request, "events")).json()["results"]
    assert [event["kind"] for event in events] == ["opened", "commented"]


def test_the_events_come_in_order_and_in_pages(ask: Ask) -> None:
    request = ask()
    bob = with_token("bob")
    bob.post(of(request, "decisions"), YES)
    path, found = f"{of(request, 'events')}?limit=2", []
    while path:
        page = bob.get(path).json()
        found += page["results"]
        path = page["next"]
    assert [event["number"] for event in found] == [1, 2, 3]
    assert [event["previous_hash"] for event in found[1:]] == [event["hash"] for event in found[:-1]]
    assert set(found[0]) == set(EventSerializer().fields)
    assert_problem(with_token("dave").get(of(request, "events")), 403, "NotConcerned")


def test_the_receipt_of_a_decision(ask: Ask, settings: Any) -> None:
    from approvals import keys

    request = ask()
    bob = with_token("bob")
    assert_problem(bob.get(of(request, "receipt")), 404, "RequestNotFound", "not decided")
    bob.post(of(request, "decisions"), YES)
    receipt = bob.get(of(request, "receipt")).json()
    assert receipt_verify(receipt, keys.known_keys([]))["by"] == "bob"
    Decision.objects.update(receipt=None)
    assert_problem(bob.get(of(request, "receipt")), 404, "NoReceipt", "no signing key")


def test_an_operator_asks_who_may_decide_and_why_not(ask: Ask, operator: Caller) -> None:
    path = of(ask(), "eligibility")
    assert operator.get(f"{path}?user=bob").json()["allowed"] is True
    dave = operator.get(f"{path}?user=dave").json()
    assert [rule["name"] for rule in dave["rules"] if not rule["passed"]] == ["audience"]
    assert_problem(operator.get(f"{path}?user=nobody"), 404, "UserNotFound")
    assert_problem(with_token("bob").get(f"{path}?user=carol"), 403, "MissingPermission")
    assert with_token("bob").get(f"{path}?user=bob").json()["allowed"] is True


# -- delegations -----------------------------------------------------------------------------------------------------


def test_a_deputy_decides_and_the_answer_says_for_whom(ask: Ask) -> None:
    bob, dave = with_token("bob"), with_token("dave")
    made = bob.post("/api/delegations/", {"delegate": "dave", "ends_at": "1d", "reason": "On holiday."})
    assert (made.status_code, made.json()["delegator"]) == (201, "bob")
    request = ask()
    assert dave.get(of(request, "eligibility")).json()["on_behalf_of"] == "bob"
    decided = dave.post(of(request, "decisions"), YES | {"on_behalf_of": "bob"}).json()
    assert [(ballot["by"], ballot["on_behalf_of"]) for ballot in decided["ballots"]] == [("dave", "bob")]


def test_delegations_are_listed_and_revoked(people: Any) -> None:
    bob, dave, carol = with_token("bob"), with_token("dave"), with_token("carol")
    ids = [bob.post("/api/delegations/", {"delegate": "dave", "ends_at": f"{n}d"}).json()["id"] for n in (1, 2, 3)]
    listed = dave.get("/api/delegations/?limit=2").json()
    assert len(listed["results"]) == 2
    assert len(dave.get(listed["next"]).json()["results"]) == 1
    assert carol.get("/api/delegations/").json()["results"] == []
    assert_problem(carol.post(f"/api/delegations/{ids[0]}/revoke/", {}), 404, "DelegationNotFound")
    assert_problem(dave.post(f"/api/delegations/{ids[0]}/revoke/", {}), 403, "NotAllowed")
    revoked = bob.post(f"/api/delegations/{ids[0]}/revoke/", {"reason": "back"}).json()
    assert revoked["revoked_at"]
    assert len(bob.get("/api/delegations/?active=true").json()["results"]) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"delegate": "dave"}, 400),
        ({"delegate": "dave", "ends_at": "soon"}, 400),
        ({"delegate": "bob", "ends_at": "1d"}, 422),
        ({"delegate": "nobody", "ends_at": "1d"}, 422),
        ({"delegate": "dave", "ends_at": "500d"}, 422),
        ({"delegate": "dave", "ends_at": "1d", "delegator": "carol"}, 403),
    ],
)
def test_a_delegation_that_makes_no_sense_is_refused(people: Any, body: dict[str, str], status: int) -> None:
    assert_problem(with_token("bob").post("/api/delegations/", body), status)


def test_a_machine_delegates_nothing_and_others_only_an_operator(people: Any) -> None:
    machine = with_token("bob", human=False)
    assert_problem(machine.post("/api/delegations/", {"delegate": "dave", "ends_at": "1d"}), 403, "NotAllowed")
    User.objects.create_superuser("root")
    sent = {"delegator": "bob", "delegate": "dave", "ends_at": "1d"}
    assert_problem(with_token("root", "approvals:decide").post("/api/delegations/", sent), 403, "NotAllowed")
    assert with_token("root").post("/api/delegations/", sent).status_code == 201


def test_every_route_says_that_there_is_no_such_request(operator: Caller) -> None:
    bodies = {
        "claim": {},
        "release": {},
        "reassign": {"instead_of": "user:bob", "to": "user:carol"},
        "approvers": {"principal": "user:dave"},
        "escalate": {"to": "user:dave"},
        "remind": {},
        "comments": {"text": "hello"},
    }
    for name, body in bodies.items():
        assert_problem(operator.post(f"/api/approvals/nothing/{name}/", body), 404, "RequestNotFound")
    for name in ("events", "receipt"):
        assert_problem(operator.get(f"/api/approvals/nothing/{name}/"), 404, "RequestNotFound")


def test_what_is_written_by_rest_is_recorded_as_such(ask: Ask) -> None:
    request = ask(to="user:bob")
    with_token("bob").post(of(request, "claim"), {})
    operations.approval_release(request.pk, actor=User.objects.get(username="bob"), channel="page", now=now_ms())
    channels = AuditEvent.objects.filter(stream=str(request.pk)).order_by("number").values_list("channel", flat=True)
    assert list(channels) == ["workflow", "api", "page"]
