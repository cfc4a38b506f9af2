"""Schedules in durable mode: those that the code declares, and those that are made while it runs."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from promises import store
from promises.records import ScheduleRecord
from promises.times import now_ms
from workflows import declarations
from workflows.registry import Workflow, registry


def create(
    id: str,
    function: Workflow[..., Any] | str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    cron: str,
    time_zone: str = "UTC",
    version: int | None = None,
    timeout: timedelta | None = None,
    requester: str = "",
    priority: int | None = None,
) -> tuple[ScheduleRecord, bool]:
    """Start the function at each occurrence of `cron`, or find the schedule that has this `id`, unchanged: (schedule,
    created). It keeps starting the version that it was made with.

    See `workflows.schedule` for the arguments. Errors: BadRequest (cron, time zone), FunctionNotFound,
    InvalidArguments, InvalidId, EncodingError.
    """
    found = function if isinstance(function, Workflow) else registry.get(function, version)
    new = declarations.new_schedule(
        id, found, args, kwargs, cron=cron, time_zone=time_zone, timeout=timeout, requester=requester, priority=priority
    )
    return store.schedule_create(new, now=now_ms())


def get(id: str) -> ScheduleRecord:
    """Errors: ScheduleNotFound."""
    return store.schedule_get(id)


def search(*, after: str = "", limit: int = 100) -> list[ScheduleRecord]:
    """In the order of their ids, beyond `after`."""
    return store.schedule_search(after=after, limit=limit)


def pause(id: str, reason: str) -> ScheduleRecord:
    """Start nothing more until `resume`; what would have been started meanwhile is not made up for. Errors:
    ScheduleNotFound."""
    return store.schedule_pause(id, reason, now=now_ms())


def resume(id: str) -> ScheduleRecord:
    """Start again, from the next occurrence on. Errors: ScheduleNotFound."""
    return store.schedule_resume(id, now=now_ms())


def delete(id: str) -> None:
    """What it has started goes on. Errors: ScheduleNotFound, ScheduleDeclared (it would come back: remove it from the
    code)."""
    store.schedule_delete(id)


def declare(now: int) -> int:
    """Make the declared schedules what the code of this process says; returns how many those are. The clock does it
    when it starts: in a release it does so last, when every worker has the code that they start."""
    news = [new for _, new in declarations.declared.values()]
    store.schedules_declare(news, now=now)
    return len(news)
