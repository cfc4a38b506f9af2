"""What the engine may rely on, of every store. Subclasses give a `store` and a way to let time pass (`pass_time`)."""

import threading
from collections.abc import Callable

import pytest

from promises.errors import BadRequest, PromiseNotFound, Unprocessable
from promises.records import NewPromise, PromiseRecord
from promises.times import NEVER
from promises.values import EMPTY, Value
from workflows.errors import LeaseLost
from workflows.stores.base import Lease, Store

TARGET = {"resonate:target": "celery://default"}


def root(id: str = "r", timeout_at: int = NEVER) -> NewPromise:
    """An execution as the engine starts it."""
    lineage = {f"resonate:{name}": id for name in ("origin", "branch", "parent")}
    return NewPromise(id, timeout_at, Value.of({"func": "f"}), TARGET | lineage)


def step(id: str = "r:1", state: str = "resolved", value: Value = EMPTY, timeout_at: int = NEVER) -> NewPromise:
    """A completed local step of `r`."""
    tags = {"resonate:origin": "r", "resonate:branch": "r", "resonate:parent": "r", "resonate:scope": "local"}
    return NewPromise(id, timeout_at, EMPTY, tags, state, value)


def latent(id: str = "r:1", timeout_at: int = NEVER, **tags: str) -> NewPromise:
    """A promise of `r` that somebody outside settles."""
    lineage = {"resonate:origin": "r", "resonate:branch": "r", "resonate:parent": "r", "resonate:scope": "global"}
    return NewPromise(id, timeout_at, tags=lineage | {f"resonate:{name}": text for name, text in tags.items()})


