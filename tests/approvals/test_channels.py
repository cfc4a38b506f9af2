"""Every way to decide keeps every rule: a table of channels and rules, each cell tried for real. A channel that is
added to approvals/channels.py without its row here fails."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from approvals import operations
from approvals.channels import CHANNELS, CONFIRMED_FOR_MS
from approvals.errors import ApprovalError
from approvals.models import ApprovalRequest, AuditEvent, Ballot, Decision
from approvals.operations.closing import TIMER
from promises import store
from promises.api.outputs import shown_value
from promises.times import now_ms
from tests.approvals.conftest import request_open
from tests.promises.api.caller import Caller, assert_problem, with_session, with_token

TAKEN, NOT_SENT = "taken", "not sent"
FORM = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}


class Attempt:
    """One person's answer to one request, and what may be wrong with it."""

    def __init__(self, request: ApprovalRequest, user: User, **said: Any) -> None:
        self.request, self.user = request, user
        self.outcome, self.digest = said.get("outcome", "approve"), said.get("digest", request.digest)
        self.comment, self.scope = said.get("comment", ""), said.get("scope", "approvals:decide")
        self.is_human, self.is_fresh = said.get("human", True), said.get("fresh", True)

    @property
    def body(self) -> dict[str, str]:
        return {"outcome": self.outcome, "comment": self.comment, "digest": self.digest}


# -- the ways --------------------------------------------------------------------------------------------------------


def session(attempt: Attempt) -> Caller:
    found = with_session(attempt.user)
    if not attempt.is_fresh:
        stored = found.client.session
        stored["confirmed_at"] = now_ms() - CONFIRMED_FOR_MS
        stored.save()
    return found


def token(attempt: Attempt) -> Caller:
    return with_token(attempt.user.username, attempt.scope, human=attempt.is_human)


def by_page(attempt: Attempt) -> None:
    session(attempt).client.post(f"/approvals/{attempt.request.pk}/", attempt.body)


def by_api(attempt: Attempt) -> None:
    body = {"outcome": attempt.outcome, "comment": attempt.comment}
    token(attempt).post(f"/api/approvals/{attempt.request.pk}/decisions/", body, If_Match=f'"{attempt.digest}"')


def by_batch(attempt: Attempt) -> None:
    token(attempt).post("/api/decisions/batch/", {"decisions": [{"id": str(attempt.request.pk), **attempt.body}]})


def by_command(attempt: Attempt) -> None:
    options = ["--as", attempt.user.username, "--comment", attempt.comment, "--digest", attempt.digest]
    call_command("approval", "decide", str(attempt.request.pk), attempt.outcome, *options)


WAYS: dict[str, Callable[[Attempt], None]] = {
    "page": by_page,
    "api": by_api,
    "batch": by_batch,
    "command": by_command,
}


# -- the rules -------------------------------------------------------------------------------------------------------

People = dict[str, User]


def low(**asked: Any) -> ApprovalRequest:
    return request_open(**{"risk": "low", **asked})


def allowed(people: People) -> Attempt:
    return Attempt(low(), people["bob"])


def audience(people: People) -> Attempt:
    return Attempt(low(), people["dave"])


def requester(people: People) -> Attempt:
    return Attempt(low(never="requester", requester="bob"), people["bob"])


def excluded(people: People) -> Attempt:
    return Attempt(low(never="user:bob"), people["bob"])


def stage(people: People) -> Attempt:
    from approvals.policies import Policy

    return Attempt(low(to=Policy("two", stages=["group:sre", "group:finance"])), people["bob"])


def same_person(people: People) -> Attempt:
    from approvals.policies import Policy, same_person_twice

    policy = Policy("twice", stages=["user:bob", "group:finance"], never=[same_person_twice()])
    request = low(to=policy)
    operations.approval_decide(request.pk, actor=people["bob"], outcome="approve", channel="page", now=now_ms())
    return Attempt(request, people["bob"], outcome="reject", comment="on second thoughts")


def once(people: People) -> Attempt:
    from approvals.requirements import n_of

    request = low(to=n_of(2, "group:finance"))
    operations.approval_decide(request.pk, actor=people["bob"], outcome="approve", channel="page", now=now_ms())
    return Attempt(request, people["bob"], outcome="reject", comment="on second thoughts")


def claim(people: People) -> Attempt:
    request = low()
    operations.approval_claim(request.pk, actor=people["carol"], channel="page", now=now_ms())
    return Attempt(request, people["bob"])


def veto_only(people: People) -> Attempt:
    from approvals.policies import Policy

    return Attempt(low(to=Policy("veto", stages=["group:sre"], veto=["user:bob"])), people["bob"])


def comment(people: People) -> Attempt:
    return Attempt(low(), people["bob"], outcome="reject")


def outcome(people: People) -> Attempt:
    return Attempt(low(), people["bob"], outcome="perhaps")


