"""A worker's turns: it hears what is ready, claims it, and has no more turns under way than it may."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from promises import store
from promises.limits import Limits
from promises.times import NEVER
from tests.promises.fixtures import Sent
from tests.promises.making import create_task, task
from workflows import Context, workflow
from workflows.claims import Claims, execute_ready
from workflows.leases import leases

pytestmark = pytest.mark.slow


def one() -> int:
    return 1


@pytest.fixture
def flow() -> Any:
    @workflow
    async def flow(ctx: Context, x: int) -> int:
        return x + await ctx.run(one)

    return flow


class Pool:
    """Threads, as a Celery worker's pool has them; `turns` counts those that have begun."""

    def __init__(self, size: int, wrap: Callable[[Callable[[], object]], Callable[[], object]]) -> None:
        self.executor = ThreadPoolExecutor(size)
        self.size = size
        self.wrap = wrap
        self.turns = 0

    def submit(
        self, turn: Callable[[Sequence[str]], int], queues: Sequence[str], when_over: Callable[[int], None]
    ) -> None:
        self.turns += 1
        self.executor.submit(self.wrap(lambda: when_over(turn(queues))))


@pytest.fixture
def worker(in_thread: Any, settings: Any) -> Iterator[Callable[..., Pool]]:
    started: list[tuple[Claims, Pool]] = []

    def start(*queues: str, concurrency: int = 2) -> Pool:
        pool = Pool(concurrency, in_thread)
        claims = Claims(queues or ("default",), concurrency, pool.submit)
        claims.start()
        started.append((claims, pool))
        return pool

    yield start
    for claims, pool in started:
        claims.stop()
        pool.executor.shutdown(wait=True)
    connections.close_all()


def test_a_turn_executes_until_nothing_is_ready(flow: Any) -> None:
    handles = [flow.start(x) for x in range(3)]
    assert execute_ready(["default"]) == NEVER
    assert [handle.result(timeout=0) for handle in handles] == [1, 2, 3]


def test_it_says_when_a_rate_allows_the_next(flow: Any) -> None:
    store.limits_declare({"workflow:flow": Limits.of(rate="1/h")})
    flow.start(1)
    flow.start(2)
    assert 0 < execute_ready(["default"]) < NEVER


def test_a_worker_that_stops_begins_nothing(flow: Any) -> None:
    handle = flow.start(1)
    leases.stop()
    try:
        assert execute_ready(["default"]) == NEVER
    finally:
        leases.start()
    assert handle.status() == "pending"


def test_no_message_is_needed(flow: Any, worker: Callable[..., Pool], sent: Sent) -> None:
    before = flow.start(1)
    worker()
    after = flow.start(2)
    sent.clear()
    assert (before.result(timeout=5), after.result(timeout=5)) == (2, 3)


def test_every_one_of_many_is_executed(flow: Any, worker: Callable[..., Pool]) -> None:
    worker(concurrency=3)
    handles = [flow.start(x) for x in range(50)]
    assert [handle.result(timeout=10) for handle in handles] == list(range(1, 51))


def test_a_settlement_wakes_what_waits(worker: Callable[..., Pool]) -> None:
    @workflow
    async def waits(ctx: Context) -> str:
        answer: str = await ctx.promise()
        return answer

    worker()
    handle = waits.start(id="w")
    with pytest.raises(TimeoutError):
        handle.result(timeout=0.2)
    store.promise_settle("w:1", "rejected_canceled", now=1)
    with pytest.raises(Exception, match="canceled"):
        handle.result(timeout=5)


def test_other_queues_are_left_to_others(worker: Callable[..., Pool]) -> None:
    @workflow(queue="mine")
    async def mine(ctx: Context) -> str:
        return "done"

    worker("mine")
    create_task("other")
    assert mine.start().result(timeout=5) == "done"
    assert task("other")["state"] == "pending"


def test_a_rate_is_waited_for(flow: Any, worker: Callable[..., Pool]) -> None:
    store.limits_declare({"workflow:flow": Limits.of(rate="10/s")})
    worker()
    handles = [flow.start(x) for x in range(13)]
    assert [handle.result(timeout=8) for handle in handles] == list(range(1, 14))


def test_what_fails_in_a_turn_is_looked_after_soon(
    flow: Any, worker: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = threading.Semaphore(2)

    def claim(*args: Any, **kwargs: Any) -> Any:
        if failures.acquire(blocking=False):
            raise RuntimeError("no")
        return real(*args, **kwargs)

    real = store.task_claim
    monkeypatch.setattr(store, "task_claim", claim)
    handle = flow.start(1)
    worker()
    assert handle.result(timeout=5) == 2
