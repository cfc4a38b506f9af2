"""What time does by itself: deadlines, repeated dispatches, lapsed leases. Called by the clock."""

import json
from dataclasses import asdict, dataclass, fields

from django.conf import settings
from prometheus_client import Counter

from promises.store.call import execute, retry_interval
from promises.times import NEVER
from promises.transports import dispatch

SWEPT = Counter(
    "countersign_swept",
    "What the clock did: promises past their deadline (settled), leases that lapsed, executions halted because their "
    "workers die, dispatches repeated (retried).",
    ["what"],
)


@dataclass(frozen=True)
class Swept:
    """How many promises a sweep settled and how many tasks it took back, halted and dispatched again."""

    settled: int
    lapsed: int
    halted: int
    retried: int

    @property
    def total(self) -> int:
        return self.settled + self.lapsed + self.halted + self.retried


for _kind in fields(Swept):
    SWEPT.labels(_kind.name)  # 0 is told too, so that the first of them is a rise


def timeouts_sweep(now: int, limit: int = 200) -> int:
    """Apply what is due at `now`, at most `limit` of each kind; returns how many rows that were (call again while it
    is not 0)."""
    return sweep(now, limit).total


def sweep(now: int, limit: int = 200) -> Swept:
    """`timeouts_sweep`, telling what it did. One statement, one commit; wake-ups are sent after it."""
    max_crashes = int(settings.PROMISES.get("MAX_CRASHES", 10))
    *counts, wakes = execute(
        "SELECT * FROM promises_sweep(%s, %s, %s::int, %s::int)", (now, retry_interval(), max_crashes, limit)
    )[0]
    dispatch(json.loads(wakes))
    swept = Swept(*counts)
    for what, count in asdict(swept).items():
        SWEPT.labels(what).inc(count)
    return swept


def next_due(now: int) -> int:
    """When the next promise deadline, task timer or schedule is due (ms; `NEVER` when there is none)."""
    sql = """SELECT least(
        (SELECT min(timeout_at) FROM promises_promise WHERE state = 'pending' AND timeout_at < 9007199254740991),
        (SELECT min(due_at) FROM promises_task WHERE due_at IS NOT NULL),
        (SELECT min(next_run_at) FROM promises_schedule WHERE paused_at IS NULL))"""
    due = execute(sql, ())[0][0]
    return NEVER if due is None else int(due)
