"""The decision page with a form: filling it in, correcting the proposal, files, and what has changed; what was typed
survives every refusal. No JavaScript anywhere here."""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pydantic import BaseModel, Field

from approvals import operations
from approvals.cards import card
from approvals.files import File, accepts
from approvals.models import ApprovalRequest, Ballot, Decision, RequestFile
from approvals.outcomes import Outcome, approve, reject, request_changes
from approvals.questions import ANSWER, _form_of_items
from approvals.requirements import n_of
from promises.times import now_ms
from tests.approvals.conftest import request_open
from tests.approvals.test_decision import HTMX, address, csrf_of, signed_in

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]


class Speed(Enum):
    SLOW = "slow"
    FAST = "fast"


class Line(BaseModel):
    what: str
    count: int = Field(default=1, ge=1)


class Deploy(BaseModel):
    budget: Annotated[Decimal, Field(gt=0)]
    speed: Speed
    until: date
    lines: list[Line] = []
    is_loud: bool = False


class Receipts(BaseModel):
    invoice: Annotated[File, accepts("application/pdf", max_bytes=1000)]
    note: str


DRAFT = {"to": "ana", "amount": Decimal("12.50"), "body": "Dear Ana\nhello\n"}
FILLED = {"input/budget": "12.50", "input/speed": "1", "input/until": "2026-03-04"}


def send(client: Client, request: ApprovalRequest, outcome: str = "approve", **more: Any) -> Any:
    headers = {key: more.pop(key) for key in list(more) if key.startswith("HTTP_")}
    data = {"outcome": outcome, "digest": request.digest, **more.pop("fields", {}), **more}
    return client.post(address(request), data, **headers)


def page_of(client: Client, request: ApprovalRequest) -> str:
    response = client.get(address(request))
    assert response.status_code == 200
    return str(response.content.decode())


def control(text: str, name: str) -> str:
    """The tag of a control."""
    found = re.search(rf'<(?:input|textarea|select)[^>]* name="{re.escape(name)}"[^>]*>', text)
    assert found, name
    return found[0]


@pytest.fixture
def bob(people: People) -> Client:
    return signed_in(people["bob"])


# -- forms -----------------------------------------------------------------------------------------------------------


def test_every_field_has_its_control_and_its_label(bob: Client, ask: Ask) -> None:
    text = page_of(bob, ask(form=Deploy))
    for name, kind in [("budget", "text"), ("until", "date"), ("is_loud", "checkbox"), ("speed", "radio")]:
        assert f'type="{kind}"' in control(text, f"input/{name}")
    for name in ("budget", "until"):
        assert f'<label for="input/{name}">' in text
    assert text.index("input/budget") < text.index("input/speed") < text.index("input/until")
    assert 'enctype="multipart/form-data"' not in text


def test_the_first_button_of_the_form_decides_nothing(bob: Client, ask: Ask) -> None:
    """Enter in a field presses the first button."""
    request = ask(form=Deploy)
    first = re.search(r"<button[^>]*>", page_of(bob, request).partition('id="answer"')[2])
    assert first
    assert 'name="change"' in first[0]
    response = bob.post(address(request), {"change": "keep", **FILLED, "comment": "typed"})
    assert response.status_code == 200
    assert 'value="12.50"' in control(response.content.decode(), "input/budget")
    assert not Ballot.objects.exists()


def test_a_filled_form_decides(bob: Client, ask: Ask) -> None:
    request = ask(form=Deploy)
    fields = {**FILLED, "input/lines/0/what": "a", "input/lines/0/count": "2", "input/is_loud": "on"}
    assert send(bob, request, fields=fields).status_code == 302
    assert Decision.objects.get().input == {
        "budget": "12.50",
        "speed": "fast",
        "until": "2026-03-04",
        "lines": [{"what": "a", "count": 2}],
        "is_loud": True,
    }
    text = page_of(bob, request)
    assert "What was answered" in text
    assert "2026-03-04" in text


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_what_does_not_fit_is_marked_and_all_that_was_typed_is_still_there(
    bob: Client, ask: Ask, headers: dict[str, str]
) -> None:
    request = ask(form=Deploy)
    fields = {
        **FILLED,
        "input/budget": "a lot",
        "input/until": "",
        "input/lines/0/what": "kept",
        "input/lines/0/count": "0",
    }
    response = send(bob, request, fields=fields, comment="my words", **headers)
    text = response.content.decode()
    assert response.status_code == 422
    for name, message in [
        ("budget", "A number such as"),
        ("until", "This is needed."),
        ("lines/0/count", "At least 1."),
    ]:
        assert f'id="input/{name}-error"' in text
        assert message in text
        assert 'aria-invalid="true"' in control(text, f"input/{name}")
    assert 'value="a lot"' in control(text, "input/budget")
    assert 'value="kept"' in control(text, "input/lines/0/what")
    assert ">my words</textarea>" in text
    assert not Ballot.objects.exists()


