"""Any sequence of verbs, by any number of workers, keeps the invariants of the protocol."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from promises import store
from promises.errors import PromiseError
from promises.records import NewPromise, PromiseRecord, project
from promises.times import NEVER
from promises.transports import celery
from promises.values import EMPTY, Value
from tests.promises.invariants import check, check_change, check_message
from tests.promises.making import NOW, clear, rows

IDS = ("r", "r:1", "r:2", "r:1.1", "s")
ids = st.sampled_from(IDS)
values = st.sampled_from([EMPTY, Value.of(1), Value({"k": "v"}, "")])
states = st.sampled_from(["resolved", "rejected", "rejected_canceled"])
versions = st.integers(0, 4)
pids = st.sampled_from(["p1", "p2"])


@st.composite
def tags(draw: Any, id: str) -> dict[str, str]:
    """Targets and timers in all combinations; lineage as the engine writes it."""
    chosen = {"resonate:origin": id.partition(":")[0]}
    if draw(st.booleans()):
        chosen["resonate:target"] = "celery://default"
    if draw(st.integers(0, 3)) == 0:
        chosen["resonate:timer"] = "true"
    if draw(st.integers(0, 5)) == 0:
        chosen["resonate:scope"] = "local"
    return chosen


class Verbs(RuleBasedStateMachine):
    """Calls verbs at random; time goes on with each."""

    def __init__(self) -> None:
        super().__init__()
        clear()
        self.now = NOW
        self.sent: list[tuple[str, str, int]] = []
        self.before = rows()
        celery.send = lambda *message: self.sent.append(message)

    def deadline(self, wait: int | None) -> int:
        return NEVER if wait is None else self.now + wait

    def told(self, promise: PromiseRecord) -> None:
        """What a verb answers is what a read at the same moment says, deadlines applied."""
        assert promise == project(promise, self.now)
        assert promise == store.promise_get(promise.id, now=self.now)

    @rule(seconds=st.integers(0, 40_000))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(data=st.data(), id=ids, wait=st.one_of(st.none(), st.integers(-5, 50_000)), param=values)
    def create(self, data: Any, id: str, wait: int | None, param: Value) -> None:
        chosen = data.draw(tags(id))
        promise, _ = store.promise_create(id, timeout_at=self.deadline(wait), now=self.now, param=param, tags=chosen)
        self.told(promise)

    @rule(id=ids, state=states, value=values)
    def settle(self, id: str, state: str, value: Value) -> None:
        with suppress(PromiseError):
            self.told(store.promise_settle(id, state, value, now=self.now))

    @rule(awaited=ids, awaiter=ids)
    def register_callback(self, awaited: str, awaiter: str) -> None:
        with suppress(PromiseError):
            self.told(store.promise_register_callback(awaited, awaiter, now=self.now))

    @rule(id=ids)
    def register_listener(self, id: str) -> None:
        with suppress(PromiseError):
            self.told(store.promise_register_listener(id, now=self.now))

    @rule(id=ids, version=st.one_of(st.none(), versions), pid=pids, ttl=st.integers(1, 20_000))
    def acquire(self, id: str, version: int | None, pid: str, ttl: int) -> None:
        with suppress(PromiseError):
            self.told(store.task_acquire(id, version, pid=pid, ttl=ttl, now=self.now).promise)

    @rule(id=ids, pid=pids, wait=st.integers(-5, 50_000))
    def task_create(self, id: str, pid: str, wait: int) -> None:
        promise = NewPromise(id, self.now + wait, tags={"resonate:target": "celery://default"})
        with suppress(PromiseError):
            self.told(store.task_create(promise, pid=pid, ttl=5_000, now=self.now).promise)

    @rule(data=st.data(), id=ids, version=versions, new=ids, state=st.one_of(st.just("pending"), states))
    def record(self, data: Any, id: str, version: int, new: str, state: str) -> None:
        chosen = {} if state != "pending" else data.draw(tags(new))
        promise = NewPromise(new, self.now + data.draw(st.integers(-5, 500)), tags=chosen, state=state)
        with suppress(PromiseError):
            store.task_record(id, version, [promise], now=self.now)

    @rule(id=ids, version=versions, other=ids, state=states)
    def fence_settle(self, id: str, version: int, other: str, state: str) -> None:
        with suppress(PromiseError):
            self.told(store.task_fence_settle(id, version, other, state, now=self.now))

    @rule(data=st.data(), id=ids, version=versions, awaited=st.lists(ids, max_size=3, unique=True))
    def suspend(self, data: Any, id: str, version: int, awaited: list[str]) -> None:
        create = [NewPromise(new, NEVER, tags=data.draw(tags(new))) for new in awaited if data.draw(st.booleans())]
        with suppress(PromiseError):
            for promise in store.task_suspend(id, version, awaited, create=create, now=self.now):
                self.told(promise)

    @rule(id=ids, version=versions, state=states, value=values)
    def fulfill(self, id: str, version: int, state: str, value: Value) -> None:
        with suppress(PromiseError):
            self.told(store.task_fulfill(id, version, state, value, now=self.now))

    @rule(id=ids, version=versions, delay=st.sampled_from([0, 500]))
    def release(self, id: str, version: int, delay: int) -> None:
        with suppress(PromiseError):
            store.task_release(id, version, delay=delay, now=self.now)

    @rule(pid=pids, version=versions)
    def heartbeat(self, pid: str, version: int) -> None:
        store.task_heartbeat(pid, [(id, version) for id in IDS], now=self.now)

    @rule(id=ids, version=st.one_of(st.none(), versions))
    def halt(self, id: str, version: int | None) -> None:
        with suppress(PromiseError):
            store.task_halt(id, "halted", version=version, now=self.now)

    @rule(id=ids)
    def continue_(self, id: str) -> None:
        with suppress(PromiseError):
            store.task_continue(id, now=self.now)

    @rule(limit=st.sampled_from([1, 200]))
    def sweep(self, limit: int) -> None:
        store.timeouts_sweep(self.now, limit)

    @invariant()
    def holds(self) -> None:
        after = rows()
        check(after, self.now)
        check_change(self.before, after)
        for message in self.sent:
            check_message(message, after)
        self.before, self.sent = after, []


@pytest.mark.slow
def test_every_sequence_of_verbs_keeps_the_invariants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery, "send", celery.send)  # put back at the end
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Verbs,
        settings=settings(
            max_examples=30,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
