"""The record of what happened: one stream of events for each request, each event holding the hash of the one before.
The table takes no change and no deletion (a trigger refuses both); see `pruning.py` for what may go."""

from typing import Any

from django.db import connection

from approvals.chains import link_hash
from approvals.checkpoints import AuditCheckpoint
from approvals.models import ApprovalRequest, AuditEvent


def stream_lock(stream: str) -> None:
    """Keep others from this stream until the transaction ends: for streams about something that has no row to lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [stream])


def event_append(
    stream: str, kind: str, *, now: int, actor: str = "", channel: str = "", data: dict[str, Any] | None = None
) -> AuditEvent:
    """Add an event to the end of a stream. The caller holds the lock of what the stream is about, so numbers have no
    gap. `data` is JSON."""
    number, previous = _end_of(stream)
    event = AuditEvent(
        stream=stream,
        number=number + 1,
        kind=kind,
        actor=actor,
        channel=channel,
        data=data or {},
        happened_at=now,
        previous_hash=previous,
    )
    event.hash = link_hash(event)
    event.save(force_insert=True)
    return event


def events_in(stream: str) -> list[AuditEvent]:
    """What happened, in order."""
    return list(AuditEvent.objects.filter(stream=stream).order_by("number"))


def events_of(request: ApprovalRequest) -> list[AuditEvent]:
    """What happened to a request, in order."""
    return events_in(str(request.pk))


def _end_of(stream: str) -> tuple[int, str]:
    """The number and the hash that the next event follows."""
    for rows in (AuditEvent.objects, AuditCheckpoint.objects):
        last = rows.filter(stream=stream).order_by("-number").values_list("number", "hash").first()
        if last:
            return last
    return 0, ""
