"""/api/approvals/: forms, corrections, versions and files, as programs use them."""

from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from approvals import operations
from approvals.api.outputs import ApprovalSerializer
from approvals.cards import card
from approvals.files import FILE_LIMIT, File, accepts
from approvals.models import Ballot, RequestFile
from approvals.outcomes import Outcome, approve, reject
from approvals.policies import Policy
from approvals.requirements import n_of
from promises.times import now_ms
from tests.approvals.api.conftest import Ask
from tests.promises.api.caller import Caller, assert_problem, nobody, with_session, with_token

URL = "/api/approvals/"
DRAFT = {"to": "ana", "amount": Decimal("12.50"), "body": "Dear Ana"}


class Payment(BaseModel):
    limit: Annotated[Decimal, Field(ge=0)]
    lines: list[int] = []


class Receipts(BaseModel):
    invoice: Annotated[File, accepts("application/pdf")]


@pytest.fixture
def bob(people: Any) -> Caller:
    return with_token("bob")


def of(request: Any, *more: str) -> str:
    return "/".join([f"{URL}{request.pk}", *more, ""])


def upload(caller: Caller, request: Any, content: bytes = b"%PDF-1.7", name: str = "a.pdf", **headers: str) -> Any:
    kind = headers.pop("Content_Type", "application/pdf")
    path = f"{of(request, 'files')}?name={name}"
    return caller.client.post(path, content, content_type=kind, headers=caller.headers | headers)


# --- forms -----------------------------------------------------------------------------------------------------------


def test_what_is_asked_and_proposed_is_shown_whole(bob: Caller, ask: Ask) -> None:
    outcomes = [approve("Ship"), Outcome("canary", "5 % first", tone="positive", form={"type": "integer"}), reject()]
    shown = bob.get(of(ask(form=Payment, propose=DRAFT, editable=["amount"], outcomes=outcomes))).json()
    assert set(shown) == set(ApprovalSerializer().fields)
    forms = {outcome["name"]: outcome["form"] for outcome in shown["outcomes"]}
    assert forms["approve"]["properties"]["limit"] == {
        "title": "Limit",
        "type": "string",
        "format": "decimal",
        "minimum": 0,
    }
    assert (forms["canary"], forms["reject"]) == ({"type": "integer"}, None)
    assert [outcome["tone"] for outcome in shown["outcomes"]] == ["positive", "positive", "negative"]
    assert shown["proposal"]["value"] == {"to": "ana", "amount": "12.50", "body": "Dear Ana"}
    assert shown["proposal"]["editable"] == ["amount"]
    assert (shown["version"], shown["versions"], shown["previous"], shown["note"]) == (1, [], None, "")
    assert (shown["input"], shown["value"]) == (None, None)


def test_a_decision_carries_input_and_correction(bob: Caller, ask: Ask) -> None:
    request = ask(form=Payment, propose=DRAFT, editable=["amount"])
    body = {"outcome": "approve", "input": {"limit": "5", "lines": [1]}, "value": {"amount": "10.00"}, "stage": 1}
    response = bob.post(of(request, "decisions"), body, If_Match=bob.get(of(request))["ETag"])
    assert response.status_code == 201
    shown = response.json()
    assert (shown["state"], shown["input"]) == ("decided", {"limit": "5", "lines": [1]})
    assert shown["value"] == {"to": "ana", "amount": "10.00", "body": "Dear Ana"}
    assert shown["ballots"][0]["input"] == shown["input"]
    assert response["ETag"] == f'"{shown["digest"]}"' != f'"{request.digest}"'


def test_what_does_not_fit_is_422_with_a_pointer_for_each_field(bob: Caller, ask: Ask) -> None:
    request = ask(form=Payment, propose=DRAFT, editable=["amount"], outcomes=[approve(comment="required")])
    body = {"outcome": "approve", "input": {"limit": 5, "lines": ["x"]}, "value": {"amount": "much", "to": "eve"}}
    problem = assert_problem(bob.post(of(request, "decisions"), body), 422, "InvalidInput")
    assert list(problem["errors"]) == ["/comment", "/input/limit", "/input/lines/0", "/value/to", "/value/amount"]
    assert problem["errors"]["/input/lines/0"] == ["A whole number is needed."]
    assert not Ballot.objects.exists()
    fits = {"outcome": "approve", "comment": "", "input": {"limit": "5"}}
    problem = assert_problem(bob.post(of(request, "decisions"), fits), 422, "CommentRequired")
    assert list(problem["errors"]) == ["/comment"]
    assert bob.post(of(request, "decisions"), fits | {"comment": "so be it"}).status_code == 201


def test_a_missing_input_is_told_as_what_is_missing(bob: Caller, ask: Ask) -> None:
    problem = assert_problem(bob.post(of(ask(form=Payment), "decisions"), {"outcome": "approve"}), 422, "InvalidInput")
    assert list(problem["errors"]) == ["/input"]


@pytest.mark.parametrize("stage", [0, "x", -1])
def test_a_stage_counts_from_one(bob: Caller, ask: Ask, stage: Any) -> None:
    response = bob.post(of(ask(), "decisions"), {"outcome": "approve", "stage": stage})
    assert list(assert_problem(response, 400, "ValidationError")["errors"]) == ["stage"]


def test_naming_the_stage_lets_one_person_answer_the_next_one_too(bob: Caller, ask: Ask) -> None:
    request = ask(to=Policy("twice", stages=["group:finance", "group:finance"]))
    body = {"outcome": "approve", "stage": 1}
    assert [bob.post(of(request, "decisions"), body).status_code for _ in range(2)] == [201, 200]
    assert bob.post(of(request, "decisions"), {"outcome": "approve", "stage": 2}).json()["state"] == "decided"


