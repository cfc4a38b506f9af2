"""Reminders and escalations: when, once each, and not any more when the request is closed."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest
from django.contrib.auth.models import User

from approvals import operations
from approvals.audit import events_of
from approvals.calendars import calendar_register
from approvals.durations import after
from approvals.errors import AlreadyDecided, NotAllowed, RemindedAlready
from approvals.models import Alarm, ApprovalRequest
from approvals.operations.reminding import REMIND_EVERY_MS
from approvals.policies import Policy
from approvals.requirements import InvalidPolicy, n_of
from promises.times import to_ms
from tests.approvals.conftest import people_create, request_open
from tests.approvals.threads import at_once

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]
HOUR = 3_600_000
NOW = to_ms(datetime(2026, 11, 24, 16, 0, tzinfo=UTC))  # a Tuesday
POLICY = Policy("p", stages=["group:finance"], remind=["2h", "6h"], escalate=[after("8h", to="group:sre")])


def decide(request: ApprovalRequest, actor: User, now: int) -> operations.Vote:
    return operations.approval_decide(request.pk, actor=actor, outcome="approve", channel="page", now=now)


def told(request: ApprovalRequest) -> list[str]:
    return [event.kind for event in events_of(request)]


def test_each_comes_at_its_time_and_once(people: People, ask: Ask) -> None:
    request = ask(to=POLICY, now=NOW)
    assert [operations.alarms_ring(NOW + hours * HOUR) for hours in (1, 2, 2, 5, 6, 7, 8, 9)] == [
        0,
        1,
        0,
        0,
        1,
        0,
        1,
        0,
    ]
    assert told(request) == ["opened", "reminded", "reminded", "escalated"]
    assert [event.happened_at for event in events_of(request)[1:]] == [NOW + hours * HOUR for hours in (2, 6, 8)]


def test_a_clock_that_was_away_catches_up(people: People, ask: Ask) -> None:
    request = ask(to=POLICY, now=NOW)
    assert operations.alarms_ring(NOW + 24 * HOUR) == 3
    assert told(request) == ["opened", "reminded", "reminded", "escalated"]


def test_an_escalation_lets_others_decide(people: People, ask: Ask) -> None:
    request = ask(to=POLICY, now=NOW)
    operations.alarms_ring(NOW + 8 * HOUR)
    assert decide(request, people["dave"], NOW + 8 * HOUR).is_decided


def test_a_decided_request_is_left_alone(people: People, ask: Ask) -> None:
    request = ask(to=POLICY, now=NOW)
    decide(request, people["bob"], NOW + HOUR)
    assert not Alarm.objects.exists()
    assert operations.alarms_ring(NOW + 24 * HOUR) == 0


def test_a_deadline_comes_before_a_reminder_that_is_late(people: People, ask: Ask) -> None:
    request = ask(to=POLICY, timeout=after("1h", then="reject"), now=NOW)
    operations.alarms_ring(NOW + 3 * HOUR)
    assert told(request) == ["opened", "timed_out"]


def test_a_reminder_says_who_has_not_answered(people: People, ask: Ask) -> None:
    request = ask(to=Policy(stages=[n_of(3, "group:sre")], remind="2h"), now=NOW)
    decide(request, people["dave"], NOW)
    operations.alarms_ring(NOW + 2 * HOUR)
    assert events_of(request)[-1].data == {"waiting_for": ["erin", "frank"]}


def test_in_a_calendar_only_working_time_passes(people: People, ask: Ask) -> None:
    calendar_register("office")  # nine to five, UTC
    request = ask(to=POLICY.changed(calendar="office"), now=NOW)
    moments = [datetime.fromtimestamp(alarm.due_at / 1000, UTC) for alarm in Alarm.objects.filter(request=request)]
    assert [f"{moment:%a %H:%M}" for moment in moments] == ["Wed 10:00", "Wed 14:00", "Wed 16:00"]


def test_a_calendar_that_is_not_known_here_opens_nothing(people: People, ask: Ask) -> None:
    with pytest.raises(InvalidPolicy, match="No calendar"):
        ask(to=POLICY.changed(calendar="nowhere"), now=NOW)
    assert not ApprovalRequest.objects.exists()


def test_whoever_asked_may_remind_but_not_all_the_time(people: People, ask: Ask) -> None:
    request = ask(now=NOW)
    remind = partial(operations.approval_remind, request.pk, channel="page")
    with pytest.raises(NotAllowed):
        remind(actor=people["bob"], now=NOW)
    remind(actor=people["ana"], now=NOW)
    with pytest.raises(RemindedAlready):
        remind(actor=people["admin"], now=NOW + REMIND_EVERY_MS - 1)
    remind(actor=people["admin"], now=NOW + REMIND_EVERY_MS)
    decide(request, people["bob"], NOW + REMIND_EVERY_MS)
    with pytest.raises(AlreadyDecided):
        remind(actor=people["ana"], now=NOW + 24 * HOUR)


@pytest.mark.django_db(transaction=True)
def test_two_clocks_and_a_person_at_once_do_each_thing_once() -> None:
    people = people_create()
    for number in range(10):
        request = request_open(id=f"alarm-{number}:1", to=POLICY, now=NOW)
        due = NOW + 8 * HOUR
        at_once(
            partial(operations.alarms_ring, due),
            partial(operations.alarms_ring, due),
            partial(decide, request, people["bob"], due),
        )
        operations.alarms_ring(due)
        kinds = told(request)
        most = {"opened": 1, "reminded": 2, "escalated": 1, "ballot": 1, "decided": 1}
        assert all(kinds.count(kind) <= most[kind] for kind in kinds), kinds
        assert (kinds[0], kinds[-2:]) == ("opened", ["ballot", "decided"])
