"""The page of one request: reading it, deciding with and without JavaScript, and every way to be refused."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client

from approvals import blocks, operations
from approvals.durations import after
from approvals.models import ApprovalRequest, Ballot
from approvals.outcomes import Outcome, approve, reject, request_changes
from approvals.policies import Policy
from approvals.requirements import n_of
from promises.times import now_ms

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]
HTMX = {"HTTP_HX_REQUEST": "true"}


def signed_in(user: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


def address(request: ApprovalRequest) -> str:
    return f"/approvals/{request.pk}/"


def answer(client: Client, request: ApprovalRequest, outcome: str = "approve", comment: str = "", **more: Any) -> Any:
    headers = {key: more.pop(key) for key in list(more) if key.startswith("HTTP_")}
    return client.post(address(request), {"outcome": outcome, "comment": comment, **more}, **headers)


# -- reading ---------------------------------------------------------------------------------------------------------


def test_the_page_says_what_is_asked_who_asks_and_why_the_reader_can_decide(people: People, ask: Ask) -> None:
    request = ask("Pay 12.50 to ana?", show=[blocks.facts(total="12.50")], timeout=after("3h", then="reject"))
    text = signed_in(people["bob"]).get(address(request)).content.decode()
    for expected in ("Pay 12.50 to ana?", "Asked by ana", "12.50", "member of finance", "then: Reject", "medium risk"):
        assert expected in text
    assert text.count('name="outcome"') == 2


def test_get_never_decides(people: People, ask: Ask) -> None:
    request = ask()
    signed_in(people["bob"]).get(address(request) + "?outcome=approve")
    assert not Ballot.objects.exists()


def test_whoever_asked_reads_it_but_cannot_decide(people: People, ask: Ask) -> None:
    response = signed_in(people["ana"]).get(address(ask()))
    text = response.content.decode()
    assert response.status_code == 200
    assert "not decide it" in text
    assert 'name="outcome"' not in text


def test_staff_with_the_permission_reads_everything(people: People, ask: Ask) -> None:
    assert signed_in(people["admin"]).get(address(ask())).status_code == 200


def test_an_outsider_sees_nothing_of_it_but_why(people: People, ask: Ask) -> None:
    response = signed_in(people["dave"]).get(address(ask("Pay a secret sum?")))
    text = response.content.decode()
    assert response.status_code == 403
    assert "not among those who are asked" in text
    assert "secret" not in text


@pytest.mark.parametrize("id", [UUID("5aef935e-8f0f-491c-9e8d-4df28ca8d7b9"), "no-uuid", "%00"])
def test_a_request_that_does_not_exist(people: People, id: object) -> None:
    client = signed_in(people["bob"])
    assert client.get(f"/approvals/{id}/").status_code == 404
    assert client.post(f"/approvals/{id}/", {"outcome": "approve"}).status_code == 404


def test_the_page_costs_a_constant_number_of_queries(
    people: People, ask: Ask, django_assert_max_num_queries: Any
) -> None:
    request = ask(to=n_of(3, "group:sre"))
    for name in ("dave", "erin"):
        operations.approval_decide(request.pk, actor=people[name], outcome="approve", channel="page", now=now_ms())
    for number in range(15):
        ask(f"Another {number}?", to="group:sre")
    client = signed_in(people["frank"])
    with django_assert_max_num_queries(22):
        assert client.get(address(request)).status_code == 200


# -- deciding --------------------------------------------------------------------------------------------------------


def test_deciding_without_javascript_redirects_to_the_decided_page(people: People, ask: Ask) -> None:
    request = ask()
    client = signed_in(people["bob"])
    response = answer(client, request, comment="fine", digest=request.digest, stage=0)
    assert (response.status_code, response["Location"]) == (302, address(request))
    text = client.get(address(request)).content.decode()
    assert "bob decided at" in text
    assert "fine" in text
    assert 'name="outcome"' not in text
    request.refresh_from_db()
    assert (request.state, request.outcome, request.decided_by) == ("decided", "approve", "bob")


def test_deciding_with_htmx_answers_the_part_that_changes(people: People, ask: Ask) -> None:
    response = answer(signed_in(people["bob"]), ask(), **HTMX)
    text = response.content.decode()
    assert response.status_code == 200
    assert text.strip().startswith('<div id="decision"')
    assert "<html" not in text
    assert "bob decided at" in text


def test_a_rejection_without_a_reason_asks_for_it(people: People, ask: Ask) -> None:
    request = ask()
    response = answer(signed_in(people["bob"]), request, "reject", "  ")
    assert response.status_code == 422
    assert 'id="comment-error"' in response.content.decode()
    assert not Ballot.objects.exists()
    assert answer(signed_in(people["bob"]), request, "reject", "The receipt is missing").status_code == 302


def test_an_answer_that_is_not_offered_keeps_the_comment(people: People, ask: Ask) -> None:
    response = answer(signed_in(people["bob"]), ask(), "nonsense", "what I typed")
    assert response.status_code == 422
    assert ">what I typed</textarea>" in response.content.decode()


@pytest.mark.parametrize("comment", ["x" * 10_001, "a\x00b"])
def test_a_comment_that_cannot_be_stored_is_said_so(people: People, ask: Ask, comment: str) -> None:
    response = answer(signed_in(people["bob"]), ask(), "approve", comment)
    assert response.status_code == 422
    assert not Ballot.objects.exists()


def test_the_second_person_is_told_who_was_first_and_keeps_the_comment(people: People, ask: Ask) -> None:
    request = ask()
    answer(signed_in(people["bob"]), request)
    response = answer(signed_in(people["carol"]), request, "reject", "I do not think so")
    text = response.content.decode()
    assert response.status_code == 409
    assert "bob decided at" in text
    assert "I do not think so" in text


def test_sending_the_same_answer_twice_is_no_error(people: People, ask: Ask) -> None:
    request, client = ask(), signed_in(people["bob"])
    assert [answer(client, request).status_code for _ in range(2)] == [302, 302]
    assert Ballot.objects.count() == 1


def test_a_stale_card_is_refused_and_the_comment_kept(people: People, ask: Ask) -> None:
    response = answer(signed_in(people["bob"]), ask(), comment="typed", digest="0" * 64)
    text = response.content.decode()
    assert response.status_code == 412
    assert "has changed since you read it" in text
    assert ">typed</textarea>" in text


@pytest.mark.parametrize("name", ["dave", "ana", "admin"])
def test_deciding_as_an_outsider_says_which_rule(people: People, ask: Ask, name: str) -> None:
    response = answer(signed_in(people[name]), ask())
    assert response.status_code == 403
    assert "not among those who are asked" in response.content.decode()
    assert not Ballot.objects.exists()


def test_a_late_answer_is_told_that_the_time_was_over(people: People, ask: Ask) -> None:
    request = ask(timeout=after("1s", then="reject"), now=now_ms() - 60_000)
    client = signed_in(people["bob"])
    assert 'name="outcome"' not in client.get(address(request)).content.decode()
    response = answer(client, request)
    assert response.status_code == 409
    assert "The time was over" in response.content.decode()


def test_after_the_first_of_two_votes_the_page_says_whom_it_waits_for(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:sre"))
    client = signed_in(people["dave"])
    answer(client, request)
    text = client.get(address(request)).content.decode()
    assert "You have answered: Approve." in text
    assert "1 more of sre" in text


def test_stages_and_custom_outcomes_are_shown(people: People, ask: Ask) -> None:
    outcomes = [approve("Ship"), Outcome("canary", "5 % first"), request_changes(), reject()]
    request = ask(to=Policy("two", stages=["group:sre", "group:finance"]), outcomes=outcomes)
    text = signed_in(people["dave"]).get(address(request)).content.decode()
    for label in ("Ship", "5 % first", "Request changes", "Stage 2", "then finance"):
        assert label in text


def test_a_request_that_was_withdrawn_says_so(people: People, ask: Ask) -> None:
    request = ask()
    operations.approval_withdraw(request.pk, by="ana", reason="", channel="page", now=now_ms())
    assert "withdrawn" in signed_in(people["bob"]).get(address(request)).content.decode()


def test_the_rail_alone_tells_that_somebody_decided_meanwhile(people: People, ask: Ask) -> None:
    request = ask()
    answer(signed_in(people["bob"]), request)
    text = signed_in(people["carol"]).get(address(request) + "?part=rail", **HTMX).content.decode()
    assert text.strip().startswith("<aside")
    assert "bob decided at" in text


# -- sessions --------------------------------------------------------------------------------------------------------


def test_reading_needs_a_sign_in(people: People, ask: Ask) -> None:
    request = ask()
    response = Client().get(address(request))
    assert (response.status_code, response["Location"]) == (302, f"/accounts/login/?next={address(request)}")


def test_a_comment_typed_before_the_session_ended_survives_the_sign_in(people: People, ask: Ask) -> None:
    request = ask()
    client = Client(enforce_csrf_checks=True)
    token = csrf_of(client.get("/accounts/login/"))
    expired = client.post(
        address(request), {"outcome": "reject", "comment": "typed before", "csrfmiddlewaretoken": token}
    )
    assert expired.status_code == 302
    assert not Ballot.objects.exists()
    signed = client.post(expired["Location"], {"username": "bob", "password": "demo", "csrfmiddlewaretoken": token})
    assert signed["Location"] == address(request)
    text = client.get(address(request)).content.decode()
    assert ">typed before</textarea>" in text
    assert "signed out" in text
    assert "typed before" not in client.get(address(request)).content.decode()


def test_a_page_older_than_the_sign_in_keeps_the_comment_and_decides_nothing(people: People, ask: Ask) -> None:
    client = signed_in(people["bob"], enforce_csrf_checks=True)
    response = answer(client, ask(), comment="typed", csrfmiddlewaretoken="x" * 64)
    assert response.status_code == 409
    assert ">typed</textarea>" in response.content.decode()
    assert not Ballot.objects.exists()


def test_a_foreign_form_plants_nothing_in_a_session(people: People, ask: Ask) -> None:
    client = Client(enforce_csrf_checks=True)
    client.post(address(ask()), {"outcome": "approve", "comment": "planted"})
    assert not client.session.keys()


def csrf_of(response: Any) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', response.content.decode())
    assert found
    return found[1]
