"""Schedules that are written beside the workflows that they start. Pure: no Django, no database."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

from promises.cron import next_run
from promises.records import NewSchedule
from promises.times import NEVER
from workflows.frames import call_tags, checked_invocation
from workflows.registry import Workflow
from workflows.strands import check_id

P = ParamSpec("P")
R = TypeVar("R")

# What the code of this process declares, by id, with the function that each starts.
declared: dict[str, tuple[Workflow[..., Any], NewSchedule]] = {}


def schedule(
    id: str,
    *,
    cron: str,
    time_zone: str = "UTC",
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    timeout: timedelta | None = None,
    requester: str = "",
    priority: int | None = None,
) -> Callable[[Workflow[P, R]], Workflow[P, R]]:
    """Start the workflow below at each occurrence of `cron`, with these arguments.

        @schedule("nightly-report", cron="0 3 * * *", time_zone="Europe/Berlin")
        @workflow
        async def report(ctx: Context) -> None: ...

    Each occurrence is an execution of its own, `ID-MILLISECONDS`. `timeout` is its time, from the occurrence on: what
    is late by more than that is recorded as timed out and never runs. Move the decorator to the newest version of a
    workflow. Errors, when the module is imported: BadRequest (cron, time zone), InvalidArguments, InvalidId.
    """

    def declare(function: Workflow[P, R]) -> Workflow[P, R]:
        if not isinstance(function, Workflow):
            raise TypeError(f"@schedule({id!r}, ...) goes above @workflow.")
        known = declared.get(id)
        if known and (known[0].name, known[0].version) != (function.name, function.version):
            raise ValueError(f"{function!r} declares the schedule {id!r}, which {known[0]!r} does already.")
        new = new_schedule(
            id, function, args, kwargs, cron=cron, time_zone=time_zone, timeout=timeout, requester=requester,
            priority=priority,
        )  # fmt: skip
        next_run(cron, 0, time_zone)
        declared[id] = function, new
        return function

    return declare


def new_schedule(
    id: str,
    function: Workflow[..., Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    cron: str,
    time_zone: str = "UTC",
    timeout: timedelta | None = None,
    requester: str = "",
    priority: int | None = None,
) -> NewSchedule:
    """A schedule that starts this function. Errors: InvalidArguments, InvalidId, EncodingError."""
    check_id(f"{id}-{NEVER}")  # as long as the ids of its executions will ever be
    return NewSchedule(
        id=id,
        cron=cron,
        time_zone=time_zone,
        promise_timeout=NEVER if timeout is None else min(int(timeout.total_seconds() * 1000), NEVER),
        promise_param=checked_invocation(function, args, kwargs or {}),
        promise_tags=call_tags(function, requester, priority),
    )
