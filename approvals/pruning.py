"""Taking old events out of the audit. A checkpoint is written first, in the same commit: it holds the hash that the
rest of the stream follows, and the database deletes no event that no checkpoint covers."""

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, TextField
from django.db.models.functions import Cast

from approvals import keys
from approvals.audit import stream_lock
from approvals.checkpoints import AuditCheckpoint
from approvals.models import ApprovalRequest, AuditEvent

LOCK = "checkpoints"


def prunable(before: int) -> dict[str, int]:
    """How many events older than `before` (ms) there are by stream. Requests that are open keep theirs."""
    pending = (
        ApprovalRequest.objects.pending().annotate(stream=Cast("pk", TextField())).filter(stream=OuterRef("stream"))
    )
    old = AuditEvent.objects.filter(happened_at__lt=before).exclude(Exists(pending)).order_by()
    return dict(old.values_list("stream").annotate(count=Count("pk")))


def audit_prune(before: int, *, now: int) -> int:
    """Remove the events of closed requests (and of other streams) that happened before `before`; how many. Each stream
    is a commit of its own."""
    return sum(_stream_prune(stream, before, now) for stream in prunable(before))


def _stream_prune(stream: str, before: int, now: int) -> int:
    with transaction.atomic():
        stream_lock(LOCK)  # checkpoints follow one another
        last = AuditEvent.objects.filter(stream=stream, happened_at__lt=before).order_by("-number").first()
        if last is None:
            return 0
        old = AuditEvent.objects.filter(stream=stream, number__lte=last.number)
        latest = AuditCheckpoint.objects.order_by("-pk").first()
        checkpoint = AuditCheckpoint(
            stream=stream,
            number=last.number,
            hash=last.hash,
            removed=old.count(),
            pruned_at=now,
            previous_link=latest.link if latest else "",
        )
        checkpoint.link = checkpoint.link_now
        checkpoint.signature = keys.signed(checkpoint.content)
        checkpoint.save(force_insert=True)
        return old.delete()[0]
