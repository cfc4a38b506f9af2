"""Input that comes with an answer: validated inside the one function that decides, kept with the ballot, and files."""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

import pytest
from django.contrib.auth.models import User
from pydantic import BaseModel, Field

from approvals import operations
from approvals.canonical import digest_of
from approvals.errors import CommentRequired, InvalidInput, NotEligible, RequestClosed, RequestNotFound
from approvals.files import FILE_LIMIT, File, accepts
from approvals.models import ApprovalRequest, AuditEvent, Ballot, Decision, RequestFile
from approvals.operations.filing import FILES_LIMIT
from approvals.outcomes import Outcome, approve, reject
from approvals.requirements import n_of
from approvals.submissions import INPUT_LIMIT
from promises import store
from promises.times import now_ms

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]


class Payment(BaseModel):
    limit: Annotated[Decimal, Field(ge=0, decimal_places=2)]
    note: str = ""


class Receipts(BaseModel):
    invoice: Annotated[File, accepts("application/pdf", max_bytes=50)]
    others: list[File] = []


def decide(request: ApprovalRequest, actor: User, outcome: str = "approve", comment: str = "", **more: Any) -> Any:
    more = {"now": now_ms(), "channel": "page", **more}
    return operations.approval_decide(request.pk, actor=actor, outcome=outcome, comment=comment, **more)


def upload(request: ApprovalRequest, actor: User, content: bytes = b"%PDF-1.7", **more: Any) -> File:
    more = {"name": "invoice.pdf", "content_type": "application/pdf", "now": now_ms(), **more}
    return operations.file_add(request.pk, actor=actor, content=content, **more)


