"""Schedules: each occurrence once, in one commit, however late; nothing while paused; what the code declares holds."""

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import connection

from promises import store
from promises.errors import BadRequest, ScheduleDeclared, ScheduleNotFound
from promises.models import Schedule
from promises.records import NewSchedule
from promises.store.timeouts import next_due
from promises.times import NEVER
from promises.values import Value
from tests.promises.crew import Crew, Wrap
from tests.promises.fixtures import RoundTrips, Sent
from tests.promises.making import clear, rows

MINUTE = 60_000
START = 1_700_000_040_000  # a full minute
TAGS = {"resonate:target": "celery://default"}


def minutely(id: str = "s", **changed: object) -> NewSchedule:
    new = NewSchedule(id=id, cron="* * * * *", promise_timeout=NEVER, promise_param=Value.of(1), promise_tags=TAGS)
    return replace(new, **changed)


def fire(now: int) -> int:
    """As the clock: until nothing is due."""
    total = 0
    while fired := store.schedules_fire(now):
        total += fired
    return total


def promises() -> list[str]:
    return [row["id"] for row in rows()["promise"]]


class TestVerbs:
    def test_create_then_get(self) -> None:
        made, created = store.schedule_create(minutely(), now=START)
        assert created
        assert (made.next_run_at, made.last_run_at, made.created_at) == (START + MINUTE, None, START)
        assert (made.cron, made.time_zone, made.promise_param, made.promise_tags) == (
            "* * * * *",
            "UTC",
            Value.of(1),
            TAGS,
        )
        assert store.schedule_get("s") == made

    def test_create_again_finds_the_first_unchanged(self) -> None:
        first, _ = store.schedule_create(minutely(), now=START)
        assert store.schedule_create(minutely(cron="0 0 * * *"), now=START + 5) == (first, False)

    @pytest.mark.parametrize(
        "changed",
        [
            {"id": ""},
            {"id": "a:b"},
            {"cron": "often"},
            {"time_zone": "Mars"},
            {"promise_timeout": -1},
            {"promise_tags": {}},
            {"promise_tags": {"resonate:target": "nowhere"}},
            {"promise_id": "x:{{.timestamp}}"},
            {"promise_id": ""},
        ],
    )
    def test_what_is_not_well_formed_is_refused(self, changed: dict[str, object]) -> None:
        with pytest.raises(BadRequest):
            store.schedule_create(minutely(**changed), now=START)
        assert not Schedule.objects.exists()

    def test_delete(self) -> None:
        store.schedule_create(minutely(), now=START)
        store.schedule_delete("s")
        assert fire(START + MINUTE) == 0
        for missing in (store.schedule_get, store.schedule_delete):
            with pytest.raises(ScheduleNotFound):
                missing("s")

    def test_search_is_in_id_order_by_tags_and_beyond_an_id(self) -> None:
        for id in ("c", "a", "b"):
            store.schedule_create(minutely(id, promise_tags=TAGS | {"team": id}), now=START)
        assert [s.id for s in store.schedule_search()] == ["a", "b", "c"]
        assert [s.id for s in store.schedule_search(after="a", limit=1)] == ["b"]
        assert [s.id for s in store.schedule_search(tags={"team": "c"})] == ["c"]


