"""When a schedule is due, and what each of its occurrences creates: arithmetic, without Django or a database."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from promises.errors import BadRequest
from promises.records import NewPromise, NewSchedule
from promises.times import NEVER, to_ms


def next_run(cron: str, after: int, time_zone: str = "UTC") -> int:
    """The first occurrence of a cron expression after the moment `after`; both in ms since the epoch.

    Five fields as in a crontab (minute, hour, day of month, month, day of week: 0 and 7 are Sunday), or six with the
    seconds first; they are read in the time zone (an IANA name). Where clocks are put forward or back, what runs at a
    time of day still runs once. Errors: BadRequest (not readable, no such zone, no occurrence in 50 years).
    """
    try:
        for moment in CronSim(cron, datetime.fromtimestamp(after / 1000, _zone(time_zone))):
            # In the hour that comes twice, a time of day may lie before `after`: it has been.
            if (at := to_ms(moment)) > after:
                return at
    except (CronSimError, OverflowError, ValueError) as error:
        raise BadRequest(
            f"{cron!r:.80} is no cron expression ({error}); write five fields, minute to day of week: '0 3 * * 1-5'"
        ) from None
    raise BadRequest(f"{cron!r:.80} has no occurrence in the next 50 years")


def occurrence(schedule: NewSchedule, at: int) -> NewPromise:
    """The promise of the occurrence at the moment `at`: an execution of its own, whose time counts from then."""
    id = schedule.promise_id.replace("{{.id}}", schedule.id).replace("{{.timestamp}}", str(at))
    lineage = {f"resonate:{name}": id for name in ("origin", "branch", "parent", "prefix")}
    tags = {**schedule.promise_tags, "resonate:schedule": schedule.id, **lineage}
    return NewPromise(id, min(at + schedule.promise_timeout, NEVER), schedule.promise_param, tags, created_at=at)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder of the database
        raise BadRequest(f"{name!r:.80} is no time zone; write a name as in 'Europe/Berlin'") from None
