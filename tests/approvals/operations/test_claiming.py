"""Claiming and releasing: works, repeated, wrong person, wrong state, lapsed, at once."""

from collections.abc import Callable
from functools import partial

import pytest
from django.contrib.auth.models import User

from approvals import operations
from approvals.audit import events_of
from approvals.errors import AlreadyClaimed, AlreadyDecided, NotAllowed, NotEligible
from approvals.models import ApprovalRequest
from approvals.operations.claiming import CLAIM_MS
from approvals.policies import Policy
from approvals.requirements import n_of
from promises.times import now_ms
from tests.approvals.conftest import people_create, request_open
from tests.approvals.threads import at_once

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]


def claim(request: ApprovalRequest, actor: User, **more: object) -> ApprovalRequest:
    return operations.approval_claim(request.pk, actor=actor, **{"channel": "page", "now": now_ms(), **more})


def release(request: ApprovalRequest, actor: User, **more: object) -> ApprovalRequest:
    return operations.approval_release(request.pk, actor=actor, **{"channel": "page", "now": now_ms(), **more})


def decide(request: ApprovalRequest, actor: User, outcome: str = "approve", **more: object) -> operations.Vote:
    more = {"channel": "page", "now": now_ms(), "comment": "because", **more}
    return operations.approval_decide(request.pk, actor=actor, outcome=outcome, **more)


def kinds(request: ApprovalRequest) -> list[str]:
    return [event.kind for event in events_of(request)]


def test_a_claim_keeps_the_others_from_deciding_until_it_is_released(people: People, ask: Ask) -> None:
    request = ask()
    claim(request, people["bob"])
    with pytest.raises(NotEligible, match="bob has claimed"):
        decide(request, people["carol"])
    release(request, people["bob"])
    assert decide(request, people["carol"]).is_decided
    assert kinds(request) == ["opened", "claimed", "released", "ballot", "decided"]


def test_whoever_claimed_decides(people: People, ask: Ask) -> None:
    request = claim(ask(), people["bob"])
    assert decide(request, people["bob"]).request.claimed_by == ""


def test_an_answer_ends_the_claim_and_leaves_the_rest_to_others(people: People, ask: Ask) -> None:
    request = claim(ask(to=n_of(2, "group:sre")), people["dave"])
    decide(request, people["dave"])
    assert decide(request, people["erin"]).is_decided


def test_a_veto_is_not_locked_out(people: People, ask: Ask) -> None:
    request = claim(ask(to=Policy(stages=["group:finance"], veto=["user:erin"])), people["bob"])
    assert decide(request, people["erin"], "reject").is_decided


def test_a_claim_lapses(people: People, ask: Ask) -> None:
    request = ask(now=1_000)
    claim(request, people["bob"], now=2_000)
    with pytest.raises(NotEligible):
        decide(request, people["carol"], now=2_000 + CLAIM_MS - 1)
    assert decide(request, people["carol"], now=2_000 + CLAIM_MS).is_decided


def test_claiming_again_is_the_same_claim(people: People, ask: Ask) -> None:
    request = ask()
    first = claim(request, people["bob"], now=now_ms()).claimed_until
    assert claim(request, people["bob"], now=now_ms() + 60_000).claimed_until == first
    assert kinds(request) == ["opened", "claimed"]


def test_releasing_what_nobody_has_claimed_changes_nothing(people: People, ask: Ask) -> None:
    request = ask()
    release(request, people["bob"])
    assert kinds(request) == ["opened"]


def test_what_somebody_has_claimed_is_not_claimed_again(people: People, ask: Ask) -> None:
    request = claim(ask(), people["bob"])
    with pytest.raises(AlreadyClaimed, match="bob") as caught:
        claim(request, people["carol"])
    assert (caught.value.status, caught.value.by) == (409, "bob")


@pytest.mark.parametrize(("name", "is_person"), [("ana", True), ("bob", False)])
def test_it_takes_somebody_who_may_decide(people: People, ask: Ask, name: str, is_person: bool) -> None:
    with pytest.raises(NotEligible):
        claim(ask(), people[name], is_person=is_person)


def test_whom_it_does_not_concern_learns_nothing_of_it(people: People, ask: Ask) -> None:
    request = ask()
    decide(request, people["bob"])
    for work in (claim, release):
        with pytest.raises(NotEligible, match="does not concern you"):
            work(request, people["dave"])


def test_only_the_claimant_or_an_operator_releases(people: People, ask: Ask) -> None:
    request = claim(ask(), people["bob"])
    with pytest.raises(NotAllowed, match="bob"):
        release(request, people["carol"])
    with pytest.raises(NotAllowed):
        release(request, people["admin"], as_operator=False)
    assert release(request, people["admin"], reason="on holiday").claimed_by == ""
    assert events_of(request)[-1].data == {"from": "bob", "reason": "on holiday"}


def test_a_closed_request_is_not_claimed(people: People, ask: Ask) -> None:
    request = ask()
    decide(request, people["bob"])
    with pytest.raises(AlreadyDecided):
        claim(request, people["carol"])


@pytest.mark.django_db(transaction=True)
def test_of_two_who_claim_at_once_one_has_it() -> None:
    people = people_create()
    for number in range(10):
        request = request_open(id=f"claim-{number}:1")
        results = at_once(partial(claim, request, people["bob"]), partial(claim, request, people["carol"]))
        refused = [result for result in results if isinstance(result, AlreadyClaimed)]
        request.refresh_from_db()
        assert [error.by for error in refused] == [request.claimed_by], results


@pytest.mark.django_db(transaction=True)
def test_a_claim_and_anothers_decision_at_once_agree() -> None:
    people = people_create()
    for number in range(10):
        request = request_open(id=f"claim-{number}:1")
        claimed, decided = at_once(partial(claim, request, people["bob"]), partial(decide, request, people["carol"]))
        request.refresh_from_db()
        if isinstance(decided, NotEligible):
            assert (request.state, request.claimed_by) == ("pending", "bob")
        else:
            assert (request.decided_by, request.claimed_by) == ("carol", ""), (claimed, decided)
