"""How a request that is open changes: a new version begins, the ballots of the old one are void, and what people had
read is kept, so that they can be shown what changed."""

import re
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.audit import event_append
from approvals.cards import Card, card_of
from approvals.changes import Change, changes_between
from approvals.models import CONTENT, ApprovalRequest, RequestVersion, Role
from approvals.operations.closing import WORKFLOW, close_if_over
from approvals.operations.locks import promise_lock, request_lock
from approvals.operations.tallying import audience_renew, tally
from approvals.policy_versions import policy_in_force

_digest = re.compile("[0-9a-f]{64}")


def approval_revise(request_id: UUID | str, card: dict[str, Any], *, revision: int, now: int) -> bool:
    """Ask something else instead: `card` is `Card.to_json()`. `revision` counts the workflow's revisions of this
    request from 1, so that a repeated call changes nothing. False when the request was closed before.

    Locks the request, then its promise. Errors: RequestNotFound.
    """
    with transaction.atomic():
        request = request_lock(request_id)
        if request.revision >= revision:
            return True
        if not request.is_pending or close_if_over(request, promise_lock(request), now) is not None:
            return False
        request.revision = revision
        asked = card_of(card)
        version_begin(request, replace(asked, policy=policy_in_force(asked.policy)), now)
        tally(request, [], now, event="revised")
    return True


def version_begin(request: ApprovalRequest, card: Card, now: int, *, by: str = "", channel: str = WORKFLOW) -> None:
    """Put the content of `card` in the place of what the request asks. The caller holds both locks."""
    old, new = request.content, card.content()
    RequestVersion.objects.create(
        request=request,
        number=request.version,
        digest=request.digest,
        content=old,
        replaced_at=now,
        replaced_by=by,
    )
    for name in CONTENT:
        setattr(request, name, new[name])
    request.digest, request.version = card.digest, request.version + 1
    request.stage, request.is_stalled = 0, False
    request.save(update_fields=[*CONTENT, "digest", "version", "revision", "stage", "is_stalled"])
    request.audience.filter(role=Role.DONE).delete()  # nobody has answered the new version
    audience_renew(request)
    places = [change.path for change in changes_between(old, new)]
    data = {"version": request.version, "digest": request.digest, "changed": places}
    event_append(str(request.pk), "revised", now=now, actor=by, channel=channel, data=data)


def changes_since(request: ApprovalRequest, digest: str) -> list[Change] | None:
    """What leads from the version with this digest to the current one; None when the request never had it."""
    if digest == request.digest:
        return []
    if not _digest.fullmatch(digest):
        return None
    read = request.versions.filter(digest=digest).order_by("-number").first()
    return None if read is None else changes_between(read.content, request.content)
