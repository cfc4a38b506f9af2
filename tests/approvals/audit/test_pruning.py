"""Old events go, checkpoints take their place, and the rest can still be verified."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from approvals.audit import event_append, events_of
from approvals.models import ApprovalRequest, AuditCheckpoint, AuditEvent
from approvals.pruning import audit_prune, prunable
from approvals.signing import public_key_of
from approvals.verification import breaks
from tests.approvals.audit.conftest import HOUR, NOW, OTHER_PUBLIC, PUBLIC, Tamper, decide

Ask = Callable[..., ApprovalRequest]
LATER = NOW + 1000 * HOUR
KEYS = [public_key_of(PUBLIC)]


def found(keys: list[object] = KEYS) -> list[str]:  # type: ignore[assignment]
    return [item.why for item in breaks(keys)]  # type: ignore[arg-type]


def test_what_is_closed_goes_and_what_is_open_stays(story: ApprovalRequest, ask: Ask) -> None:
    pending = ask(now=NOW)
    had = len(events_of(story))
    assert prunable(LATER)[str(story.pk)] == had
    assert audit_prune(LATER, now=LATER) == had + 1  # and what was delegated
    assert (events_of(story), len(events_of(pending))) == ([], 1)
    assert found() == []
    assert audit_prune(LATER, now=LATER) == 0


def test_a_stream_goes_on_after_its_checkpoint(story: ApprovalRequest) -> None:
    last = events_of(story)[-1]
    audit_prune(LATER, now=LATER)
    event = event_append(str(story.pk), "viewed", now=LATER)
    assert (event.number, event.previous_hash) == (last.number + 1, last.hash)
    assert found() == []


def test_only_what_is_older_goes(story: ApprovalRequest, people: dict[str, User], ask: Ask) -> None:
    request = ask(now=NOW)
    decide(request, people["bob"], LATER)
    audit_prune(LATER, now=LATER)
    assert [event.kind for event in events_of(request)] == ["ballot", "decided"]
    assert found() == []
    audit_prune(LATER + 1, now=LATER + 1)
    assert events_of(request) == []
    assert AuditCheckpoint.objects.filter(stream=str(request.pk)).count() == 2
    assert found() == []


CHANGES = [
    (
        "UPDATE approvals_auditcheckpoint SET hash = 'x' WHERE id = (SELECT min(id) FROM approvals_auditcheckpoint)",
        "altered",
    ),
    ("DELETE FROM approvals_auditcheckpoint WHERE id = (SELECT min(id) FROM approvals_auditcheckpoint)", "missing"),
    ("UPDATE approvals_auditcheckpoint SET signature = NULL", "carries no"),
]


@pytest.mark.parametrize(("statement", "why"), CHANGES)
def test_a_checkpoint_that_was_touched_is_named(
    story: ApprovalRequest, tamper: Tamper, statement: str, why: str
) -> None:
    audit_prune(LATER, now=LATER)
    tamper(statement)
    assert any(why in told for told in found())


def test_a_checkpoint_made_up_to_delete_events_is_not_genuine(story: ApprovalRequest) -> None:
    """The database lets go what a checkpoint covers; nobody without the key makes a genuine one."""
    made_up = AuditCheckpoint(stream=str(story.pk), number=5, hash="x", removed=5, pruned_at=NOW)
    made_up.link = made_up.link_now
    made_up.save()
    AuditEvent.objects.filter(stream=str(story.pk), number__lte=5).delete()
    told = found()
    assert any("does not follow" in why for why in told)
    assert any("not genuine" in why for why in told)


def test_another_key_does_not_vouch_for_it(story: ApprovalRequest) -> None:
    audit_prune(LATER, now=LATER)
    assert all("not given" in why for why in found([public_key_of(OTHER_PUBLIC)]))
    assert found([]) == []


@pytest.mark.usefixtures("no_key")
def test_without_a_key_the_chain_of_checkpoints_remains(story: ApprovalRequest, tamper: Tamper) -> None:
    audit_prune(LATER, now=LATER)
    assert found([]) == []
    tamper("UPDATE approvals_auditcheckpoint SET removed = 1")
    assert found([]) != []


def test_the_command_says_first_what_it_would_do(story: ApprovalRequest, time_machine: Any) -> None:
    time_machine.move_to(LATER / 1000)
    count = AuditEvent.objects.count()
    out = StringIO()
    call_command("audit", "prune", "--older-than", "500h", "--dry-run", stdout=out)
    assert (out.getvalue(), AuditEvent.objects.count()) == (f"{count} events would be removed.\n", count)
    call_command("audit", "prune", "--older-than", "500h", stdout=out)
    assert AuditEvent.objects.count() == 0
