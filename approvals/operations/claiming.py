"""Claiming: one of those who may decide keeps the others from doing the same work. A claim ends with his answer, when
he releases it, with the stage, and by itself."""

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from approvals import wording
from approvals.audit import event_append
from approvals.eligibility import eligibility_of
from approvals.errors import AlreadyClaimed, NotAllowed, NotEligible
from approvals.models import ApprovalRequest
from approvals.operations.closing import pages_tell
from approvals.operations.pending import pending_request
from approvals.operations.tallying import ballots_of
from approvals.people import may_operate, user_now

CLAIM_MS = 4 * 3_600_000


def approval_claim(
    request_id: UUID | str, *, actor: Any, channel: str, now: int, is_person: bool = True
) -> ApprovalRequest:
    """Keep the request for oneself for four hours; others can decide only by a veto meanwhile. It takes somebody who
    may decide now. Claiming one's own claim again leaves it as it is.

    Locks the request, then its promise. Errors: RequestNotFound, NotEligible, AlreadyClaimed (by whom),
    AlreadyDecided, RequestClosed.
    """
    with pending_request(request_id, actor, now) as request:
        actor = user_now(actor)
        name = actor.get_username()
        found = eligibility_of(request, actor, ballots_of(request), now, is_person=is_person)
        obstacle = found.obstacle
        if obstacle is not None and obstacle.name == "claim":
            raise AlreadyClaimed(wording.of_rule(obstacle), by=request.claimant(now))
        if obstacle is not None:
            raise NotEligible(wording.of_rule(obstacle), found)
        if request.claimant(now) != name:
            _claim_write(request, name, now + CLAIM_MS)
            data = {"until": request.claimed_until}
            event_append(str(request.pk), "claimed", now=now, actor=name, channel=channel, data=data)
            pages_tell(request, "claimed")
    return request


def approval_release(
    request_id: UUID | str, *, actor: Any, channel: str, now: int, as_operator: bool = True, reason: str = ""
) -> ApprovalRequest:
    """Give a claim back, or (with the permission) take it from somebody. A request that nobody has claimed stays as it
    is. `as_operator` is False for a caller who may not use his permissions here.

    Locks the request, then its promise. Errors: RequestNotFound, NotEligible, NotAllowed, AlreadyDecided,
    RequestClosed.
    """
    with pending_request(request_id, actor, now) as request:
        claimant, name = request.claimant(now), actor.get_username()
        if claimant and claimant != name and not (as_operator and may_operate(actor)):
            told = _("Only %(name)s can release this, or somebody who may operate requests.")
            raise NotAllowed(told % {"name": claimant})
        if claimant:
            _claim_write(request, "", None)
            data = {"from": claimant, "reason": reason}
            event_append(str(request.pk), "released", now=now, actor=name, channel=channel, data=data)
            pages_tell(request, "released")
    return request


def _claim_write(request: ApprovalRequest, by: str, until: int | None) -> None:
    request.claimed_by, request.claimed_until = by, until
    request.save(update_fields=["claimed_by", "claimed_until"])
