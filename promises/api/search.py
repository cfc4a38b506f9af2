"""Reads that only the REST lists need."""

from django.db.models import Q

from promises.models import Promise
from promises.records import PromiseRecord, project
from promises.states import PromiseState
from promises.values import Value

IS_TIMER = Q(tags__contains={"resonate:timer": "true"})


def promise_search(*, now: int, state: str, prefix: str, after: str, limit: int) -> list[PromiseRecord]:
    """At most `limit` promises in id order, beyond the id `after`; '' means no condition. One range of the primary
    key."""
    rows = Promise.objects.filter(state_is(state, now)) if state else Promise.objects.all()
    if prefix:
        rows = rows.filter(id__gte=prefix, id__startswith=prefix)
    if after:
        rows = rows.filter(id__gt=after)
    return [record_of(row, now) for row in rows.order_by("id")[:limit]]


def promise_find(id: str, *, now: int) -> PromiseRecord | None:
    """The promise, or None."""
    row = Promise.objects.filter(id=id).first()
    return None if row is None else record_of(row, now)


def record_of(row: Promise, now: int) -> PromiseRecord:
    """The row as the store would answer it at `now`."""
    record = PromiseRecord(
        row.id,
        row.state,
        Value(row.param_headers, row.param_data),
        Value(row.value_headers, row.value_data),
        row.tags,
        row.timeout_at,
        row.created_at,
        row.settled_at,
    )
    return project(record, now)


def state_is(state: str, now: int) -> Q:
    """Promises that read as `state` at `now`, whether or not the clock has come by to write a passed deadline down."""
    overdue = Q(state=PromiseState.PENDING, timeout_at__lte=now)
    match state:
        case PromiseState.PENDING:
            return Q(state=PromiseState.PENDING, timeout_at__gt=now)
        case PromiseState.RESOLVED:
            return Q(state=PromiseState.RESOLVED) | (overdue & IS_TIMER)
        case PromiseState.REJECTED_TIMEDOUT:
            return Q(state=PromiseState.REJECTED_TIMEDOUT) | (overdue & ~IS_TIMER)
    return Q(state=state)
