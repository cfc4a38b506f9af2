"""Stalled is noticed, told, escalated and taken back: at the opening, with a ballot, and when people come or go."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User

from approvals import operations
from approvals.audit import events_of
from approvals.durations import after
from approvals.models import Alarm, ApprovalRequest
from approvals.operations.rechecking import LOOK_EVERY_MS
from approvals.policies import Policy, requester
from approvals.requirements import n_of, percent_of

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]
NOW = 1_800_000_000_000
LATER = NOW + LOOK_EVERY_MS


@pytest.fixture
def look(people: People) -> Callable[[], int]:
    """The clock looks, each time when it is time again."""
    moments = iter(range(NOW, NOW + 1000 * LOOK_EVERY_MS, LOOK_EVERY_MS))
    return lambda: operations.eligibility_sweep(next(moments))


def decide(request: ApprovalRequest, actor: User, outcome: str = "approve") -> operations.Vote:
    return operations.approval_decide(request.pk, actor=actor, outcome=outcome, channel="page", now=NOW)


def is_stalled(request: ApprovalRequest) -> bool:
    request.refresh_from_db()
    return request.is_stalled


def told(request: ApprovalRequest) -> list[str]:
    return [event.kind for event in events_of(request)]


def test_a_request_that_nobody_can_decide_says_so_when_it_opens(people: People, ask: Ask) -> None:
    assert is_stalled(ask(to="group:nobody", now=NOW))
    assert is_stalled(ask(to="user:ana", never=requester(), now=NOW))
    assert is_stalled(ask(to=n_of(3, "group:finance"), now=NOW))


WAYS: dict[str, Callable[[], Any]] = {
    "leaves the group": lambda: User.objects.get(username="bob").groups.set([]),
    "is removed by SQL": lambda: User.groups.through.objects.filter(user__username="bob").delete(),
    "is deactivated": lambda: User.objects.filter(username="bob").update(is_active=False),
    "is deleted": lambda: User.objects.get(username="bob").delete(),
    "the group is deleted": lambda: Group.objects.get(name="finance").delete(),
    "the group is renamed": lambda: Group.objects.filter(name="finance").update(name="money"),
    "becomes a machine's": lambda: User.objects.get(username="bob").groups.add(Group.objects.create(name="machines")),
}


@pytest.mark.parametrize("way", WAYS)
def test_however_somebody_goes_it_is_noticed(people: People, ask: Ask, look: Callable[[], int], way: str) -> None:
    request = ask(to=n_of(2, "group:finance"), now=NOW)
    assert (look(), is_stalled(request)) == (0, False)
    WAYS[way]()
    assert (look(), is_stalled(request)) == (1, True)
    assert told(request) == ["opened", "stalled"]
    assert look() == 0


def test_somebody_who_comes_sets_it_going_again(people: People, ask: Ask, look: Callable[[], int]) -> None:
    request = ask(to=n_of(3, "group:finance"), now=NOW)
    look()
    people["dave"].groups.add(Group.objects.get(name="finance"))
    assert (look(), is_stalled(request)) == (1, False)
    assert told(request) == ["opened", "stalled", "resumed"]


def test_a_permission_that_is_taken_away_is_noticed(people: People, ask: Ask, look: Callable[[], int]) -> None:
    people["bob"].user_permissions.add(Permission.objects.get(codename="view_group"))
    request = ask(to=n_of(2, "permission:auth.view_group"), now=NOW)  # bob and the superuser
    assert (look(), is_stalled(request)) == (0, False)
    people["bob"].user_permissions.clear()
    assert (look(), is_stalled(request)) == (1, True)


def test_who_has_voted_may_go(people: People, ask: Ask, look: Callable[[], int]) -> None:
    request = ask(to=n_of(2, "group:finance"), now=NOW)
    decide(request, people["bob"])
    people["bob"].groups.clear()
    assert (look(), is_stalled(request)) == (0, False)


def test_a_percentage_of_fewer_people_may_be_reached_by_the_ballots_there_are(
    people: People, ask: Ask, look: Callable[[], int]
) -> None:
    request = ask(to=percent_of(60, "group:sre"), now=NOW)
    decide(request, people["dave"])
    for name in ("erin", "frank"):
        people[name].groups.clear()
    assert look() == 1
    request.refresh_from_db()
    assert (request.state, request.decided_by) == ("decided", "dave")


def test_a_stalled_request_escalates_without_waiting(people: People, ask: Ask, look: Callable[[], int]) -> None:
    policy = Policy(
        stages=["user:bob"], escalate=[after("8h", to="group:nobody"), after("9h", to="group:sre")], remind="10h"
    )
    request = ask(to=policy, now=NOW)
    look()
    people["bob"].groups.clear()
    User.objects.filter(username="bob").update(is_active=False)
    assert look() == 0  # it goes on, with others
    assert (told(request), is_stalled(request)) == (["opened", "escalated", "escalated"], False)
    assert [event.data["because"] for event in events_of(request)[1:]] == ["stalled", "stalled"]
    assert [alarm.kind for alarm in Alarm.objects.all()] == ["remind"]
    assert decide(request, people["dave"]).is_decided


def test_a_stage_that_has_begun_stays_when_its_people_multiply(
    people: People, ask: Ask, look: Callable[[], int]
) -> None:
    request = ask(to=Policy(stages=[percent_of(50, "group:finance"), "group:sre"]), now=NOW)
    decide(request, people["bob"])
    for name in ("dave", "erin", "frank"):
        people[name].groups.add(Group.objects.get(name="finance"))
    look()
    request.refresh_from_db()
    assert request.stage == 1
    assert decide(request, people["erin"]).is_decided


def test_it_looks_every_ten_seconds_and_no_more_often(people: People, ask: Ask) -> None:
    request = ask(to=n_of(2, "group:finance"), now=NOW)
    operations.eligibility_sweep(NOW)
    people["bob"].groups.clear()
    assert operations.eligibility_sweep(LATER - 1) == 0
    assert operations.eligibility_sweep(LATER) == 1
    assert is_stalled(request)


def test_people_who_come_and_go_between_two_looks_are_noticed(
    people: People, ask: Ask, look: Callable[[], int]
) -> None:
    """A request that was asked of three is stalled with two, although two is what the last look saw."""
    ask(to="group:finance", now=NOW)
    look()
    people["dave"].groups.add(Group.objects.get(name="finance"))
    request = ask(to=n_of(3, "group:finance"), now=NOW + 1)
    people["dave"].groups.remove(Group.objects.get(name="finance"))
    assert (look(), is_stalled(request)) == (1, True)


def test_what_is_closed_is_not_looked_at(people: People, ask: Ask, look: Callable[[], int]) -> None:
    request = ask(now=NOW)
    decide(request, people["bob"])
    people["bob"].groups.clear()
    people["carol"].groups.clear()
    assert (look(), is_stalled(request)) == (0, False)


def test_looking_costs_the_same_however_many_requests_are_open(
    people: People, ask: Ask, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        ask(f"Pay {number}?", to=["group:finance", "group:sre", "user:ana"], now=NOW)
    with django_assert_max_num_queries(14):
        operations.eligibility_sweep(NOW)