# --- versions --------------------------------------------------------------------------------------------------------


def test_a_stale_answer_is_412_with_what_changed(bob: Caller, ask: Ask) -> None:
    request = ask(propose=DRAFT, to=n_of(2, "group:finance"))
    etag = bob.get(of(request))["ETag"]
    bob.post(of(request, "decisions"), {"outcome": "approve", "comment": "the first one"})
    revised = card("Pay less?", to=n_of(2, "group:finance"), propose={**DRAFT, "body": "Hi"}, never="requester")
    operations.approval_revise(request.pk, revised.to_json(), revision=1, now=now_ms())
    stale = with_token("carol").post(of(request, "decisions"), {"outcome": "approve"}, If_Match=etag)
    problem = assert_problem(stale, 412, "RequestChanged")
    assert problem["changes"] == [
        {"op": "replace", "path": "/title", "old": "Pay 214.40?", "value": "Pay less?"},
        {"op": "replace", "path": "/proposal/value/body", "old": "Dear Ana", "value": "Hi"},
    ]
    current = bob.get(of(request))
    assert (problem["version"], f'"{problem["digest"]}"') == (2, current["ETag"])
    (version,) = current.json()["versions"]
    assert (version["version"], f'"{version["digest"]}"', version["replaced_by"]) == (1, etag, None)
    assert version["changes"] == problem["changes"]
    assert [(ballot["by"], ballot["comment"]) for ballot in version["ballots"]] == [("bob", "the first one")]
    assert current.json()["ballots"] == []


def test_an_unknown_version_is_412_without_a_difference(bob: Caller, ask: Ask) -> None:
    stale = bob.post(of(ask(), "decisions"), {"outcome": "approve"}, If_Match='"other"')
    assert assert_problem(stale, 412, "RequestChanged")["changes"] == []


def test_versions_cost_the_same_however_many(bob: Caller, ask: Ask, django_assert_max_num_queries: Any) -> None:
    request = ask(propose=DRAFT)
    for revision in range(1, 6):
        changed = card("Pay?", to="group:finance", propose={**DRAFT, "body": str(revision)})
        operations.approval_revise(request.pk, changed.to_json(), revision=revision, now=now_ms())
    bob.get(of(request))
    with django_assert_max_num_queries(14):
        assert [version["version"] for version in bob.get(of(request)).json()["versions"]] == [5, 4, 3, 2, 1]


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_file_is_uploaded_referred_to_and_downloaded_as_an_attachment(bob: Caller, ask: Ask) -> None:
    request = ask(form=Receipts)
    kept = upload(bob, request, name="Re%C3%A7u%20%22x%22.pdf")
    assert kept.status_code == 201
    file = kept.json()
    assert (file["name"], file["size"], file["content_type"]) == ("Reçu x.pdf", 8, "application/pdf")
    body = {"outcome": "approve", "input": {"invoice": {"id": file["id"]}}}
    assert bob.post(of(request, "decisions"), body).json()["input"]["invoice"] == file
    response = bob.get(of(request, "files", file["id"]))
    assert (response.status_code, response.content) == (200, b"%PDF-1.7")
    assert response["Content-Disposition"] == "attachment; filename*=UTF-8''Re%C3%A7u%20x.pdf"
    assert (response["Content-Type"], response["X-Content-Type-Options"]) == ("application/pdf", "nosniff")
    assert "sandbox" in response["Content-Security-Policy"]
    assert "no-store" in response["Cache-Control"]


def test_a_file_is_served_only_to_those_who_may_see_it(bob: Caller, ask: Ask, people: Any) -> None:
    request, another = ask(form=Receipts), ask(form=Receipts, execution="other")
    file = upload(bob, request).json()
    path = of(request, "files", file["id"])
    assert bob.get(path).status_code == 200
    assert_problem(with_token("carol").get(path), 404, "RequestNotFound")  # it belongs to no answer yet
    assert_problem(with_token("dave").get(path), 403, "NotConcerned")
    assert_problem(nobody().get(path), 401)
    assert_problem(with_token("bob", "approvals:decide").get(path), 403, "MissingScope")
    assert_problem(bob.get(of(another, "files", file["id"])), 404, "RequestNotFound")
    bob.post(of(request, "decisions"), {"outcome": "approve", "input": {"invoice": {"id": file["id"]}}})
    assert with_session(people["carol"]).get(path).status_code == 200


@pytest.mark.parametrize("id", ["5aef935e-8f0f-491c-9e8d-4df28ca8d7b9", "x", "%00", "1"])
def test_a_missing_file_is_404(bob: Caller, ask: Ask, id: str) -> None:
    assert_problem(bob.get(of(ask(), "files", id)), 404, "RequestNotFound")


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/pdf", 422),
        (b"GIF89a", "application/pdf", 422),
        (b"%PDF-", "nonsense", 422),
        (b"%PDF-" + b"x" * FILE_LIMIT, "application/pdf", 413),
    ],
)
def test_what_is_no_such_file_is_refused(bob: Caller, ask: Ask, content: bytes, kind: str, status: int) -> None:
    assert_problem(upload(bob, ask(form=Receipts), content, Content_Type=kind), status)
    assert not RequestFile.objects.exists()


def test_only_people_who_may_decide_upload(ask: Ask, people: Any) -> None:
    request = ask(form=Receipts)
    assert_problem(upload(with_token("dave"), request), 403, "NotEligible")
    assert_problem(upload(with_token("bob", human=False), request), 403, "NotEligible")
    assert_problem(upload(with_token("bob", "approvals:read"), request), 403, "MissingScope")
    assert_problem(upload(with_session(people["bob"], enforce_csrf=True), request), 403, "PermissionDenied")
    assert upload(with_session(people["bob"]), request).status_code == 201
