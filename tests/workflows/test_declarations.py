"""Schedules beside the workflows that they start, and in local mode."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from promises.errors import BadRequest
from promises.times import NEVER, to_ms
from tests.workflows.playground import START, Playground
from workflows import Context, schedule, workflow
from workflows.declarations import declared
from workflows.errors import InvalidArguments, InvalidId
from workflows.local import Runner
from workflows.stores.memory import MemoryStore

HOUR = 3_600_000


@pytest.fixture(autouse=True)
def nothing_declared() -> Iterator[None]:
    before = dict(declared)
    declared.clear()
    yield
    declared.clear()
    declared.update(before)


def make(name: str = "report", version: int = 1):  # type: ignore[no-untyped-def]
    @workflow(name=name, version=version)
    async def report(ctx: Context, region: str = "all", *, days: int = 1) -> str:
        return f"{region} {days} {ctx.info.id}"

    return report


class TestDeclaring:
    def test_it_says_what_is_started_when_and_for_how_long(self) -> None:
        report = make(version=3)
        nightly = schedule(
            "nightly", cron="0 3 * * *", time_zone="Europe/Berlin", args=["EU"], kwargs={"days": 2},
            timeout=timedelta(hours=1), requester="ops", priority=5,
        )  # fmt: skip
        assert nightly(report) is report
        function, new = declared["nightly"]
        assert function is report
        assert (new.id, new.cron, new.time_zone, new.promise_timeout) == ("nightly", "0 3 * * *", "Europe/Berlin", HOUR)
        assert new.promise_param.decode() == {"func": "report", "args": ["EU"], "kwargs": {"days": 2}, "version": 3}
        assert new.promise_tags == {
            "resonate:target": "celery://default",
            "resonate:scope": "global",
            "countersign:func": "report",
            "countersign:version": "3",
            "countersign:requester": "ops",
            "countersign:priority": "5",
        }

    def test_one_workflow_may_have_several(self) -> None:
        report = make()
        for id, region in (("eu", "EU"), ("us", "US")):
            schedule(id, cron="0 3 * * *", args=[region])(report)
        assert sorted(declared) == ["eu", "us"]
        assert declared["eu"][1].promise_timeout == NEVER

    def test_declaring_it_again_replaces_it(self) -> None:
        for cron in ("0 3 * * *", "0 4 * * *"):  # as when a module is loaded again
            schedule("nightly", cron=cron)(make())
        assert declared["nightly"][1].cron == "0 4 * * *"

    def test_two_workflows_cannot_have_the_same(self) -> None:
        schedule("nightly", cron="0 3 * * *")(make())
        with pytest.raises(ValueError, match="does already"):
            schedule("nightly", cron="0 3 * * *")(make(version=2))

    def test_what_cannot_work_fails_where_it_is_written(self) -> None:
        report = make()
        with pytest.raises(BadRequest, match="cron"):
            schedule("a", cron="nightly")(report)
        with pytest.raises(BadRequest, match="time zone"):
            schedule("a", cron="* * * * *", time_zone="Mars")(report)
        with pytest.raises(InvalidArguments, match="days"):
            schedule("a", cron="* * * * *", kwargs={"days": "many"})(report)
        with pytest.raises(InvalidId):
            schedule("a:b", cron="* * * * *")(report)
        with pytest.raises(InvalidId):
            schedule("x" * 190, cron="* * * * *")(report)  # the ids of its executions would be too long
        with pytest.raises(TypeError, match="goes above @workflow"):
            schedule("a", cron="* * * * *")(report.fn)
        assert declared == {}


class TestLocalMode:
    def test_each_occurrence_runs_once_and_at_its_time(self, play: Playground) -> None:
        play.schedule("nightly", make(), "EU", cron="0 3 * * *")
        play.advance("2d")
        times = [to_ms(datetime.fromisoformat(f"2026-01-0{day}T03:00:00+00:00")) for day in (6, 7)]
        assert [p.created_at for p in play.store.promises.values()] == times
        assert [p.settled_at for p in play.store.promises.values()] == times
        assert [play.result(f"nightly-{at}") for at in times] == [f"EU 1 nightly-{at}" for at in times]

    def test_a_schedule_fires_while_another_execution_waits(self, play: Playground) -> None:
        @workflow
        async def nap(ctx: Context) -> str:
            await ctx.sleep(timedelta(hours=2))
            return "rested"

        play.schedule("hourly", make(), cron="0 * * * *")
        play.start(nap)
        play.finish()
        assert [id for id in play.ids() if id.startswith("hourly-")] == [f"hourly-{START + h * HOUR}" for h in (1, 2)]

    def test_after_a_standstill_nothing_is_left_out(self) -> None:
        now = START
        store = MemoryStore(lambda: now)
        runner = Runner(store)
        runner.schedule("hourly", make(), cron="0 * * * *")
        now += 5 * HOUR
        assert runner.step()
        assert [p.state for p in store.promises.values()] == ["resolved"] * 5
        assert not runner.step()

    def test_it_runs_in_real_time_as_long_as_something_else_does(self) -> None:
        @workflow
        async def nap(ctx: Context) -> None:
            await ctx.sleep(timedelta(seconds=1.05))

        runner = Runner()
        runner.schedule("tick", make(), cron="* * * * * *")
        runner.run_until_settled(runner.start(nap))
        ticks = [promise for id, promise in runner.store.promises.items() if id.startswith("tick-")]
        assert ticks[0].state == "resolved"
        assert ticks[0].created_at % 1000 == 0