def test_rows_are_added_and_taken_away_without_deciding(bob: Client, ask: Ask) -> None:
    request = ask(form=Deploy)
    row = {"input/lines/0/what": "first", "rows input/lines": "1"}
    added = bob.post(address(request), {"change": "add:input/lines", **FILLED, **row}).content.decode()
    assert 'value="first"' in control(added, "input/lines/0/what")
    assert control(added, "input/lines/1/what")
    two = {**row, "input/lines/1/what": "second", "rows input/lines": "2"}
    removed = bob.post(address(request), {"change": "remove:input/lines/0", **FILLED, **two}).content.decode()
    assert 'value="second"' in control(removed, "input/lines/0/what")
    assert 'name="input/lines/1/what"' not in removed
    assert not Ballot.objects.exists()


def test_an_outcome_with_its_own_form_is_filled_in_apart(bob: Client, ask: Ask) -> None:
    own = Outcome("canary", "5 % first", form=Line)
    request = ask(form=Deploy, outcomes=[approve("Ship"), own, reject()])
    text = page_of(bob, request)
    assert control(text, "input.canary/what")
    fields = {"input.canary/what": "one service", "input.canary/count": "3"}
    assert send(bob, request, "canary", fields=fields).status_code == 302
    assert Decision.objects.get().input == {"what": "one service", "count": 3}


def test_errors_stand_in_the_form_of_the_outcome_that_was_chosen(bob: Client, ask: Ask) -> None:
    request = ask(form=Line, outcomes=[approve(), Outcome("canary", form=Line)])
    text = send(bob, request, "canary", fields={}).content.decode()
    assert "aria-invalid" in control(text, "input.canary/what")
    assert "aria-invalid" not in control(text, "input/what")


def test_a_no_needs_nothing_of_the_form(bob: Client, ask: Ask) -> None:
    request = ask(form=Deploy, propose=DRAFT, editable=["body"])
    fields = {"proposal": "1", "proposal/body": "changed"}
    assert send(bob, request, "reject", fields=fields, comment="no").status_code == 302
    assert Decision.objects.get().input is None
    assert Decision.objects.get().value["body"] == DRAFT["body"]


def test_many_outcomes_are_a_list_to_choose_from(bob: Client, ask: Ask) -> None:
    request = ask(outcomes=[Outcome(f"supplier_{number}") for number in range(9)])
    text = page_of(bob, request)
    assert "<select" in control(text, "outcome")
    assert send(bob, request, "").status_code == 422
    assert send(bob, request, "supplier_3").status_code == 302


def test_whoever_cannot_decide_sees_no_controls(people: People, ask: Ask) -> None:
    request = ask(form=Deploy, propose=DRAFT, editable=True)
    text = page_of(signed_in(people["ana"]), request)
    assert 'name="input/budget"' not in text
    assert 'name="proposal/body"' not in text
    assert "Dear Ana" in text


def test_a_row_of_the_inbox_has_no_button_that_a_form_would_need(people: People, bob: Client, ask: Ask) -> None:
    ask(form=Deploy, risk="low")
    assert 'name="from" value="list"' not in bob.get("/").content.decode()
    ask(risk="low")
    assert 'name="from" value="list"' in bob.get("/").content.decode()


def test_a_form_typed_before_the_session_ended_survives_the_sign_in(people: People, ask: Ask) -> None:
    request = ask(form=Deploy)
    client = Client(enforce_csrf_checks=True)
    token = csrf_of(client.get("/accounts/login/"))
    expired = client.post(address(request), {"outcome": "approve", "csrfmiddlewaretoken": token, **FILLED})
    client.post(expired["Location"], {"username": "bob", "password": "demo", "csrfmiddlewaretoken": token})
    text = page_of(client, request)
    assert 'value="12.50"' in control(text, "input/budget")
    assert token not in control(text, "input/until")


# -- corrections -----------------------------------------------------------------------------------------------------


def shown_fields(text: str) -> dict[str, str]:
    """What a browser would send back of the proposal."""
    body = re.search(r'<textarea[^>]* name="proposal/body"[^>]*>\n(.*?)</textarea>', text, re.DOTALL)
    amount = re.search(r'name="proposal/amount" value="([^"]*)"', text)
    assert body
    assert amount
    return {"proposal": "1", "proposal/body": body[1].replace("\n", "\r\n"), "proposal/amount": amount[1]}


