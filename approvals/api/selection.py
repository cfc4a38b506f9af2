"""Which requests a list shows: to whom they are put, in which state, from where on."""

from typing import Any
from uuid import UUID

from django.db.models import Q

from approvals import queries
from approvals.models import ApprovalRequest, ApprovalRequestQuerySet, RequestState, Role
from approvals.people import principals_of
from promises.api.pagination import before

ME, MINE = "me", "mine"
FOR = frozenset({ME, MINE})


def approvals_for(user: Any, *, whose: str, state: str, now: int) -> ApprovalRequestQuerySet:
    """What concerns the user. `whose`: "me" is what he is asked (pending: what he can decide now), "mine" what he asked
    for, '' both and whatever else he may see."""
    if whose == ME and state == RequestState.PENDING:
        return queries.inbox(user, now)
    if whose == ME:
        rows = ApprovalRequest.objects.for_principals(principals_of(user), Role.DECIDE, Role.DONE, Role.VETO)
    elif whose == MINE:
        rows = ApprovalRequest.objects.filter(requester=user.get_username())
    else:
        rows = queries.visible_to(user)
    return rows.filter(state_is(state, now)) if state else rows


def state_is(state: str, now: int) -> Q:
    """Requests that read as `state` at `now`, whether or not the clock has written a passed deadline down."""
    overdue = Q(state=RequestState.PENDING, deadline_at__lte=now)
    match state:
        case RequestState.PENDING:
            return Q(state=state) & ~overdue
        case RequestState.TIMED_OUT:
            return Q(state=state) | overdue
    return Q(state=state)


def newest_first(rows: ApprovalRequestQuerySet, cursor: tuple[int, UUID] | None) -> ApprovalRequestQuerySet:
    """`rows` after the key `cursor` (opened_at, id), with their decisions."""
    if cursor is not None:
        rows = rows.filter(before(*cursor, field="opened_at"))
    return rows.select_related("decision").order_by("-opened_at", "-id")
