"""Schedules of workflows on PostgreSQL: from the code or a call, by the clock, to an execution that has run."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from promises import store
from promises.clock import Clock
from promises.errors import BadRequest, ScheduleNotFound
from promises.models import Schedule, Task
from promises.times import now_ms
from workflows import Context, executions, registry, schedule, schedules, workflow
from workflows.declarations import declared
from workflows.errors import FunctionNotFound, InvalidArguments, InvalidId
from workflows.executor import execute
from workflows.stores.durable import DurableStore


@pytest.fixture(autouse=True)
def nothing_declared() -> Iterator[None]:
    before = dict(declared)
    declared.clear()
    yield
    declared.clear()
    declared.update(before)


@pytest.fixture(autouse=True)
def report() -> Any:
    @workflow
    async def report(ctx: Context, region: str = "all") -> str:
        return f"report of {region}, {ctx.info.tags['resonate:schedule']}"

    return report


def fire(at: int) -> list[str]:
    """The clock at that moment; the executions that it starts."""
    clock = Clock([store.schedules_fire], [])
    while clock.tick(at):
        pass
    return list(Task.objects.filter(state="pending").values_list("pk", flat=True))


def work(id: str) -> str:
    return execute(DurableStore(), id)


def test_a_schedule_starts_the_workflow_with_its_arguments(report: Any) -> None:
    made, created = schedules.create("eu", report, ["EU"], cron="0 3 * * *", requester="ana")
    assert created
    (id,) = fire(made.next_run_at)
    assert id == f"eu-{made.next_run_at}"
    assert work(id) == "fulfilled"
    handle = executions.get(id)
    assert handle.result(0) == "report of EU, eu"
    assert handle.promise().tags["countersign:requester"] == "ana"


def test_a_name_and_a_version_will_do() -> None:
    made, _ = schedules.create("all", "report", version=1, cron="0 3 * * *", timeout=timedelta(hours=1))
    assert made.promise_timeout == 3_600_000
    assert schedules.create("all", "report", cron="0 4 * * *") == (made, False)
    assert schedules.get("all") == made
    assert schedules.search() == [made]


def test_it_is_made_if_and_only_if_the_transaction_commits(report: Any) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012 (what is rolled back)
        schedules.create("eu", report, cron="0 3 * * *")
        raise ZeroDivisionError
    with pytest.raises(ScheduleNotFound):
        schedules.get("eu")


def test_what_cannot_work_is_refused_at_once(report: Any) -> None:
    with pytest.raises(InvalidArguments):
        schedules.create("s", report, [["no", "text"]], cron="0 3 * * *")
    with pytest.raises(FunctionNotFound):
        schedules.create("s", "nobody", cron="0 3 * * *")
    with pytest.raises(BadRequest):
        schedules.create("s", report, cron="sometimes")
    with pytest.raises(InvalidId):
        schedules.create("a/b", report, cron="0 3 * * *")
    assert not Schedule.objects.exists()


def test_pausing_resuming_and_deleting(report: Any) -> None:
    made, _ = schedules.create("s", report, cron="0 3 * * *")
    assert schedules.pause("s", "month-end").pause_reason == "month-end"
    assert fire(made.next_run_at) == []
    assert schedules.resume("s").paused_at is None
    assert len(fire(made.next_run_at)) == 1
    schedules.delete("s")
    with pytest.raises(ScheduleNotFound):
        schedules.pause("s", "again")


def test_the_clock_of_a_release_brings_the_table_in_line_with_its_code(report: Any) -> None:
    schedule("nightly", cron="0 3 * * *")(report)
    schedule("gone", cron="0 4 * * *")(report)
    assert schedules.declare(now_ms()) == 2
    declared.clear()

    @workflow(name="report", version=2)
    async def newer(ctx: Context) -> str:
        return "newer"

    schedule("nightly", cron="0 3 * * *")(newer)
    schedules.declare(now_ms())
    assert [s.id for s in schedules.search()] == ["nightly"]
    (id,) = fire(schedules.get("nightly").next_run_at)
    assert work(id) == "fulfilled"
    assert executions.get(id).result(0) == "newer"


def test_the_product_declares_when_its_clock_starts_and_fires_among_its_sweeps() -> None:
    clock = Clock()
    assert schedules.declare in clock.starts
    assert store.schedules_fire in clock.sweeps


def test_a_version_that_is_gone_halts_what_is_started_and_not_the_schedule(report: Any) -> None:
    made, _ = schedules.create("s", report, cron="0 3 * * *")
    registry._functions.pop(("report", 1))
    (id,) = fire(made.next_run_at)
    assert work(id) == "halted"
    assert len(fire(schedules.get("s").next_run_at)) == 1