def test_a_proposal_that_nobody_touched_stays_the_version_it_was(bob: Client, ask: Ask) -> None:
    request = ask(propose=DRAFT, editable=["amount", "body"])
    text = page_of(bob, request)
    assert 'name="proposal/to"' not in text
    assert send(bob, request, fields=shown_fields(text)).status_code == 302
    request.refresh_from_db()
    assert (request.version, request.decision.digest) == (1, request.digest)


def test_what_is_corrected_is_what_is_decided(bob: Client, ask: Ask) -> None:
    request = ask(propose=DRAFT, editable=["amount", "body"])
    fields = {**shown_fields(page_of(bob, request)), "proposal/amount": "9.00"}
    assert send(bob, request, fields=fields).status_code == 302
    assert Decision.objects.get().value == {"to": "ana", "amount": "9.00", "body": DRAFT["body"]}
    text = page_of(bob, request)
    assert "corrected by bob" in text
    assert "<del>12.50</del> <ins>9.00</ins>" in text


def test_a_correction_that_does_not_fit_is_marked(bob: Client, ask: Ask) -> None:
    request = ask(propose=DRAFT, editable=["amount", "body"])
    fields = {**shown_fields(page_of(bob, request)), "proposal/amount": "much", "proposal/body": "mine"}
    response = send(bob, request, fields=fields)
    text = response.content.decode()
    assert response.status_code == 422
    assert 'value="much"' in control(text, "proposal/amount")
    assert ">\nmine</textarea>" in text


def test_each_item_is_shown_beside_its_answer(bob: Client, ask: Ask) -> None:
    items = [{"tool": "mail", "to": "ana"}, {"tool": "pay", "to": "bob"}]
    form = _form_of_items(["mail", "pay"], [approve(), reject()])
    request = ask(propose=items, editable=["to"], form=form, outcomes=[ANSWER])
    text = page_of(bob, request)
    assert (
        text.index("1. mail")
        < text.index('name="proposal/0/to"')
        < text.index("input/0/outcome")
        < text.index("2. pay")
    )
    fields = {"input/0/outcome": "0", "input/1/outcome": "1", "proposal": "1"}
    fields |= {"proposal/0/to": "eve", "proposal/1/to": "bob"}
    response = send(bob, request, "answer", fields=fields)
    assert 'id="input/1/comment-error"' in response.content.decode()
    assert send(bob, request, "answer", fields={**fields, "input/1/comment": "no"}).status_code == 302
    decided = Decision.objects.get()
    assert decided.input == [{"outcome": "approve"}, {"outcome": "reject", "comment": "no"}]
    assert decided.value[0] == {"tool": "mail", "to": "eve"}


# -- what has changed ------------------------------------------------------------------------------------------------


def revise(request: ApprovalRequest, **asked: Any) -> None:
    content = card(
        **{"title": request.title, "to": request.thawed_policy, "requester": "ana", "propose": DRAFT, **asked}
    )
    operations.approval_revise(request.pk, content.to_json(), revision=request.revision + 1, now=now_ms())


def test_a_stale_answer_shows_what_changed_and_keeps_all_that_was_typed(bob: Client, ask: Ask) -> None:
    request = ask(form=Line, propose=DRAFT, editable=["amount", "body"])
    typed = {"input/what": "typed", **shown_fields(page_of(bob, request)), "proposal/amount": "9.00"}
    revise(
        request,
        form=Line,
        propose={**DRAFT, "to": "eve", "body": DRAFT["body"] + "more\n"},
        editable=["amount", "body"],
    )
    response = send(bob, request, fields=typed, comment="my words")
    text = response.content.decode()
    assert response.status_code == 412
    assert "What has changed since you answered" in text
    assert "<del>ana</del> <ins>eve</ins>" in text
    assert 'class="new"' in text  # the longer text, line by line
    assert 'value="typed"' in control(text, "input/what")
    assert 'value="9.00"' in control(text, "proposal/amount")
    assert ">my words</textarea>" in text
    request.refresh_from_db()
    assert f'name="digest" value="{request.digest}"' in text
    assert not Ballot.objects.exists()