class TestFire:
    def test_an_occurrence_creates_its_promise_and_dispatches_it(self, sent: Sent) -> None:
        store.schedule_create(minutely(promise_timeout=500), now=START)
        assert fire(START + MINUTE - 1) == 0
        assert fire(START + MINUTE + 7) == 1
        id = f"s-{START + MINUTE}"
        promise = store.promise_get(id, now=START + MINUTE + 7)
        assert (promise.created_at, promise.timeout_at, promise.param) == (
            START + MINUTE,
            START + MINUTE + 500,
            Value.of(1),
        )
        assert promise.tags["resonate:schedule"] == "s"
        assert sent == [("default", id, 0)]
        fired = store.schedule_get("s")
        assert (fired.last_run_at, fired.next_run_at) == (START + MINUTE, START + 2 * MINUTE)

    def test_after_a_downtime_nothing_is_left_out(self) -> None:
        store.schedule_create(minutely(), now=START)
        store.schedule_create(minutely("hourly", cron="0 * * * *"), now=START)
        assert fire(START + 90 * MINUTE) == 90 + 1  # and one full hour
        assert len([id for id in promises() if id.startswith("s-")]) == 90
        assert fire(START + 90 * MINUTE) == 0

    def test_what_comes_too_late_is_recorded_as_timed_out_and_never_runs(self, sent: Sent) -> None:
        store.schedule_create(minutely(promise_timeout=2 * MINUTE), now=START)
        fire(START + 5 * MINUTE)
        states = {row["id"]: row["state"] for row in rows()["promise"]}
        assert list(states.values()) == ["rejected_timedout"] * 3 + ["pending"] * 2
        assert [id for _, id, _ in sent] == [id for id, state in states.items() if state == "pending"]

    def test_an_occurrence_whose_promise_exists_is_over(self, sent: Sent) -> None:
        store.schedule_create(minutely(), now=START)
        store.promise_create(f"s-{START + MINUTE}", timeout_at=NEVER, now=START)
        assert fire(START + MINUTE) == 1
        assert sent == []
        assert store.schedule_get("s").next_run_at == START + 2 * MINUTE

    def test_each_is_one_round_trip_and_one_commit(self, round_trips: RoundTrips) -> None:
        for id in ("s", "t"):
            store.schedule_create(minutely(id), now=START)
        store.schedules_fire(START + MINUTE)  # prepares the statements
        assert round_trips(lambda: store.schedules_fire(START + 2 * MINUTE)) == (3, 3)  # what is due, and two of them

    def test_a_crash_in_the_middle_leaves_the_whole_occurrence_to_the_next_clock(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.schedule_create(minutely(), now=START)
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE promises_task ADD CONSTRAINT broken CHECK (id <> %s)", [f"s-{START + MINUTE}"])
            try:
                with pytest.raises(Exception, match="broken"):
                    store.schedules_fire(START + MINUTE)
            finally:
                cursor.execute("ALTER TABLE promises_task DROP CONSTRAINT broken")
        assert (promises(), store.schedule_get("s").last_run_at) == ([], None)
        assert fire(START + MINUTE) == 1

    @pytest.mark.slow
    def test_clocks_that_meet_fire_nothing_twice(self, in_thread: Wrap, sent: Sent) -> None:
        def arrange(number: int) -> None:
            clear()
            sent.clear()
            for id in "abcd":
                store.schedule_create(minutely(id), now=START)

        def look(number: int) -> None:
            assert sum(crew.of(number)) == 12
            assert len(promises()) == 12
            assert len(sent) == len(set(sent)) == 12

        crew = Crew(in_thread, *[lambda number: fire(START + 3 * MINUTE)] * 3, rounds=25)
        crew.run(arrange, look)

    def test_one_that_cannot_be_read_any_more_is_paused_and_keeps_nobody_from_firing(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        for id in ("broken", "s"):
            store.schedule_create(minutely(id), now=START)
        Schedule.objects.filter(pk="broken").update(time_zone="Mars/Olympus")
        with caplog.at_level(logging.ERROR):
            assert fire(START + MINUTE) == 2
        assert promises() == [f"s-{START + MINUTE}"]
        assert "'Mars/Olympus' is no time zone" in store.schedule_get("broken").pause_reason
        assert "broken" in caplog.text


class TestPause:
    def test_a_paused_one_does_not_fire_and_makes_up_for_nothing(self) -> None:
        store.schedule_create(minutely(), now=START)
        paused = store.schedule_pause("s", "too loud", now=START + 5)
        assert (paused.paused_at, paused.pause_reason) == (START + 5, "too loud")
        assert fire(START + 10 * MINUTE) == 0
        resumed = store.schedule_resume("s", now=START + 10 * MINUTE + 1)
        assert (resumed.paused_at, resumed.pause_reason, resumed.next_run_at) == (None, "", START + 11 * MINUTE)
        assert fire(START + 11 * MINUTE) == 1

    def test_pausing_again_keeps_the_first_reason_and_resuming_again_changes_nothing(self) -> None:
        made, _ = store.schedule_create(minutely(), now=START)
        first = store.schedule_pause("s", "first", now=START)
        assert store.schedule_pause("s", "second", now=START + 5) == first
        store.schedule_resume("s", now=START)
        assert store.schedule_resume("s", now=START + 5 * MINUTE) == made

    @pytest.mark.parametrize(
        "verb", [lambda: store.schedule_pause("s", "", now=START), lambda: store.schedule_resume("s", now=START)]
    )
    def test_what_is_not_there(self, verb: Callable[[], object]) -> None:
        with pytest.raises(ScheduleNotFound):
            verb()


class TestDeclare:
    def test_what_is_declared_is_made_changed_and_deleted_with_the_code(self) -> None:
        store.schedule_create(minutely("mine"), now=START)
        store.schedules_declare([minutely("a"), minutely("b")], now=START)
        assert [(s.id, s.is_declared) for s in store.schedule_search()] == [("a", True), ("b", True), ("mine", False)]
        store.schedules_declare([minutely("b", promise_param=Value.of(2))], now=START)
        assert [s.id for s in store.schedule_search()] == ["b", "mine"]
        assert store.schedule_get("b").promise_param == Value.of(2)

    def test_one_whose_times_stay_keeps_what_it_has_missed(self) -> None:
        store.schedules_declare([minutely()], now=START)
        store.schedules_declare([minutely(promise_timeout=5)], now=START + 3 * MINUTE)
        assert fire(START + 3 * MINUTE) == 3

    @pytest.mark.parametrize("changed", [{"cron": "*/5 * * * *"}, {"time_zone": "Europe/Berlin"}])
    def test_one_with_other_times_begins_anew(self, changed: dict[str, object]) -> None:
        store.schedules_declare([minutely()], now=START)
        store.schedules_declare([minutely(**changed)], now=START + 3 * MINUTE)
        assert fire(START + 3 * MINUTE) == 0

    def test_a_paused_one_stays_paused(self) -> None:
        store.schedules_declare([minutely()], now=START)
        store.schedule_pause("s", "why", now=START)
        store.schedules_declare([minutely()], now=START)
        assert store.schedule_get("s").pause_reason == "why"

    def test_one_that_is_declared_is_deleted_in_the_code_alone(self) -> None:
        store.schedules_declare([minutely()], now=START)
        with pytest.raises(ScheduleDeclared, match="pause it"):
            store.schedule_delete("s")
        assert store.schedule_get("s").is_declared

    def test_the_code_takes_over_one_that_was_made_by_hand(self) -> None:
        store.schedule_create(minutely(), now=START)
        store.schedules_declare([minutely()], now=START)
        assert store.schedule_get("s").is_declared

    def test_one_that_is_not_well_formed_changes_nothing(self) -> None:
        store.schedules_declare([minutely()], now=START)
        with pytest.raises(BadRequest):
            store.schedules_declare([minutely("other"), minutely(cron="often")], now=START)
        assert [s.id for s in store.schedule_search()] == ["s"]


def test_the_clock_sleeps_until_the_next_occurrence() -> None:
    store.schedule_create(minutely(), now=START)
    assert next_due(START) == START + MINUTE
    store.schedule_pause("s", "", now=START)
    assert next_due(START) == NEVER