def refused(request: ApprovalRequest, actor: User, input: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        decide(request, actor, input=input)
    return {error.pointer: error.why for error in caught.value.fields}


# -- forms -----------------------------------------------------------------------------------------------------------


def test_the_input_is_kept_with_the_ballot_and_the_decision(people: People, ask: Ask) -> None:
    request = ask(form=Payment)
    decide(request, people["bob"], input={"limit": "10.50"})
    assert Ballot.objects.get().input == Decision.objects.get().input == {"limit": "10.50"}
    settled = store.promise_get(request.promise_id, now=now_ms()).value.decode()
    assert settled["input"] == {"limit": "10.50"}
    recorded = AuditEvent.objects.get(kind="ballot").data
    assert recorded["input_digest"] == digest_of({"limit": "10.50"})
    assert "10.50" not in str(recorded)


def test_each_of_several_gives_his_own_input_and_the_last_decides(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:sre"), form=Payment)
    decide(request, people["dave"], input={"limit": "1"})
    decide(request, people["erin"], input={"limit": "2"})
    answer = operations.approval_answer(request.promise_id, now=now_ms())
    assert answer.input == {"limit": "2"}
    assert [ballot.input for ballot in answer.ballots] == [{"limit": "1"}, {"limit": "2"}]


@pytest.mark.parametrize(
    ("input", "pointers"),
    [
        (None, {"/input"}),
        ([], {"/input"}),
        ({}, {"/input/limit"}),
        ({"limit": "-1"}, {"/input/limit"}),
        ({"limit": "1.234", "note": 5, "more": 1}, {"/input/limit", "/input/note", "/input/more"}),
        ({"limit": "1", "note": "x" * INPUT_LIMIT}, {"/input"}),
    ],
)
def test_what_does_not_fit_writes_nothing(people: People, ask: Ask, input: Any, pointers: set[str]) -> None:
    assert refused(ask(form=Payment), people["bob"], input).keys() == pointers
    assert not Ballot.objects.exists()


def test_an_outcome_with_a_form_of_its_own_takes_that_one(people: People, ask: Ask) -> None:
    own = Outcome("canary", form={"type": "integer", "maximum": 50})
    request = ask(form=Payment, outcomes=[approve(), own, reject(form=Payment)])
    with pytest.raises(InvalidInput):
        decide(request, people["bob"], "canary", input={"limit": "1"})
    with pytest.raises(InvalidInput):
        decide(request, people["bob"], "reject", "no")
    with pytest.raises(CommentRequired):
        decide(request, people["bob"], "reject", input={"limit": "1"})
    assert decide(request, people["bob"], "canary", input=5).is_decided


def test_the_form_is_part_of_what_is_approved(people: People, ask: Ask) -> None:
    plain, with_form = ask(), ask(form=Payment)
    assert plain.digest != with_form.digest
    assert with_form.form["properties"]["limit"]["format"] == "decimal"


def test_what_is_wrong_is_told_to_outsiders_only_as_that(people: People, ask: Ask) -> None:
    with pytest.raises(NotEligible):
        decide(ask(form=Payment), people["dave"], input={})


# -- files -----------------------------------------------------------------------------------------------------------


def test_a_file_is_kept_and_named_by_the_answer(people: People, ask: Ask) -> None:
    request = ask(form=Receipts)
    file = upload(request, people["bob"], name="C:\\tmp\\in\tvoice.pdf")
    decide(request, people["bob"], input={"invoice": {"id": file.id, "size": 1, "name": "evil"}})
    assert Decision.objects.get().input["invoice"] == file.model_dump()
    assert (file.name, file.size) == ("invoice.pdf", 8)
    assert File(**Decision.objects.get().input["invoice"]).read() == b"%PDF-1.7"
    assert RequestFile.objects.get().is_used


def test_what_no_answer_refers_to_goes_when_the_request_closes(people: People, ask: Ask) -> None:
    request = ask(form=Receipts)
    used, unused = upload(request, people["bob"]), upload(request, people["carol"], b"%PDF-2")
    decide(request, people["bob"], input={"invoice": {"id": used.id}})
    assert [str(row.pk) for row in RequestFile.objects.all()] == [used.id]
    with pytest.raises(RequestNotFound):
        operations.file_content(unused.id)


def test_the_same_file_again_is_the_one_that_is_there(people: People, ask: Ask) -> None:
    request = ask(form=Receipts)
    assert upload(request, people["bob"]) == upload(request, people["bob"])
    assert upload(request, people["carol"]).id != upload(request, people["bob"]).id


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (b"", "application/pdf", "empty"),
        (b"GIF89a", "application/pdf", "not what its type says"),
        (b"a\x00b", "text/plain", "not what its type says"),
        (b"x", "nonsense", "no type"),
        (b"%PDF-" + b"x" * FILE_LIMIT, "application/pdf", "larger than"),
    ],
)
def test_what_is_no_such_file_is_not_kept(people: People, ask: Ask, content: bytes, kind: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        upload(ask(form=Receipts), people["bob"], content, content_type=kind)
    assert not RequestFile.objects.exists()


def test_what_the_field_does_not_accept_is_told_by_field(people: People, ask: Ask) -> None:
    request = ask(form=Receipts)
    text = upload(request, people["bob"], b"hello", name="a.txt", content_type="text/plain")
    large = upload(request, people["bob"], b"%PDF-" + b"x" * 60)
    other = upload(request, people["carol"])
    foreign = upload(ask(form=Receipts), people["bob"])
    for id in (text.id, large.id, other.id, foreign.id, "5aef935e-8f0f-491c-9e8d-4df28ca8d7b9", "no uuid", 7):
        assert refused(request, people["bob"], {"invoice": {"id": id}}).keys() <= {
            "/input/invoice",
            "/input/invoice/id",
        }
    pdf = upload(request, people["bob"])
    assert decide(request, people["bob"], input={"invoice": {"id": pdf.id}, "others": [{"id": text.id}]}).is_decided


def test_only_who_may_decide_uploads_and_only_so_much(people: People, ask: Ask) -> None:
    request = ask(form=Receipts)
    with pytest.raises(NotEligible):
        upload(request, people["dave"])
    for number in range(FILES_LIMIT):
        upload(request, people["bob"], f"%PDF-{number}".encode())
    with pytest.raises(InvalidInput, match="already"):
        upload(request, people["bob"], b"%PDF-one more")
    operations.approval_withdraw(request.pk, by="ana", reason="", channel="page", now=now_ms())
    with pytest.raises(RequestClosed):
        upload(request, people["carol"])


def test_a_file_is_seen_by_who_uploaded_it_and_then_by_who_sees_the_answer(people: People, ask: Ask) -> None:
    request = ask(form=Receipts)
    file = upload(request, people["bob"])
    assert operations.file_of(request, file.id, people["bob"]).sha256 == file.sha256
    with pytest.raises(RequestNotFound):
        operations.file_of(request, file.id, people["carol"])
    decide(request, people["bob"], input={"invoice": {"id": file.id}})
    assert operations.file_of(request, file.id, people["carol"]).sha256 == file.sha256


# -- closing ---------------------------------------------------------------------------------------------------------


def test_the_reason_of_a_withdrawal_reaches_the_workflow_and_the_reader(people: People, ask: Ask) -> None:
    request = ask()
    operations.approval_withdraw(request.pk, by="", reason="superseded", channel="workflow", now=now_ms())
    answer = operations.approval_answer(request.promise_id, now=now_ms())
    assert (answer.canceled, answer.comment, answer.by) == (True, "superseded", None)
    with pytest.raises(RequestClosed, match="superseded"):
        decide(request, people["bob"])
