"""Letting somebody stand in while one is away, and ending that. A person delegates for himself; for others it takes a
permission."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils.translation import gettext as _

from approvals.audit import event_append, stream_lock
from approvals.delegations import Delegation
from approvals.errors import DelegationNotFound, InvalidDelegation, NotAllowed

LONGEST_MS = 366 * 24 * 3_600_000
MAY_DELEGATE_FOR_OTHERS = "approvals.change_delegation"


def delegation_create(
    delegator: str,
    delegate: str,
    *,
    starts_at: int,
    ends_at: int,
    by: Any,
    reason: str = "",
    now: int,
    is_person: bool = True,
    as_operator: bool = True,
) -> Delegation:
    """Let `delegate` stand in for `delegator`. `by` is the delegator, or somebody who may delegate for others. The same
    delegation again is the one that there is. `is_person` is False for a token that acts for a machine, `as_operator`
    for a caller who may not use his permissions here.

    Locks the delegator's stream of events. Errors: NotAllowed, InvalidDelegation.
    """
    if not is_person:
        raise NotAllowed(_("Only people delegate; this account acts for a machine."))
    _may_check(by, delegator, as_operator=as_operator)
    _delegation_check(delegator, delegate, starts_at, ends_at, now)
    wanted = {"delegator": delegator, "delegate": delegate, "starts_at": starts_at, "ends_at": ends_at}
    with transaction.atomic():
        stream_lock(stream_of(delegator))
        found = Delegation.objects.filter(**wanted, revoked_at=None).first()
        if found is not None:
            return found
        made = Delegation.objects.create(**wanted, reason=reason, created_by=by.get_username(), created_at=now)
        _event(made, "delegated", by, now, {"from": starts_at, "until": ends_at, "reason": reason})
    return made


def delegation_revoke(id: int, *, by: Any, reason: str = "", now: int, as_operator: bool = True) -> Delegation:
    """End a delegation now; ballots that were cast stay cast. Revoking again keeps the first time.

    Errors: DelegationNotFound (also for somebody whom it does not concern), NotAllowed.
    """
    with transaction.atomic():
        found = Delegation.objects.select_for_update().filter(pk=id).first()
        if found is None or not _concerns(found, by):
            raise DelegationNotFound(_("There is no such delegation."))
        _may_check(by, found.delegator, as_operator=as_operator)
        if found.revoked_at is None:
            found.revoked_at, found.revoked_by = now, by.get_username()
            found.save(update_fields=["revoked_at", "revoked_by"])
            stream_lock(stream_of(found.delegator))
            _event(found, "delegation_revoked", by, now, {"reason": reason})
    return found


def stream_of(delegator: str) -> str:
    """The stream of audit events about what this person delegates."""
    return f"delegation:{delegator}"


def _may_check(by: Any, delegator: str, *, as_operator: bool) -> None:
    if by.get_username() != delegator and not (as_operator and by.has_perm(MAY_DELEGATE_FOR_OTHERS)):
        told = _("Only %(name)s can delegate this, or somebody who may delegate for others.")
        raise NotAllowed(told % {"name": delegator})


def _concerns(delegation: Delegation, user: Any) -> bool:
    return user.get_username() in (delegation.delegator, delegation.delegate) or user.has_perm(MAY_DELEGATE_FOR_OTHERS)


def _delegation_check(delegator: str, delegate: str, starts_at: int, ends_at: int, now: int) -> None:
    if delegator == delegate:
        raise InvalidDelegation(_("Nobody stands in for himself."))
    if not starts_at < ends_at or ends_at <= now:
        raise InvalidDelegation(_("A delegation ends after it begins, and not in the past."))
    if ends_at - starts_at > LONGEST_MS:
        raise InvalidDelegation(_("A delegation lasts a year at most; make another one then."))
    users = get_user_model()._default_manager.filter(is_active=True)
    for name in (delegator, delegate):
        if not users.filter(**{get_user_model().USERNAME_FIELD: name}).exists():
            raise InvalidDelegation(_("There is no active user “%(name)s”.") % {"name": name})


def _event(delegation: Delegation, kind: str, by: Any, now: int, data: dict[str, Any]) -> None:
    event_append(
        stream_of(delegation.delegator),
        kind,
        now=now,
        actor=by.get_username(),
        data={"delegation": delegation.pk, "delegator": delegation.delegator, "delegate": delegation.delegate, **data},
    )
