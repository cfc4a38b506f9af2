"""The database refuses to change what was recorded, whoever asks."""

import pytest
from django.db import IntegrityError, connection, transaction

from approvals.models import ApprovalRequest, AuditCheckpoint, AuditEvent

EVENTS, CHECKPOINTS = "approvals_auditevent", "approvals_auditcheckpoint"


@pytest.fixture
def _guarded(story: ApprovalRequest) -> None:
    """With all guards, also those that the flush of the test run does without; one checkpoint."""
    AuditCheckpoint.objects.create(stream="elsewhere", number=3, hash="h", removed=3, pruned_at=1, link="l")
    with connection.cursor() as cursor:
        for table in (EVENTS, CHECKPOINTS):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


STATEMENTS = [
    f"UPDATE {EVENTS} SET actor = 'carol' WHERE number = 2",
    f"UPDATE {EVENTS} SET id = id + 1000",
    f"DELETE FROM {EVENTS} WHERE number = 2",
    f"TRUNCATE {EVENTS}",
    f"UPDATE {CHECKPOINTS} SET number = 9",
    f"DELETE FROM {CHECKPOINTS}",
    f"TRUNCATE {CHECKPOINTS}",
]


@pytest.mark.usefixtures("_guarded")
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_change_is_refused(statement: str) -> None:
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.usefixtures("_guarded")
def test_through_django_too() -> None:
    event = AuditEvent.objects.first()
    assert event is not None
    for change in (event.save, event.delete, AuditEvent.objects.all().delete):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()


@pytest.mark.usefixtures("_guarded")
def test_what_a_checkpoint_covers_may_go_and_nothing_else(story: ApprovalRequest) -> None:
    stream = str(story.pk)
    AuditCheckpoint.objects.create(stream=stream, number=2, hash="h", removed=2, pruned_at=1, link="m")
    assert AuditEvent.objects.filter(stream=stream, number__lte=2).delete()[0] == 2
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEvent.objects.filter(stream=stream, number=3).delete()