def digest(people: People) -> Attempt:
    return Attempt(low(), people["bob"], digest="0" * 64)


def humans_only(people: People) -> Attempt:
    people["bob"].groups.add(Group.objects.get_or_create(name="machines")[0])
    return Attempt(low(), people["bob"])


def machine_token(people: People) -> Attempt:
    return Attempt(low(), people["bob"], human=False)


def scope(people: People) -> Attempt:
    return Attempt(low(), people["bob"], scope="approvals:read")


def form(people: People) -> Attempt:
    return Attempt(low(form=FORM), people["bob"])


def medium_risk(people: People) -> Attempt:
    return Attempt(low(risk="medium"), people["bob"])


def high_risk(people: People) -> Attempt:
    return Attempt(low(risk="high"), people["bob"], fresh=False)


def high_risk_confirmed(people: People) -> Attempt:
    return Attempt(low(risk="high"), people["bob"])


def decided(people: People) -> Attempt:
    request = low()
    operations.approval_decide(request.pk, actor=people["carol"], outcome="approve", channel="page", now=now_ms())
    return Attempt(request, people["bob"], outcome="reject", comment="too late")


def withdrawn(people: People) -> Attempt:
    request = low()
    operations.approval_withdraw(request.pk, by="ana", reason="", channel="page", now=now_ms())
    return Attempt(request, people["bob"])


def overdue(people: People) -> Attempt:
    from approvals.durations import after

    return Attempt(low(now=now_ms() - 120_000, timeout=after("1m", then="reject")), people["bob"])