def test_who_answered_an_older_version_sees_the_difference(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:sre"), propose=DRAFT)
    dave, erin = signed_in(people["dave"]), signed_in(people["erin"])
    send(dave, request)
    revise(request, propose={**DRAFT, "amount": Decimal("9.00")})
    assert "What has changed since you answered" in page_of(dave, request)
    text = page_of(erin, request)
    assert "What has changed since you answered" not in text
    assert "1 older version" in text
    assert "dave: Approve, void" in text


def test_a_resubmission_shows_what_was_wanted_and_what_is_new(bob: Client, ask: Ask) -> None:
    first = ask(propose=DRAFT, outcomes=[approve(), request_changes(), reject()])
    send(bob, first, "request_changes", comment="say less")
    again = request_open(
        propose={**DRAFT, "body": "Hi"}, previous=str(first.pk), note="Shorter now.", outcomes=[approve(), reject()]
    )
    text = page_of(bob, again)
    for expected in ("asked again", "say less", "Shorter now.", address(first)):
        assert expected in text
    assert 'class="old"' in text


def test_what_is_asked_again_is_filled_in_as_it_was(bob: Client, ask: Ask) -> None:
    first = ask(form=Deploy)
    send(bob, first, fields=FILLED)
    again = request_open(form=Deploy, previous=str(first.pk), note="until: too soon")
    text = page_of(bob, again)
    assert 'value="12.50"' in control(text, "input/budget")
    assert "too soon" in text


def test_what_was_typed_is_shown_to_who_came_too_late(people: People, bob: Client, ask: Ask) -> None:
    request = ask(form=Line)
    send(signed_in(people["carol"]), request, fields={"input/what": "hers"})
    response = send(bob, request, fields={"input/what": "mine alone"})
    assert response.status_code == 409
    assert "mine alone" in response.content.decode()


# -- files -----------------------------------------------------------------------------------------------------------


def pdf(content: bytes = b"%PDF-1.7", name: str = "a.pdf") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type="application/pdf")


def test_a_file_is_kept_though_the_rest_does_not_fit_yet(bob: Client, ask: Ask) -> None:
    request = ask(form=Receipts)
    text = page_of(bob, request)
    assert 'enctype="multipart/form-data"' in text
    assert 'accept="application/pdf"' in control(text, "input/invoice")
    refused = send(bob, request, fields={"input/invoice": pdf()})
    assert refused.status_code == 422
    file = RequestFile.objects.get()
    assert f'type="hidden" name="input/invoice" value="{file.pk}"' in refused.content.decode()
    done = send(bob, request, fields={"input/invoice": str(file.pk), "input/note": "here"})
    assert done.status_code == 302
    assert Decision.objects.get().input["invoice"]["sha256"] == file.sha256
    assert f"/approvals/{request.pk}/files/{file.pk}/" in page_of(bob, request)


@pytest.mark.parametrize(
    ("content", "message"), [(b"GIF89a", "not what its type says"), (b"%PDF-" + b"x" * 2000, "larger than")]
)
def test_a_file_that_will_not_do_is_told_and_the_rest_kept(bob: Client, ask: Ask, content: bytes, message: str) -> None:
    request = ask(form=Receipts)
    response = send(bob, request, fields={"input/invoice": pdf(content), "input/note": "kept"})
    text = response.content.decode()
    assert response.status_code == 422
    assert message in text
    assert 'value="kept"' in control(text, "input/note")


def test_a_file_leaves_only_as_an_attachment_and_only_for_those_concerned(
    people: People, bob: Client, ask: Ask
) -> None:
    request = ask(form=Receipts)
    send(bob, request, fields={"input/invoice": pdf(), "input/note": "here"})
    path = f"/approvals/{request.pk}/files/{RequestFile.objects.get().pk}/"
    response = bob.get(path)
    assert (response.status_code, response.content) == (200, b"%PDF-1.7")
    assert response["Content-Disposition"].startswith("attachment")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert signed_in(people["dave"]).get(path).status_code == 404
    assert Client().get(path).status_code == 302
    assert bob.get(f"/approvals/{request.pk}/files/x/").status_code == 404


def test_whoever_may_not_decide_leaves_no_file(people: People, ask: Ask) -> None:
    request = ask(form=Receipts)
    response = send(signed_in(people["dave"]), request, fields={"input/invoice": pdf()})
    assert response.status_code == 403
    assert not RequestFile.objects.exists()


# -- cost ------------------------------------------------------------------------------------------------------------


def test_a_page_with_everything_costs_a_constant_number_of_queries(
    people: People, bob: Client, ask: Ask, django_assert_max_num_queries: Any
) -> None:
    first = ask(form=Deploy, propose=DRAFT, editable=True)
    send(bob, first, fields=FILLED)
    again = request_open(form=Deploy, propose=DRAFT, editable=True, previous=str(first.pk), note="?")
    for _ in range(3):
        again.refresh_from_db()
        revise(again, form=Deploy, propose={**DRAFT, "to": str(again.version)}, editable=True)
    page_of(bob, again)
    with django_assert_max_num_queries(26):
        page_of(bob, again)