class StoreContract:
    """Inherit, with fixtures `store` and `pass_time` (called with milliseconds)."""

    @pytest.fixture
    def lease(self, store: Store) -> Lease:
        """The lease of the execution `r`."""
        store.create(root())
        return self.acquire(store)

    def acquire(self, store: Store, id: str = "r", version: int | None = None) -> Lease:
        acquired = store.acquire(id, version)
        assert acquired is not None
        return Lease(id, acquired.task.version)

    def get(self, store: Store, id: str) -> PromiseRecord:
        promise = store.get(id)
        assert promise is not None
        return promise

    # -- promises

    def test_create_then_get(self, store: Store) -> None:
        before = store.now()
        promise, created = store.create(root())
        assert created
        assert (promise.id, promise.state, promise.param, promise.value) == ("r", "pending", root().param, EMPTY)
        assert before <= promise.created_at <= store.now()
        assert (promise.tags, promise.timeout_at, promise.settled_at) == (root().tags, NEVER, None)
        assert store.get("r") == promise

    def test_create_again(self, store: Store) -> None:
        first, _ = store.create(root())
        assert store.create(NewPromise("r", 7, Value.of(2))) == (first, False)

    def test_a_missing_promise(self, store: Store) -> None:
        assert store.get("r") is None
        with pytest.raises(PromiseNotFound):
            store.settle("r", "resolved", EMPTY)

    @pytest.mark.parametrize(("timer", "state"), [("true", "resolved"), ("", "rejected_timedout")])
    def test_created_past_its_deadline(self, store: Store, timer: str, state: str) -> None:
        deadline = store.now() - 5
        promise, created = store.create(latent("r:1", deadline, timer=timer))
        assert created
        assert (promise.state, promise.created_at, promise.settled_at) == (state, deadline, deadline)

    @pytest.mark.parametrize("state", ["resolved", "rejected", "rejected_canceled"])
    def test_settle_once(self, store: Store, state: str) -> None:
        store.create(latent())
        first = store.settle("r:1", state, Value.of(1))
        assert (first.state, first.value) == (state, Value.of(1))
        assert store.settle("r:1", "resolved", Value.of(2)) == first
        assert store.get("r:1") == first

    @pytest.mark.parametrize("state", ["pending", "rejected_timedout", "done"])
    def test_settle_into_another_state(self, store: Store, state: str) -> None:
        store.create(latent())
        with pytest.raises(BadRequest):
            store.settle("r:1", state, EMPTY)

    @pytest.mark.parametrize(("timer", "state"), [("true", "resolved"), ("", "rejected_timedout")])
    def test_the_deadline_settles(self, store: Store, pass_time: Callable[[int], None], timer: str, state: str) -> None:
        deadline = store.now() + 20
        store.create(latent("r:1", deadline, timer=timer))
        pass_time(20)
        promise = self.get(store, "r:1")
        assert (promise.state, promise.settled_at, promise.value) == (state, deadline, EMPTY)
        assert store.settle("r:1", "rejected", Value.of(1)) == promise

    # -- leases

    def test_acquire_gives_the_promise_and_counts_versions(self, store: Store) -> None:
        store.create(root())
        first = store.acquire("r", 0)
        assert first is not None
        assert (first.task.version, first.task.state, first.promise.id, first.preload) == (1, "acquired", "r", [])
        store.release(Lease("r", 1))
        second = store.acquire("r")
        assert second is not None
        assert second.task.version == 2

    def test_acquire_is_refused(self, store: Store, lease: Lease) -> None:
        assert store.acquire("r") is None  # held
        assert store.acquire("missing") is None
        store.release(lease)
        assert store.acquire("r", 7) is None  # another version
        store.settle("r", "resolved", EMPTY)
        assert store.acquire("r") is None  # fulfilled

    def test_acquire_after_the_deadline(self, store: Store, pass_time: Callable[[int], None]) -> None:
        store.create(root("r", store.now() + 20))
        pass_time(20)
        assert store.acquire("r") is None

    def test_a_delayed_task_is_acquired_all_the_same_by_who_asks(self, store: Store) -> None:
        tags = root().tags | {"resonate:delay": str(store.now() + 50_000)}
        store.create(NewPromise("r", NEVER, tags=tags))
        assert store.acquire("r", 0) is not None

    def test_acquire_preloads_the_branch(self, store: Store, lease: Lease) -> None:
        store.record(lease, [step("r:1"), step("r:2.1"), latent("r:3")])
        call = {**latent("r:4").tags, "resonate:branch": "r:4", **TARGET}
        store.record(lease, [NewPromise("r:4", NEVER, tags=call)])
        store.create(root("r.5"))  # another execution
        store.create(NewPromise("r:4.1", NEVER, tags={"resonate:origin": "r", "resonate:branch": "r:4"}))
        store.release(lease)
        acquired = store.acquire("r")
        assert acquired is not None
        assert sorted(p.id for p in acquired.preload) == ["r:1", "r:2.1", "r:3", "r:4"]
        below = store.acquire("r:4")
        assert below is not None
        assert [p.id for p in below.preload] == ["r:4.1"]

    @pytest.mark.parametrize("ending", ["release", "suspend", "fulfill", "halt", "settled", "stolen"])
    def test_without_the_lease_nothing_is_written(self, store: Store, lease: Lease, ending: str) -> None:
        store.create(latent("r:9"))
        match ending:
            case "release":
                store.release(lease)
            case "suspend":
                store.suspend(lease, ["r:9"], [])
            case "fulfill":
                store.fulfill(lease, "resolved", EMPTY)
            case "halt":
                store.halt(lease, "why")
            case "settled":
                store.settle("r", "rejected_canceled", EMPTY)
            case "stolen":
                store.release(lease)
                self.acquire(store)
        writes: list[Callable[[], object]] = [
            lambda: store.record(lease, [step()]),
            lambda: store.suspend(lease, ["r:9"], []),
            lambda: store.fulfill(lease, "resolved", EMPTY),
            lambda: store.settle_child(lease, "r:9", "resolved", EMPTY),
            lambda: store.cancel_child(lease, "r:9"),
            lambda: store.release(lease),
            lambda: store.halt(lease, "why"),
        ]
        for write in writes:
            with pytest.raises(LeaseLost):
                write()
        assert store.get("r:1") is None
        assert self.get(store, "r:9").is_pending

    def test_past_the_deadline_of_the_execution_the_lease_is_lost(
        self, store: Store, pass_time: Callable[[int], None]
    ) -> None:
        store.create(root("r", store.now() + 40))
        lease = self.acquire(store)
        pass_time(40)
        with pytest.raises(LeaseLost):
            store.record(lease, [step()])
        with pytest.raises(LeaseLost):
            store.fulfill(lease, "resolved", EMPTY)
        assert self.get(store, "r").state == "rejected_timedout"

    # -- records

    def test_record_steps_and_calls(self, store: Store, lease: Lease) -> None:
        started = store.now() - 3
        done = NewPromise("r:1", NEVER, state="resolved", value=Value.of(1), created_at=started)
        assert store.record(lease, [done, latent("r:2")]) == {}
        promise = self.get(store, "r:1")
        assert (promise.state, promise.value, promise.created_at) == ("resolved", Value.of(1), started)
        assert promise.settled_at is not None
        assert promise.created_at <= promise.settled_at <= store.now()
        assert self.get(store, "r:2").is_pending

    def test_the_record_wins(self, store: Store, lease: Lease) -> None:
        store.record(lease, [step(value=Value.of(1))])
        known = store.record(lease, [step(state="rejected", value=Value.of(2)), step("r:2")])
        assert {id: (p.state, p.value) for id, p in known.items()} == {
            "r:1": ("resolved", Value.of(1)),
            "r:2": ("resolved", EMPTY),
        }

    def test_a_step_stored_late_was_settled_by_its_deadline(self, store: Store, lease: Lease) -> None:
        deadline = store.now() - 5
        store.record(lease, [step(state="rejected_timedout", timeout_at=deadline)])
        promise = self.get(store, "r:1")
        assert (promise.created_at, promise.settled_at) == (deadline, deadline)

    def test_a_recorded_call_is_a_task(self, store: Store, lease: Lease) -> None:
        store.record(lease, [NewPromise("r:1", NEVER, tags=latent().tags | TARGET | {"resonate:branch": "r:1"})])
        assert store.acquire("r:1", 0) is not None

    # -- suspend

    def test_suspend_creates_and_a_settlement_wakes(self, store: Store, lease: Lease) -> None:
        assert store.suspend(lease, ["r:1", "r:2"], [latent("r:1"), latent("r:2")]) == []
        assert store.acquire("r") is None
        store.settle("r:2", "resolved", EMPTY)
        assert self.acquire(store, "r", lease.version).version == lease.version + 1

    def test_suspend_on_what_is_settled_keeps_the_lease(self, store: Store, lease: Lease) -> None:
        store.create(latent("r:1"))
        settled = store.settle("r:1", "rejected", Value.of(1))
        assert store.suspend(lease, ["r:1", "r:2"], [latent("r:2")]) == [settled]
        assert self.get(store, "r:2").is_pending
        assert store.record(lease, [step("r:3")]) == {}

    def test_suspend_on_a_new_promise_whose_deadline_has_passed(self, store: Store, lease: Lease) -> None:
        (promise,) = store.suspend(lease, ["r:1"], [latent("r:1", store.now() - 1, timer="true")])
        assert promise.state == "resolved"

    def test_a_deadline_wakes(self, store: Store, lease: Lease, pass_time: Callable[[int], None]) -> None:
        store.suspend(lease, ["r:1"], [latent("r:1", store.now() + 30)])
        pass_time(30)
        self.acquire(store)

    def test_an_awaiter_past_its_deadline_is_not_woken(self, store: Store, pass_time: Callable[[int], None]) -> None:
        deadline = store.now() + 40
        store.create(root("r", deadline))
        store.suspend(self.acquire(store), ["r:1"], [latent("r:1", deadline)])
        pass_time(40)
        assert store.acquire("r") is None
        assert self.get(store, "r").state == "rejected_timedout"

    @pytest.mark.parametrize("awaited", [[], ["r"], ["r:1", "r:1"], ["other"]])
    def test_suspend_malformed(self, store: Store, lease: Lease, awaited: list[str]) -> None:
        store.create(latent("r:1"))
        store.create(NewPromise("other", NEVER))
        with pytest.raises(BadRequest):
            store.suspend(lease, awaited, [])
        store.release(lease)  # still held

    @pytest.mark.parametrize("awaited", ["r:missing", "r:step"])
    def test_suspend_on_what_nobody_will_settle(self, store: Store, lease: Lease, awaited: str) -> None:
        store.create(NewPromise("r:step", NEVER, tags=step().tags))
        with pytest.raises(Unprocessable):
            store.suspend(lease, [awaited], [latent("r:2")])
        assert store.get("r:2") is None
        store.release(lease)  # still held

    def test_awaited_promises_of_an_earlier_suspend_still_count(self, store: Store, lease: Lease) -> None:
        store.suspend(lease, ["r:1", "r:2"], [latent("r:1"), latent("r:2")])
        store.settle("r:1", "resolved", EMPTY)
        second = self.acquire(store)
        store.settle("r:2", "resolved", EMPTY)
        assert [p.id for p in store.suspend(second, ["r:2"], [])] == ["r:2"]

    # -- endings

    def test_fulfill_settles_and_wakes_the_caller(self, store: Store, lease: Lease) -> None:
        tags = latent().tags | TARGET | {"resonate:branch": "r:1"}
        store.suspend(lease, ["r:1"], [NewPromise("r:1", NEVER, tags=tags)])
        promise = store.fulfill(self.acquire(store, "r:1"), "resolved", Value.of(1))
        assert (promise.state, promise.value) == ("resolved", Value.of(1))
        self.acquire(store)

    def test_settle_child(self, store: Store, lease: Lease) -> None:
        store.create(latent())
        canceled = store.settle_child(lease, "r:1", "rejected_canceled", EMPTY)
        assert canceled.state == "rejected_canceled"
        assert store.settle_child(lease, "r:1", "resolved", EMPTY) == canceled
        with pytest.raises(BadRequest):
            store.settle_child(lease, "r", "resolved", EMPTY)
        with pytest.raises(PromiseNotFound):
            store.settle_child(lease, "r:missing", "resolved", EMPTY)

    def test_cancel_child_cancels_what_is_below_it_and_spares_what_is_detached(
        self, store: Store, lease: Lease
    ) -> None:
        tags = latent().tags | TARGET | {"resonate:branch": "r:1"}
        detached = NewPromise("r:1.2", NEVER, tags=latent().tags | {"countersign:detached": "r:1.2"})
        store.record(lease, [NewPromise("r:1", NEVER, tags=tags), latent("r:10")])
        store.record(self.acquire(store, "r:1"), [latent("r:1.1"), detached])
        canceled = store.cancel_child(lease, "r:1")
        assert (canceled.id, canceled.state) == ("r:1", "rejected_canceled")
        assert store.cancel_child(lease, "r:1") == canceled
        pending = [id for id in ("r", "r:1", "r:1.1", "r:1.2", "r:10") if self.get(store, id).is_pending]
        assert pending == ["r", "r:1.2", "r:10"]
        assert store.acquire("r:1") is None
        with pytest.raises(BadRequest):
            store.cancel_child(lease, "r")
        with pytest.raises(PromiseNotFound):
            store.cancel_child(lease, "r:missing")

    def test_cancel_child_leaves_what_is_settled_as_it_is(self, store: Store, lease: Lease) -> None:
        store.record(lease, [latent("r:1"), latent("r:1.1")])
        settled = store.settle("r:1", "resolved", Value.of(1))
        assert store.cancel_child(lease, "r:1") == settled
        assert self.get(store, "r:1.1").is_pending

    def test_release_lets_the_next_one_in(self, store: Store, lease: Lease) -> None:
        store.release(lease)
        assert self.acquire(store, "r", lease.version).version == lease.version + 1

    def test_halt_stops_and_settling_ends_it(self, store: Store, lease: Lease) -> None:
        store.halt(lease, "why")
        assert store.acquire("r") is None
        assert store.settle("r", "rejected_canceled", EMPTY).state == "rejected_canceled"

    # -- threads

    def test_two_acquirers_at_once(self, store: Store, in_thread: Callable[..., Callable[[], object]]) -> None:
        leases: list[object] = []
        for number in range(10):
            store.create(root(f"r{number}"))
            barrier = threading.Barrier(2)

            def take(id: str = f"r{number}", barrier: threading.Barrier = barrier) -> None:
                barrier.wait(10)
                leases.append(store.acquire(id))

            threads = [threading.Thread(target=in_thread(take)) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len([lease for lease in leases if lease is not None]) == 10
