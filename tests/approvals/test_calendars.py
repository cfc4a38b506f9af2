"""Working time: what counts, what does not, and how far away a moment is."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from approvals.calendars import calendar_named, calendar_register, moment_after
from approvals.durations import duration_of, duration_text
from approvals.requirements import InvalidPolicy
from promises.times import to_ms

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def _office() -> None:
    calendar_register("office", timezone="Europe/Berlin", holidays={date(2026, 12, 25)})
    calendar_register("always", days="mon tue wed thu fri sat sun", hours=("00:00", "23:59"), timezone="Europe/Berlin")


def at(text: str) -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=BERLIN))


AFTER = [
    # start, duration, when it has passed
    ("2026-11-24 10:00", "2h", "2026-11-24 12:00"),  # a Tuesday
    ("2026-11-24 10:00", "7h", "2026-11-24 17:00"),
    ("2026-11-24 16:00", "2h", "2026-11-25 10:00"),  # over night
    ("2026-11-24 06:00", "2h", "2026-11-24 11:00"),  # before work begins
    ("2026-11-24 20:00", "2h", "2026-11-25 11:00"),  # after it has ended
    ("2026-11-27 16:00", "2h", "2026-11-30 10:00"),  # over the weekend
    ("2026-12-24 16:00", "2h", "2026-12-28 10:00"),  # and a holiday
    ("2026-11-24 09:00", "16h", "2026-11-25 17:00"),  # two days
    ("2026-11-24 09:00", "24h", "2026-11-26 17:00"),
]


@pytest.mark.parametrize(("start", "duration", "expected"), AFTER)
def test_only_working_time_passes(start: str, duration: str, expected: str) -> None:
    assert moment_after(at(start), duration_of(duration), "office") == at(expected)


def test_without_a_calendar_all_time_passes() -> None:
    assert moment_after(at("2026-11-27 16:00"), timedelta(hours=20)) == at("2026-11-28 12:00")


def test_a_day_on_which_clocks_change_has_its_own_length() -> None:
    # 29 March 2026 has 23 hours in Berlin
    assert moment_after(at("2026-03-29 01:00"), timedelta(hours=2), "always") == at("2026-03-29 04:00")


def test_time_that_never_comes_is_said_so() -> None:
    class Always:
        def __contains__(self, day: object) -> bool:
            return True

    calendar_register("closed", holidays=Always())
    with pytest.raises(InvalidPolicy, match="ten years"):
        moment_after(at("2026-11-24 10:00"), timedelta(hours=1), "closed")


@pytest.mark.parametrize(
    "wrong",
    [
        {"days": ""},
        {"days": "mon someday"},
        {"hours": ("17:00", "09:00")},
        {"hours": ("nine", "17:00")},
        {"timezone": "Europe/Nowhere"},
        {"timezone": "../etc/passwd"},
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidPolicy):
        calendar_register("wrong", **wrong)  # type: ignore[arg-type]


def test_an_unknown_calendar_names_those_that_there_are() -> None:
    with pytest.raises(InvalidPolicy, match="office"):
        calendar_named("offise")


@pytest.mark.parametrize("text", ["8h", "90min", "36h", "15s", "1.250s"])
def test_a_duration_is_written_as_it_is_read(text: str) -> None:
    assert duration_text(duration_of(text)) == text
