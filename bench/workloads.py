"""The workloads. Each returns its rows, ours and the limit's, measured in turns: a drift of the machine meets both."""

import time
import uuid
from collections.abc import Callable
from statistics import quantiles

from bench import limits
from bench.results import Row, row

ROUNDS = 5


def w1() -> list[Row]:
    """One workflow of n sequential steps that do nothing, n = 200 and 2000: steps per second from start to result."""
    from bench.workflows import sequential

    rows: list[Row] = []
    with limits.commit_table() as raw:
        _sequential_rate(sequential, 200)  # warm: connections, prepared statements
        for n in (200, 2000):
            ours, floor = [], []
            for _ in range(ROUNDS):
                # A rate: 200 commits would be over before it settles.
                floor.append(limits.commits_per_second(raw, 2000))
                ours.append(_sequential_rate(sequential, n))
            rows += [row("w1", "countersign", "steps_s", ours, n), row("w1", "limit", "steps_s", floor, n)]
    return rows


def w3(samples: int = 100) -> list[Row]:
    """One suspended workflow is resolved from outside: milliseconds from the start of the resolve until another client
    sees the workflow's end; the machine is otherwise idle."""
    ours: list[float] = []
    from_return: list[float] = []
    floor: list[float] = []
    with limits.commit_table() as raw, limits.connect() as observer:
        for _ in range(10):
            _wake(observer)
        for _ in range(samples // 20):
            floor += limits.wake_floor_ms(raw, 20)
            for _ in range(20):
                whole, after = _wake(observer)
                ours.append(whole)
                from_return.append(after)
    rows = []
    for peer, figures in (("countersign", ours), ("limit", floor)):
        cuts = quantiles(figures, n=20)
        rows += [row("w3", peer, "p50_ms", [cuts[9]], samples), row("w3", peer, "p95_ms", [cuts[18]], samples)]
    rows.append(row("w3", "countersign", "p50_ms_from_return", from_return, samples))
    return rows


WORKLOADS: dict[str, Callable[[], list[Row]]] = {"w1": w1, "w3": w3}


def _sequential_rate(function: object, steps: int) -> float:
    started_at = time.perf_counter()
    handle = function.start(steps, id=f"bench-{uuid.uuid4().hex[:12]}")  # type: ignore[attr-defined]
    handle.result(timeout=120)
    return steps / (time.perf_counter() - started_at)


def _wake(observer: object) -> tuple[float, float]:
    from bench.workflows import waiting
    from promises import store
    from promises.models import Task
    from promises.times import now_ms
    from promises.values import Value

    handle = waiting.start(id=f"bench-{uuid.uuid4().hex[:12]}")
    while not Task.objects.filter(id=handle.id, state="suspended").exists():
        time.sleep(0.005)
    time.sleep(0.02)
    started_at = time.perf_counter()
    store.promise_settle(f"{handle.id}:1", "resolved", Value.of("yes"), now=now_ms())
    returned_at = time.perf_counter()
    done = "SELECT state <> 'pending' FROM promises_promise WHERE id = %s"
    while not observer.execute(done, (handle.id,)).fetchone()[0]:  # type: ignore[attr-defined]
        time.sleep(limits.LOOK_SECONDS)
    seen_at = time.perf_counter()
    return (seen_at - started_at) * 1000, (seen_at - returned_at) * 1000
