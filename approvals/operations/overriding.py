"""Deciding around the policy: for those who hold the permission, with a reason, and recorded as what it is."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from approvals import wording
from approvals.errors import ApprovalError, CommentRequired, NotAllowed
from approvals.models import ApprovalRequest
from approvals.operations.closing import Override, close_if_over, closed_error, request_decide
from approvals.operations.locks import promise_lock, request_lock
from approvals.operations.tallying import ballots_of
from approvals.people import user_now
from approvals.rules import Eligibility
from approvals.submissions import Submission, submission_check

MAY_OVERRIDE = "approvals.override_approvalrequest"


def approval_override(
    request_id: UUID | str,
    *,
    actor: Any,
    outcome: str,
    reason: str,
    channel: str,
    now: int,
    input: Any = None,
    as_operator: bool = True,
) -> ApprovalRequest:
    """Give a pending request one of its outcomes, whatever its policy says. No ballot is cast; decision, receipt and
    the audit's `overridden` event name the person and the reason. `input` answers the form of the outcome;
    `as_operator` is False for a token that may not use the permissions of its user.

    Locks the request, then its promise. Errors: RequestNotFound, NotAllowed, CommentRequired (no reason),
    UnknownOutcome, InvalidInput, AlreadyDecided, RequestClosed.
    """
    with transaction.atomic():
        request = request_lock(request_id)
        actor = user_now(actor)
        if not (as_operator and actor.has_perm(MAY_OVERRIDE)):
            raise NotAllowed(_("Deciding around the policy takes the permission to override requests."))
        if not reason.strip():
            raise CommentRequired(_("An override needs a reason: it is recorded with it."))
        if request.is_pending and close_if_over(request, promise_lock(request), now) is None:
            answer = _checked(request, outcome, reason, input)
            request_decide(
                request,
                outcome,
                ballots_of(request),
                decisive=None,
                channel=channel,
                now=now,
                override=Override(actor.get_username(), answer.comment, answer.input),
            )
            return request
    raise closed_error(request)


def _checked(request: ApprovalRequest, outcome: str, reason: str, input: Any) -> Submission:
    try:
        return submission_check(
            request.card,
            Eligibility(allowed=True, rules=()),
            outcome=outcome,
            comment=reason,
            input=input,
            file=lambda _id: None,
        )
    except ApprovalError as error:
        raise wording.translated(error) from None
