"""Changing whom an open request asks: handing one's place on, adding an approver, escalating. The frozen policy stays
as it is; the amendments lie beside it, each with who made it and why. No change may leave a request that nobody can
decide."""

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from approvals import amendments, wording
from approvals.amendments import Amendment
from approvals.audit import event_append
from approvals.eligibility import eligibility_of
from approvals.errors import InvalidChange, NotAllowed, NotEligible
from approvals.models import ApprovalRequest, RequestAudience, Role
from approvals.operations.audience import audience_row
from approvals.operations.pending import pending_request
from approvals.operations.tallying import amend, ballots_of, escalate, tally
from approvals.people import may_operate, principals_of, user_named, user_now
from approvals.requirements import principal_of


def approval_reassign(
    request_id: UUID | str,
    *,
    instead_of: str,
    to: str,
    actor: Any,
    reason: str,
    channel: str,
    now: int,
    is_person: bool = True,
    as_operator: bool = True,
) -> ApprovalRequest:
    """Ask `to` instead of `instead_of` (both principals), in every stage and in the veto. Everybody may hand on what he
    is asked by name; the rest takes the permission. Repeating it changes nothing.

    Locks the request, then its promise. Errors: RequestNotFound, NotEligible, NotAllowed, InvalidChange, InvalidPolicy,
    AlreadyDecided, RequestClosed.
    """
    amendment = Amendment("reassign", (principal_of(to),), instead_of=principal_of(instead_of))
    with pending_request(request_id, actor, now) as request:
        me = f"user:{actor.get_username()}"
        if not (is_person and instead_of == me) and not (as_operator and may_operate(actor)):
            raise NotAllowed(_("You can hand on only what you are asked by name (%(me)s).") % {"me": me})
        if instead_of == to:
            raise InvalidChange(_("That is the same place."))
        is_asked = instead_of in _asked(request)
        if is_asked or amendments.freeze(amendment) not in request.amendments:
            if not is_asked:
                name = wording.principal_name(instead_of)
                raise InvalidChange(_("The request does not ask %(name)s.") % {"name": name})
            _newcomer_check(request, to)
            data = {"from": instead_of, "to": [to]}
            request.claimed_by, request.claimed_until = "", None
            former = audience_row(request, instead_of, Role.FORMER)  # whoever handed it on may still read it
            RequestAudience.objects.bulk_create([former], ignore_conflicts=True)
            _change(request, amendment, "reassigned", data, actor=actor, reason=reason, channel=channel, now=now)
    return request


def approval_add_approver(
    request_id: UUID | str,
    *,
    principal: str,
    actor: Any,
    reason: str,
    channel: str,
    now: int,
    is_required: bool,
    is_person: bool = True,
    as_operator: bool = True,
) -> ApprovalRequest:
    """Ask a principal too, in the open stage. With `is_required` it must answer as well: that is stricter, and whoever
    may decide now may do it. Without, it may answer instead of the others: that takes the permission. Repeating it
    changes nothing.

    Locks the request, then its promise. Errors: RequestNotFound, NotAllowed, NotEligible, InvalidChange, InvalidPolicy,
    AlreadyDecided, RequestClosed.
    """
    principal_of(principal)
    with pending_request(request_id, actor, now) as request:
        if not (as_operator and may_operate(actor)):
            if not is_required:
                raise NotAllowed(_("Asking somebody instead of others takes the permission to operate requests."))
            found = eligibility_of(request, user_now(actor), ballots_of(request), now, is_person=is_person)
            if found.obstacle is not None:
                raise NotEligible(wording.of_rule(found.obstacle), found)
        amendment = Amendment("require" if is_required else "add", (principal,), request.stage)
        if amendments.freeze(amendment) not in request.amendments:
            _newcomer_check(request, principal)
            data = {"to": [principal], "stage": request.stage, "required": is_required}
            _change(request, amendment, "approver_added", data, actor=actor, reason=reason, channel=channel, now=now)
    return request


def approval_escalate(
    request_id: UUID | str, *, to: str, actor: Any, reason: str, channel: str, now: int, as_operator: bool = True
) -> ApprovalRequest:
    """Ask `to` as well, in the open stage and all later ones, without waiting for the policy's own escalations. It
    takes the permission. Repeating it changes nothing.

    Locks the request, then its promise. Errors: RequestNotFound, NotEligible, NotAllowed, InvalidChange, InvalidPolicy,
    AlreadyDecided, RequestClosed.
    """
    principal_of(to)
    with pending_request(request_id, actor, now) as request:
        if not (as_operator and may_operate(actor)):
            raise NotAllowed(_("Escalating takes the permission to operate requests."))
        if to not in request.thawed_policy.principals(request.stage):
            _newcomer_check(request, to)
            name = actor.get_username()
            escalate(request, (to,), now, because="asked", actor=name, channel=channel, reason=reason)
            tally(request, ballots_of(request), now, event="assigned")
    return request


def _change(
    request: ApprovalRequest,
    amendment: Amendment,
    kind: str,
    data: dict[str, Any],
    *,
    actor: Any,
    reason: str,
    channel: str,
    now: int,
) -> None:
    """Amend, record, count again. What would leave too few people is refused, unless they were too few before."""
    was_stalled = request.is_stalled
    amend(request, amendment)
    event_append(
        str(request.pk), kind, now=now, actor=actor.get_username(), channel=channel, data={**data, "reason": reason}
    )
    tally(request, ballots_of(request), now, event="assigned")
    if request.is_stalled and not was_stalled:
        raise InvalidChange(_("Then too few would be left to decide, so nothing was changed."))


def _asked(request: ApprovalRequest) -> tuple[str, ...]:
    policy = request.thawed_policy
    return (*policy.principals(), *policy.veto)


def _newcomer_check(request: ApprovalRequest, principal: str) -> None:
    """Whoever is asked by name exists and is not excluded; a group or permission is looked at when somebody decides."""
    kind, _separator, name = principal.partition(":")
    if kind != "user":
        return
    account = user_named(name)
    if account is None:
        raise InvalidChange(_("There is no active user “%(name)s”.") % {"name": name})
    policy = request.thawed_policy
    is_requester = policy.excludes_requester and name == request.requester
    if is_requester or set(policy.barred).intersection(principals_of(account)):
        raise InvalidChange(_("The policy excludes %(name)s.") % {"name": name})
