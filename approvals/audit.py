"""The record of what happened: one stream of events for each request, each event holding the hash of the one before."""

import hashlib
from typing import Any

import rfc8785

from approvals.models import AuditEvent


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
