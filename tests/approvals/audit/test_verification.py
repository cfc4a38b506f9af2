"""`audit verify` names the first broken link; the events alone tell the state of every request."""

from collections.abc import Callable
from dataclasses import asdict
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from approvals import operations
from approvals.audit import event_append, events_of
from approvals.durations import after
from approvals.models import ApprovalRequest, AuditEvent
from approvals.rebuilding import differences, rebuild
from approvals.requirements import n_of
from approvals.verification import breaks
from tests.approvals.audit.conftest import HOUR, NOW, Tamper, decide

Ask = Callable[..., ApprovalRequest]


def found() -> list[tuple[str, int, str]]:
    return [(item.stream, item.number, item.why) for item in breaks([])]


def verify() -> str:
    out = StringIO()
    call_command("audit", "verify", stdout=out)
    return out.getvalue()


def test_what_nobody_touched_is_whole(story: ApprovalRequest) -> None:
    assert found() == []
    assert verify() == f"{AuditEvent.objects.count()} events verified; no link is broken.\n"


CHANGES = [
    ("UPDATE approvals_auditevent SET actor = 'carol' WHERE stream = %s AND number = 4", 4, "not what it was"),
    ("UPDATE approvals_auditevent SET happened_at = happened_at + 1 WHERE stream = %s AND number = 4", 4, "not what"),
    ("UPDATE approvals_auditevent SET kind = 'canceled' WHERE stream = %s AND number = 4", 4, "not what it was"),
    ('UPDATE approvals_auditevent SET data = data || \'{"for": "x"}\' WHERE stream = %s AND number = 4', 4, "not what"),
    ("UPDATE approvals_auditevent SET hash = repeat('0', 64) WHERE stream = %s AND number = 4", 4, "not what it was"),
    ("UPDATE approvals_auditevent SET previous_hash = '' WHERE stream = %s AND number = 4", 4, "does not follow"),
    ("UPDATE approvals_auditevent SET number = 99 WHERE stream = %s AND number = 4", 4, "missing"),
    ("DELETE FROM approvals_auditevent WHERE stream = %s AND number = 4", 4, "missing"),
    ("DELETE FROM approvals_auditevent WHERE stream = %s AND number < 4", 1, "missing"),
]


@pytest.mark.parametrize(("statement", "number", "why"), CHANGES)
def test_the_first_broken_link_is_named(
    story: ApprovalRequest, tamper: Tamper, statement: str, number: int, why: str
) -> None:
    tamper(statement, str(story.pk))
    first = found()[0]
    assert first[:2] == (str(story.pk), number)
    assert why in first[2]
    with pytest.raises(CommandError, match="broken"):
        verify()


def test_an_event_with_a_hash_that_fits_breaks_the_next_one(story: ApprovalRequest, tamper: Tamper) -> None:
    """Somebody who knows how hashes are made would have to make all that follow anew."""
    from approvals.chains import link_hash

    event = events_of(story)[3]
    event.actor = "carol"
    tamper("UPDATE approvals_auditevent SET actor = 'carol', hash = %s WHERE id = %s", link_hash(event), event.pk)
    assert found()[0][:2] == (str(story.pk), 5)


def test_the_last_event_is_missed_by_what_the_request_says(story: ApprovalRequest, tamper: Tamper) -> None:
    tamper("DELETE FROM approvals_auditevent WHERE stream = %s AND kind = 'decided'", str(story.pk))
    (_stream, _number, why), *_others = found()
    assert why.startswith("the request is not what its events say: state, outcome")


def test_a_whole_stream_that_is_gone_is_missed(story: ApprovalRequest, tamper: Tamper) -> None:
    tamper("DELETE FROM approvals_auditevent WHERE stream = %s", str(story.pk))
    assert found() == [(str(story.pk), 1, "the request has no events")]


ROWS = [
    ("UPDATE approvals_approvalrequest SET outcome = 'reject'", "outcome"),
    ("UPDATE approvals_approvalrequest SET decided_by = 'ana'", "decided_by"),
    ("UPDATE approvals_approvalrequest SET amendments = '[]'", "amendments"),
    ("UPDATE approvals_approvalrequest SET digest = 'x'", "digest"),
    ("UPDATE approvals_ballot SET actor = 'carol' WHERE actor = 'dave'", "ballots"),
    ("UPDATE approvals_ballot SET outcome = 'reject' WHERE actor = 'dave'", "ballots"),
    ("DELETE FROM approvals_ballot WHERE actor = 'dave'", "ballots"),
]


@pytest.mark.parametrize(("statement", "field"), ROWS)
def test_a_row_that_was_changed_around_the_events_is_named(
    story: ApprovalRequest, tamper: Tamper, statement: str, field: str
) -> None:
    tamper(statement)
    assert found() == [
        (str(story.pk), len(events_of(story)), f"the request is not what its events say: {field}"),
    ]


def test_the_events_alone_tell_the_state_at_every_moment(people: dict[str, User], ask: Ask) -> None:
    def same(request: ApprovalRequest) -> bool:
        request.refresh_from_db()
        return differences(request, request.ballots.order_by("pk"), events_of(request)) == []

    request = ask(to=n_of(2, "group:finance"), timeout=after("8h", then="reject"), now=NOW)
    assert same(request)
    operations.approval_claim(request.pk, actor=people["bob"], channel="page", now=NOW)
    assert same(request)
    decide(request, people["bob"], NOW)
    assert same(request)
    people["carol"].groups.clear()
    operations.eligibility_sweep(NOW)
    assert same(request)
    assert request.is_stalled
    operations.approvals_expire(NOW + 8 * HOUR)
    assert same(request)
    assert (request.state, request.decided_by) == ("timed_out", "")
    withdrawn = ask(now=NOW)
    operations.approval_withdraw(withdrawn.pk, by="ana", reason="", channel="page", now=NOW)
    assert same(withdrawn)


def test_events_that_change_nothing_of_the_request_are_passed_over(story: ApprovalRequest) -> None:
    before = asdict(rebuild(events_of(story)))
    event_append(str(story.pk), "something_of_a_later_release", now=NOW)
    assert asdict(rebuild(events_of(story))) == before
    assert found() == []
