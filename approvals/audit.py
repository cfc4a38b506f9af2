"""The record of what happened: one stream of events for each request, each event holding the hash of the one before."""

import hashlib
from typing import Any

import rfc8785
from django.db import connection

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
    last = AuditEvent.objects.filter(stream=stream).order_by("-number").values_list("number", "hash").first()
    number, previous = (last[0] + 1, last[1]) if last else (1, "")
    event = AuditEvent(
        stream=stream,
        number=number,
        kind=kind,
        actor=actor,
        channel=channel,
        data=data or {},
        happened_at=now,
        previous_hash=previous,
    )
    event.hash = event_hash(event)
    event.save(force_insert=True)
    return event


def events_in(stream: str) -> list[AuditEvent]:
    """What happened, in order."""
    return list(AuditEvent.objects.filter(stream=stream).order_by("number"))


def events_of(request: ApprovalRequest) -> list[AuditEvent]:
    """What happened to a request, in order."""
    return events_in(str(request.pk))


def event_hash(event: AuditEvent) -> str:
    """SHA-256, in hexadecimal, of the RFC 8785 form of everything that the event says and of the hash before it."""
    content = {
        "stream": event.stream,
        "number": event.number,
        "kind": event.kind,
        "actor": event.actor,
        "channel": event.channel,
        "data": event.data,
        "at": event.happened_at,
        "previous": event.previous_hash,
    }
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()