# What each way answers to each rule, in the order of WAYS: page, api, batch, command. NOT_SENT: refused before the
# rules are asked. Scopes and the flag of a token are a token's, so the others take the answer.
EXPECTED: dict[Callable[[People], Attempt], tuple[str, str, str, str]] = {
    allowed: (TAKEN, TAKEN, TAKEN, TAKEN),
    audience: ("NotEligible",) * 4,
    requester: ("NotEligible",) * 4,
    excluded: ("NotEligible",) * 4,
    stage: ("NotEligible",) * 4,
    same_person: ("NotEligible",) * 4,
    once: ("AlreadyVoted",) * 4,
    claim: ("NotEligible",) * 4,
    veto_only: ("NotEligible",) * 4,
    comment: ("CommentRequired",) * 4,
    outcome: ("UnknownOutcome",) * 4,
    digest: ("RequestChanged",) * 4,
    humans_only: ("NotEligible",) * 4,
    machine_token: (TAKEN, "NotEligible", "NotEligible", TAKEN),
    scope: (TAKEN, NOT_SENT, NOT_SENT, TAKEN),
    form: ("InvalidInput",) * 4,
    medium_risk: (TAKEN, TAKEN, "NotInBulk", TAKEN),
    high_risk: ("ConfirmationNeeded", "ConfirmationNeeded", "NotInBulk", "ConfirmationNeeded"),
    high_risk_confirmed: (TAKEN, "ConfirmationNeeded", "NotInBulk", "ConfirmationNeeded"),
    decided: ("AlreadyDecided",) * 4,
    withdrawn: ("RequestClosed",) * 4,
    overdue: ("AlreadyDecided",) * 4,
}
CELLS = [(rule, way, answers[at]) for rule, answers in EXPECTED.items() for at, way in enumerate(WAYS)]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the one function that decides has answered."""
    found: list[str] = []
    decide = operations.approval_decide

    def observed(*args: Any, **kwargs: Any) -> Any:
        try:
            vote = decide(*args, **kwargs)
        except ApprovalError as error:
            found.append(type(error).__name__)
            raise
        found.append(TAKEN)
        return vote

    monkeypatch.setattr(operations, "approval_decide", observed)
    return found


@pytest.mark.parametrize(("rule", "way", "expected"), CELLS, ids=lambda part: getattr(part, "__name__", str(part)))
def test_every_way_keeps_every_rule(
    people: People, request: pytest.FixtureRequest, rule: Callable[[People], Attempt], way: str, expected: str
) -> None:
    attempt = rule(people)
    cast = Ballot.objects.count()
    answers = request.getfixturevalue("answers")

    try:
        WAYS[way](attempt)
    except CommandError:
        assert expected != TAKEN

    assert (answers or [NOT_SENT])[0] == expected
    assert Ballot.objects.count() - cast == (expected == TAKEN)
    if expected == TAKEN:
        assert Ballot.objects.latest("pk").channel == way


def test_every_channel_has_its_row() -> None:
    assert set(WAYS) == {channel.name for channel in CHANNELS.values() if channel.votes}


@pytest.mark.parametrize("channel", [name for name, found in CHANNELS.items() if not found.votes] + ["smoke-signals"])
def test_nobody_votes_through_what_is_no_channel_of_people(people: People, channel: str) -> None:
    request = low()
    with pytest.raises(ValueError, match=channel):
        operations.approval_decide(request.pk, actor=people["bob"], outcome="approve", channel=channel, now=now_ms())
    assert not Ballot.objects.exists()


def test_the_timer_gives_the_outcome_that_was_named_and_no_name(people: People) -> None:
    request = overdue(people).request
    operations.approvals_expire(now_ms())
    decision = Decision.objects.get(request=request)
    assert (decision.outcome, decision.by, decision.is_timeout, decision.channel) == ("reject", "", True, TIMER)


def test_a_batch_answers_each_by_itself(people: People) -> None:
    requests = [low(), low(risk="high"), low(to="group:sre"), low()]
    items = [{"id": str(request.pk), "outcome": "approve"} for request in requests]
    bob = with_token("bob", "approvals:decide")
    unknown = {"id": "nothing", "outcome": "approve"}

    first = bob.post("/api/decisions/batch/", {"decisions": [*items, unknown]}).json()["results"]
    again = bob.post("/api/decisions/batch/", {"decisions": items}).json()["results"]

    assert [(found["status"], found["code"]) for found in first] == [
        (201, None),
        (422, "NotInBulk"),
        (403, "NotEligible"),
        (201, None),
        (404, "RequestNotFound"),
    ]
    assert [found["status"] for found in again] == [200, 422, 403, 200]


# -- around the policy -----------------------------------------------------------------------------------------------

WHY = {"outcome": "approve", "reason": "All of finance is ill; agreed with the board."}


def may_override(user: User) -> User:
    user.user_permissions.add(Permission.objects.get(codename="override_approvalrequest"))
    return User.objects.get(pk=user.pk)


def test_an_override_by_rest_is_recorded_as_one(people: People) -> None:
    request, dave = low(), may_override(people["dave"])
    answer = with_token(dave.username).post(f"/api/approvals/{request.pk}/override/", WHY)
    decision = Decision.objects.get(request=request)
    event = AuditEvent.objects.get(stream=str(request.pk), kind="overridden")
    assert answer.status_code == 200
    assert (decision.is_override, decision.by, decision.comment) == (True, "dave", WHY["reason"])
    assert (event.actor, event.channel, event.data["reason"]) == ("dave", "api", WHY["reason"])
    assert not Ballot.objects.exists()
    assert shown_value(store.promise_get(request.promise_id, now=now_ms()).value)["overridden"] is True


@pytest.mark.parametrize(
    ("scope", "has_permission", "reason", "status"),
    [
        ("approvals:decide", True, "why", 403),
        ("approvals:admin", False, "why", 403),
        ("approvals:admin", True, "  ", 422),
    ],
)
def test_an_override_takes_a_scope_a_permission_and_a_reason(
    people: People, scope: str, has_permission: bool, reason: str, status: int
) -> None:
    request = low()
    if has_permission:
        may_override(people["dave"])
    caller = with_token("dave", scope)
    assert_problem(caller.post(f"/api/approvals/{request.pk}/override/", {**WHY, "reason": reason}), status)
    request.refresh_from_db()
    assert request.is_pending


@pytest.mark.parametrize(("reason", "is_decided"), [(WHY["reason"], True), ("", False)])
def test_an_override_in_the_admin_takes_a_reason(people: People, reason: str, is_decided: bool) -> None:
    request, client = low(), Client()
    client.force_login(people["admin"])
    body = {"action": "override_selected", "_selected_action": [request.pk], **WHY, "reason": reason}
    client.post(reverse("admin:approvals_approvalrequest_changelist"), body)
    assert Decision.objects.filter(request=request, is_override=True, channel="admin").exists() == is_decided


@pytest.mark.parametrize("verb", ["resolve", "reject", "cancel"])
def test_the_promise_is_not_settled_around_the_approval(people: People, verb: str) -> None:
    request = low()
    answer = with_token("admin").post(f"/api/promises/{request.promise_id}/{verb}/", {"value": "approve"})
    assert_problem(answer, 403, "ApprovalPromise")
    assert store.promise_get(request.promise_id, now=now_ms()).is_pending


# -- where much is at risk -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("password", "is_taken"), [("demo", True), ("guess", False), ("", False)])
def test_the_page_takes_an_answer_of_high_risk_with_the_password(people: People, password: str, is_taken: bool) -> None:
    attempt = high_risk(people)
    client = session(attempt).client
    page = client.get(f"/approvals/{attempt.request.pk}/")
    answer = client.post(f"/approvals/{attempt.request.pk}/", {**attempt.body, "password": password, "comment": "Yes."})
    assert 'type="password"' in page.content.decode()
    assert Ballot.objects.exists() == is_taken
    assert answer.status_code == (302 if is_taken else 403)
    assert password == "" or is_taken or password not in answer.content.decode()
