"""Saying something about a request without deciding it, before and after it is closed."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from approvals import queries
from approvals.audit import event_append
from approvals.errors import CommentRequired
from approvals.models import ApprovalRequest, AuditEvent
from approvals.operations.closing import pages_tell
from approvals.operations.locks import request_lock
from approvals.operations.pending import concern_check


def approval_comment(request_id: UUID | str, *, actor: Any, text: str, channel: str, now: int) -> AuditEvent:
    """Add a comment, which everybody reads whom the request concerns. Saying the same again, as the last word, is
    saying it once.

    Locks the request. Errors: RequestNotFound, NotEligible, CommentRequired.
    """
    with transaction.atomic():
        request = request_lock(request_id)
        concern_check(request, actor, now)
        if not text.strip():
            raise CommentRequired(_("A comment says something."))
        name, data = actor.get_username(), {"text": text.strip()}
        last = queries.timeline(request)[-1]
        if (last.kind, last.actor, last.data) == ("commented", name, data):
            return last
        event = event_append(str(request.pk), "commented", now=now, actor=name, channel=channel, data=data)
        pages_tell(request, "commented")
    return event


def approval_view(request: ApprovalRequest, *, actor: Any, channel: str, now: int) -> None:
    """Record that somebody has opened the card. Locks the request. Errors: RequestNotFound."""
    with transaction.atomic():
        request = request_lock(request.pk)
        data = {"version": request.version, "digest": request.digest}
        event_append(str(request.pk), "viewed", now=now, actor=actor.get_username(), channel=channel, data=data)
