"""The arithmetic of schedules: crontab's rules in a time zone, and what an occurrence creates."""

from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promises.cron import next_run, occurrence
from promises.errors import BadRequest
from promises.records import NewPromise, NewSchedule
from promises.times import NEVER, to_ms
from promises.values import Value

FIELD = st.sampled_from(["*", "*/7", "0", "1,30", "5-9", "3", "L", "MON", "JAN"])


def ms(text: str, zone: str = "UTC") -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def runs(cron: str, after: str, count: int, zone: str = "UTC") -> list[str]:
    """The next occurrences, as times of day in the zone."""
    at, found = ms(after, zone), []
    for _ in range(count):
        at = next_run(cron, at, zone)
        found.append(datetime.fromtimestamp(at / 1000, ZoneInfo(zone)).strftime("%m-%d %H:%M:%S %Z"))
    return found


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 3 * * *", ["11-24 03:00:00 UTC", "11-25 03:00:00 UTC"]),
        ("*/15 * * * *", ["11-24 00:15:00 UTC", "11-24 00:30:00 UTC"]),
        ("0 9 * * 1-5", ["11-24 09:00:00 UTC", "11-25 09:00:00 UTC"]),
        ("0 9 * * 0", ["11-29 09:00:00 UTC", "12-06 09:00:00 UTC"]),
        ("0 9 * * SUN", ["11-29 09:00:00 UTC", "12-06 09:00:00 UTC"]),
        ("0 0 L * *", ["11-30 00:00:00 UTC", "12-31 00:00:00 UTC"]),
        ("0 0 1 JAN *", ["01-01 00:00:00 UTC", "01-01 00:00:00 UTC"]),
        ("30 */5 * * * *", ["11-24 00:00:30 UTC", "11-24 00:05:30 UTC"]),
    ],
)
def test_the_next_occurrences(cron: str, expected: list[str]) -> None:
    assert runs(cron, "2026-11-24 00:00:00", 2) == expected


def test_an_occurrence_is_after_the_moment_never_at_it() -> None:
    at = ms("2026-11-24 03:00:00")
    assert next_run("0 3 * * *", at - 1) == at
    assert next_run("0 3 * * *", at) == at + 86_400_000


def test_a_time_of_day_is_that_of_the_zone_in_summer_and_winter() -> None:
    assert runs("0 9 * * *", "2026-10-23 12:00:00", 3, "Europe/Berlin") == [
        "10-24 09:00:00 CEST",
        "10-25 09:00:00 CET",
        "10-26 09:00:00 CET",
    ]


def test_a_time_of_day_that_is_skipped_or_comes_twice_runs_once() -> None:
    assert runs("30 2 * * *", "2026-03-28 12:00:00", 2, "Europe/Berlin") == [
        "03-29 03:00:00 CEST",
        "03-30 02:30:00 CEST",
    ]
    assert runs("30 2 * * *", "2026-10-24 12:00:00", 2, "Europe/Berlin") == [
        "10-25 02:30:00 CEST",
        "10-26 02:30:00 CET",
    ]


def test_what_has_been_in_the_hour_that_comes_twice_is_over() -> None:
    second_time = ms("2026-10-25 01:15:00")  # 02:15 CET, after 02:30 CEST
    assert next_run("30 2 * * *", second_time, "Europe/Berlin") == ms("2026-10-26 01:30:00")


def test_hourly_jobs_run_in_each_hour_there_is() -> None:
    hours = [
        next_run("0 * * * *", ms("2026-10-25 00:00:00") + hour * 3_600_000 - 1, "Europe/Berlin") for hour in range(4)
    ]
    assert {later - earlier for earlier, later in pairwise(hours)} == {3_600_000}


@pytest.mark.parametrize(
    "cron", ["", "often", "* * * *", "61 * * * *", "* * * * * * *", "0 0 30 2 *", "* * */20 * 1L", "@daily"]
)
def test_what_is_no_cron_expression_is_refused(cron: str) -> None:
    with pytest.raises(BadRequest, match=r"cron expression|50 years"):
        next_run(cron, 0)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "Europe", "../etc/passwd", "\0"])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(BadRequest, match="time zone"):
        next_run("* * * * *", 0, zone)


def test_the_calendar_ends() -> None:
    with pytest.raises(BadRequest):
        next_run("* * * * *", NEVER)


@given(st.lists(FIELD, min_size=5, max_size=6) | st.text(max_size=30), st.integers(0, 4_000_000_000_000))
def test_any_text_has_a_later_occurrence_or_is_refused(fields: list[str] | str, after: int) -> None:
    cron = fields if isinstance(fields, str) else " ".join(fields)
    with suppress(BadRequest):
        assert next_run(cron, after, "America/New_York") > after


def test_an_occurrence_is_a_promise_with_a_lineage_of_its_own() -> None:
    schedule = NewSchedule(
        id="s",
        cron="* * * * *",
        promise_timeout=50,
        promise_param=Value.of(1),
        promise_tags={"resonate:origin": "x", "a": "b"},
    )
    made = occurrence(schedule, 700)
    assert made == NewPromise("s-700", 750, Value.of(1), made.tags, created_at=700)
    lineage = {f"resonate:{name}": "s-700" for name in ("origin", "branch", "parent", "prefix")}
    assert made.tags == {"a": "b", "resonate:schedule": "s", **lineage}


def test_the_template_of_its_id_is_filled_in() -> None:
    schedule = NewSchedule(id="s", cron="* * * * *", promise_id="{{.timestamp}}/{{.id}}/x", promise_timeout=NEVER)
    assert (occurrence(schedule, 7).id, occurrence(schedule, 7).timeout_at) == ("7/s/x", NEVER)
