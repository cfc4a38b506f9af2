"""The verbs of schedules. Every occurrence is fired once, in a commit of its own, however late the clock comes; those
of the time for which a schedule is paused are not."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from promises.cron import next_run, occurrence
from promises.errors import BadRequest, ScheduleDeclared, ScheduleNotFound
from promises.models import Schedule
from promises.records import NewSchedule, ScheduleRecord
from promises.store import checks
from promises.store.call import call, dumps, retry_interval, row_of
from promises.store.promises import check_new
from promises.values import Value

log = logging.getLogger(__name__)


def schedule_create(new: NewSchedule, *, now: int) -> tuple[ScheduleRecord, bool]:
    """Create the schedule, or find the one that has this id, unchanged: (record, created). Errors: BadRequest."""
    first = _check(new, now)
    defaults = {**_columns(new), "created_at": now, "next_run_at": first}
    row, created = Schedule.objects.get_or_create(id=new.id, defaults=defaults)
    return _record(row), created


def schedule_get(id: str) -> ScheduleRecord:
    """Errors: BadRequest, ScheduleNotFound."""
    checks.check_id(id, "Schedule id")
    return _record(_found(Schedule.objects.filter(pk=id).first(), id))


def schedule_delete(id: str) -> None:
    """What it has fired goes on. Errors: BadRequest, ScheduleNotFound, ScheduleDeclared."""
    checks.check_id(id, "Schedule id")
    if not Schedule.objects.filter(pk=id, is_declared=False).delete()[0]:
        schedule_get(id)
        raise ScheduleDeclared


def schedule_search(*, tags: Mapping[str, str] | None = None, after: str = "", limit: int = 10) -> list[ScheduleRecord]:
    """In id order, beyond the id `after`, those whose promises carry all of `tags`."""
    rows = Schedule.objects.filter(pk__gt=after, promise_tags__contains=dict(tags or {}))
    return [_record(row) for row in rows.order_by("pk")[:limit]]


def schedule_pause(id: str, reason: str, *, now: int) -> ScheduleRecord:
    """Fire it no more until `schedule_resume`; pausing again keeps the first reason. Errors: BadRequest,
    ScheduleNotFound."""
    checks.check_id(id, "Schedule id")
    Schedule.objects.filter(pk=id, paused_at=None).update(paused_at=now, pause_reason=reason)
    return schedule_get(id)


def schedule_resume(id: str, *, now: int) -> ScheduleRecord:
    """Fire it again, from its next occurrence after `now` on. Errors: BadRequest (its cron cannot be read any more),
    ScheduleNotFound."""
    checks.check_id(id, "Schedule id")
    with transaction.atomic():
        row = _found(Schedule.objects.select_for_update().filter(pk=id).first(), id)
        if row.paused_at is not None:
            row.paused_at, row.pause_reason = None, ""
            row.next_run_at = next_run(row.cron, now, row.time_zone)
            row.save(update_fields=["paused_at", "pause_reason", "next_run_at"])
    return _record(row)


def schedules_declare(declared: Sequence[NewSchedule], *, now: int) -> None:
    """Make the declared schedules what the code says, in one commit, and delete those that it declares no more.

    A schedule whose times stay the same keeps its place, and so what it has missed; a paused one stays paused. Errors:
    BadRequest.
    """
    wanted = {new.id: new for new in declared}
    firsts = {new.id: _check(new, now) for new in declared}
    with transaction.atomic():
        Schedule.objects.filter(is_declared=True).exclude(pk__in=wanted).delete()
        for row in Schedule.objects.select_for_update().filter(pk__in=wanted).order_by("pk"):
            new = wanted.pop(row.id)
            if (row.cron, row.time_zone) != (new.cron, new.time_zone):
                row.next_run_at = firsts[row.id]
            for name, value in _columns(new, is_declared=True).items():
                setattr(row, name, value)
            row.save()
        for new in wanted.values():
            columns = {**_columns(new, is_declared=True), "created_at": now, "next_run_at": firsts[new.id]}
            Schedule.objects.get_or_create(id=new.id, defaults=columns)


def schedules_fire(now: int, limit: int = 200) -> int:
    """Fire the earliest occurrence of each schedule that is due at `now`, at most `limit` of them; returns how many
    that were. Called by the clock, until there are none."""
    due = Schedule.objects.filter(next_run_at__lte=now, paused_at=None).order_by("next_run_at")
    return sum(_fire(_record(row), now) for row in due[:limit])


def _fire(schedule: ScheduleRecord, now: int) -> int:
    try:
        following = next_run(schedule.cron, schedule.next_run_at, schedule.time_zone)
    except BadRequest as error:  # the zone is gone from this machine, say: nobody fires it, and somebody has to look
        log.error("the schedule %s is paused: %s", schedule.id, error)
        schedule_pause(schedule.id, str(error), now=now)
        return 1
    row = dumps(row_of(occurrence(schedule, schedule.next_run_at)))
    params = (schedule.id, schedule.next_run_at, following, row, now, retry_interval())
    return int(call("promises_schedule_fire", params)[0][3])


def _check(new: NewSchedule, now: int) -> int:
    """Raise BadRequest unless this can be a schedule; returns its first occurrence after `now`."""
    checks.check_id(new.id, "Schedule id")
    if ":" in new.id:
        raise BadRequest("Schedule id must not contain ':'")
    if type(new.promise_timeout) is not int or new.promise_timeout < 0:
        raise BadRequest("promiseTimeout must be an integer from 0, in ms")
    if "resonate:target" not in new.promise_tags:
        raise BadRequest("promiseTags must have resonate:target")
    first = next_run(new.cron, now, new.time_zone)
    promise = occurrence(new, first)
    check_new(promise.id, promise.timeout_at, promise.param, promise.tags)
    return first


def _columns(new: NewSchedule, *, is_declared: bool = False) -> dict[str, Any]:
    return {
        "cron": new.cron,
        "time_zone": new.time_zone,
        "promise_id": new.promise_id,
        "promise_timeout": new.promise_timeout,
        "promise_param_headers": new.promise_param.headers,
        "promise_param_data": new.promise_param.data,
        "promise_tags": new.promise_tags,
        "is_declared": is_declared,
    }


def _record(row: Schedule) -> ScheduleRecord:
    return ScheduleRecord(
        id=row.id,
        cron=row.cron,
        time_zone=row.time_zone,
        promise_id=row.promise_id,
        promise_timeout=row.promise_timeout,
        promise_param=Value(row.promise_param_headers, row.promise_param_data),
        promise_tags=row.promise_tags,
        created_at=row.created_at,
        next_run_at=row.next_run_at,
        last_run_at=row.last_run_at,
        paused_at=row.paused_at,
        pause_reason=row.pause_reason,
        is_declared=row.is_declared,
    )


def _found(row: Schedule | None, id: str) -> Schedule:
    if row is None:
        raise ScheduleNotFound(f"Schedule not found: {id}")
    return row
