"""The verbs of tasks: each works, is repeated, meets a wrong state or version, a missing task, a malformed
request."""

from collections.abc import Callable

import pytest

from promises import store
from promises.errors import BadRequest, Conflict, TaskNotFound, Unprocessable
from promises.records import NewPromise
from promises.times import NEVER
from promises.values import Value
from tests.promises.fixtures import Sent
from tests.promises.making import (
    NOW,
    RETRY,
    TTL,
    acquire,
    create,
    create_acquired,
    create_suspended,
    create_task,
    rows,
    task,
)

TARGET = {"resonate:target": "celery://default"}


class TestAcquire:
    def test_it_takes_the_lease_and_counts_the_version(self) -> None:
        create_task("p")
        acquired = acquire("p", 0)
        assert (acquired.task.state, acquired.task.version, acquired.task.pid, acquired.task.ttl) == (
            "acquired",
            1,
            "p1",
            TTL,
        )
        assert acquired.promise.id == "p"
        assert acquired.is_leased
        assert task("p")["due_at"] == NOW + TTL

    def test_a_duplicate_message_is_refused(self) -> None:
        create_task("p")
        acquire("p", 0)
        with pytest.raises(Conflict, match="acquired"):
            acquire("p", 0)

    def test_another_version_is_refused(self) -> None:
        create_task("p")
        with pytest.raises(Conflict, match="another version"):
            acquire("p", 7)

    def test_it_forgets_the_resumes(self) -> None:
        create("p:1")
        create_suspended("p", "p:1")
        store.promise_settle("p:1", "resolved", now=NOW)
        assert acquire("p").task.resumes == 0

    @pytest.mark.parametrize("state", ["suspended", "halted", "fulfilled"])
    def test_only_pending_ones(self, state: str) -> None:
        create("p:1")
        if state == "suspended":
            create_suspended("p", "p:1")
        else:
            create_task("p")
        if state == "halted":
            store.task_halt("p", "", now=NOW)
        if state == "fulfilled":
            store.promise_settle("p", "resolved", now=NOW)
        with pytest.raises(Conflict, match=state):
            acquire("p")

    def test_past_its_deadline_it_is_fulfilled(self, sent: Sent) -> None:
        create_task("r:1", timeout_at=NOW + 5, origin="r")
        create_suspended("r", "r:1")
        with pytest.raises(Conflict, match="fulfilled"):
            acquire("r:1", now=NOW + 5)
        assert (task("r:1")["state"], task("r")["state"]) == ("fulfilled", "pending")
        assert sent[-1][1] == "r"  # the refusal loses no wake-up

    def test_missing(self) -> None:
        with pytest.raises(TaskNotFound):
            acquire("p")
        create("p")  # a promise without a target has no task
        with pytest.raises(TaskNotFound):
            acquire("p")

    @pytest.mark.parametrize(
        "request_",
        [
            {"id": ""},
            {"pid": ""},
            {"ttl": 0},
            {"ttl": -1},
            {"ttl": 10**15},
            {"version": -1},
            {"version": 2**31},
        ],
    )
    def test_malformed_comes_before_missing(self, request_: dict[str, object]) -> None:
        with pytest.raises(BadRequest):
            store.task_acquire(**{"id": "p", "version": 0, "pid": "x", "ttl": 1, "now": NOW, **request_})  # type: ignore[arg-type]

    def test_it_preloads_its_branch_with_deadlines_applied(self) -> None:
        create_task("r", branch="r", origin="r")
        lineage = {"origin": "r", "branch": "r"}
        create("r:1", **lineage)
        create("r:1.1", **lineage)
        create("r:2", timeout_at=NOW + 5, **lineage)
        create_task("r:3", origin="r", branch="r:3")  # a remote call made from here
        create("r:3.1", origin="r", branch="r:3")  # what it does is its own business
        create("rx:1", origin="rx", branch="rx")
        preload = acquire("r", now=NOW + 5).preload
        assert sorted(p.id for p in preload) == ["r:1", "r:1.1", "r:2", "r:3"]
        assert {p.id: p.state for p in preload}["r:2"] == "rejected_timedout"

    def test_an_execution_whose_id_extends_anothers_is_not_in_its_branch(self) -> None:
        for id in ("a", "a.b"):
            create_task(id, origin=id, branch=id, parent=id)
        create("a.b:1", origin="a.b", branch="a.b")
        assert acquire("a").preload == []
        assert [p.id for p in acquire("a.b").preload] == ["a.b:1"]

    def test_the_branch_of_a_remote_call(self) -> None:
        create_task("r:1", origin="r", branch="r:1")
        create("r:1.1", origin="r", branch="r:1")
        create("r:1.2", origin="r", branch="r:1.2")
        create("r:10", origin="r", branch="r:10")
        assert sorted(p.id for p in acquire("r:1").preload) == ["r:1.1", "r:1.2"]


class TestCreate:
    def make(self, id: str = "p", *, timeout_at: int = NEVER, now: int = NOW, pid: str = "p1", **tags: str) -> object:
        named = {f"resonate:{key}": text for key, text in tags.items()}
        return store.task_create(NewPromise(id, timeout_at, tags=TARGET | named), pid=pid, ttl=TTL, now=now)

    def test_a_new_one_is_leased_at_once_and_not_dispatched(self, sent: Sent) -> None:
        acquired = store.task_create(NewPromise("p", NEVER, Value.of(1), TARGET), pid="p1", ttl=TTL, now=NOW)
        assert (acquired.task.state, acquired.task.version, acquired.promise.param) == (
            "acquired",
            1,
            Value.of(1),
        )
        assert sent == []

    def test_a_pending_one_is_taken(self) -> None:
        create_task("p")
        assert store.task_create(NewPromise("p", NEVER, tags=TARGET), pid="x", ttl=TTL, now=NOW).task.version == 1

    def test_a_settled_one_comes_back_without_a_lease(self) -> None:
        create_task("p")
        settled = store.promise_settle("p", "resolved", Value.of(1), now=NOW)
        acquired = store.task_create(NewPromise("p", NEVER, tags=TARGET), pid="x", ttl=TTL, now=NOW)
        assert (acquired.is_leased, acquired.promise, acquired.task.state) == (False, settled, "fulfilled")

    def test_one_that_is_born_timed_out_has_no_lease(self) -> None:
        acquired = store.task_create(NewPromise("p", NOW, tags=TARGET), pid="x", ttl=TTL, now=NOW)
        assert (acquired.is_leased, acquired.task.version, acquired.promise.state) == (
            False,
            0,
            "rejected_timedout",
        )

    def test_one_whose_deadline_passed_is_served_settled(self) -> None:
        create_acquired("p", timeout_at=NOW + 5)
        acquired = store.task_create(NewPromise("p", NEVER, tags=TARGET), pid="x", ttl=TTL, now=NOW + 5)
        assert (acquired.promise.state, acquired.task.state) == ("rejected_timedout", "fulfilled")

    @pytest.mark.parametrize("state", ["acquired", "suspended", "halted"])
    def test_409_otherwise(self, state: str) -> None:
        create("p:1")
        create_acquired("p")
        if state == "suspended":
            store.task_suspend("p", 1, ["p:1"], now=NOW)
        if state == "halted":
            store.task_halt("p", "", now=NOW)
        with pytest.raises(Conflict, match="Already exists"):
            self.make()

    def test_422_an_existing_promise_without_a_target(self) -> None:
        create("p")
        with pytest.raises(Unprocessable):
            self.make()

    def test_400_no_target_or_a_delay(self) -> None:
        with pytest.raises(BadRequest):
            store.task_create(NewPromise("p", NEVER), pid="x", ttl=1, now=NOW)
        with pytest.raises(BadRequest):
            self.make(delay="7")


class TestRecord:
    def test_pending_and_settled_promises_in_one_commit(self, sent: Sent) -> None:
        version = create_acquired("r", origin="r")
        sent.clear()
        step = NewPromise("r:1", NEVER, state="resolved", value=Value.of(1), created_at=NOW - 3)
        call = NewPromise("r:2", NEVER, tags=TARGET)
        assert store.task_record("r", version, [step, call], now=NOW) == {}
        stored = store.promise_get("r:1", now=NOW)
        assert (stored.state, stored.value, stored.created_at, stored.settled_at) == (
            "resolved",
            Value.of(1),
            NOW - 3,
            NOW,
        )
        assert sent == [("default", "r:2", 0)]

    def test_what_was_recorded_before_wins(self) -> None:
        version = create_acquired("r")
        store.task_record("r", version, [NewPromise("r:1", NEVER, state="resolved", value=Value.of(1))], now=NOW)
        again = [NewPromise("r:1", NEVER, state="rejected", value=Value.of(2)), NewPromise("r:2", NEVER)]
        known = store.task_record("r", version, again, now=NOW)
        assert {id: (p.state, p.value) for id, p in known.items()} == {
            "r:1": ("resolved", Value.of(1)),
            "r:2": ("pending", Value()),
        }

    @pytest.mark.parametrize("state", ["resolved", "rejected_timedout"])
    def test_a_step_that_is_stored_late_was_settled_by_its_deadline(self, state: str) -> None:
        version = create_acquired("r")
        step = NewPromise("r:1", NOW + 5, state=state, created_at=NOW + 9)
        store.task_record("r", version, [step], now=NOW + 9)
        stored = store.promise_get("r:1", now=NOW + 9)
        assert (stored.state, stored.created_at, stored.settled_at) == (state, NOW + 5, NOW + 5)

    def test_a_lost_lease_writes_nothing(self) -> None:
        version = create_acquired("r")
        store.task_release("r", version, now=NOW)
        for held in (version, version + 1):
            with pytest.raises(Conflict):
                store.task_record("r", held, [NewPromise("r:1", NEVER)], now=NOW)
        acquire("r")
        with pytest.raises(Conflict, match="another version"):
            store.task_record("r", version, [NewPromise("r:1", NEVER)], now=NOW)
        assert [row["id"] for row in rows()["promise"]] == ["r"]

    def test_past_the_deadline_of_the_execution_nothing_is_written(self) -> None:
        version = create_acquired("r", timeout_at=NOW + 5)
        with pytest.raises(Conflict, match="fulfilled"):
            store.task_record("r", version, [NewPromise("r:1", NEVER)], now=NOW + 5)

    def test_missing_and_malformed(self) -> None:
        with pytest.raises(TaskNotFound):
            store.task_record("r", 1, [], now=NOW)
        with pytest.raises(BadRequest):
            store.task_record("r", 1, [NewPromise("r:1", NEVER, tags={"resonate:target": "nowhere"})], now=NOW)


class TestFenceSettle:
    def test_the_holder_settles_another_promise(self) -> None:
        create("r:1")
        version = create_acquired("r")
        settled = store.task_fence_settle("r", version, "r:1", "rejected_canceled", now=NOW)
        assert settled == store.task_fence_settle("r", version, "r:1", "resolved", now=NOW + 1)

    def test_it_may_be_one_that_the_task_has_awaited(self) -> None:
        create("r:1")
        create("r:2")
        create_suspended("r", "r:1", "r:2")
        store.promise_settle("r:1", "resolved", now=NOW)
        version = acquire("r").task.version
        store.task_fence_settle("r", version, "r:2", "resolved", now=NOW)
        assert (task("r")["state"], task("r")["resumes"]) == ("acquired", 1)

    def test_the_guards(self) -> None:
        create("r:1")
        for bad in (
            {"id": "r", "promise_id": "r"},
            {"state": "pending"},
            {"promise_id": ""},
            {"version": -1},
        ):
            with pytest.raises(BadRequest):
                store.task_fence_settle(
                    **{"id": "r", "version": 1, "promise_id": "r:1", "state": "resolved", "now": NOW, **bad}  # type: ignore[arg-type]
                )
        with pytest.raises(TaskNotFound):
            store.task_fence_settle("r", 1, "r:1", "resolved", now=NOW)
        create_task("r")
        with pytest.raises(Conflict):
            store.task_fence_settle("r", 0, "missing", "resolved", now=NOW)
        assert store.promise_get("r:1", now=NOW).is_pending


class TestSuspend:
    def test_it_creates_registers_and_gives_up_the_lease(self, sent: Sent) -> None:
        create("r:1")
        version = create_acquired("r")
        sent.clear()
        assert (
            store.task_suspend("r", version, ["r:1", "r:2"], create=[NewPromise("r:2", NEVER, tags=TARGET)], now=NOW)
            == []
        )
        row = task("r")
        assert (row["state"], row["pid"], row["ttl"], row["due_at"], row["version"]) == (
            "suspended",
            None,
            None,
            None,
            version,
        )
        assert {c["awaited"] for c in rows()["callback"]} == {"r:1", "r:2"}
        assert sent == [("default", "r:2", 0)]

    def test_300_when_something_is_settled_and_then_nothing_is_registered(self) -> None:
        create("r:1")
        create("r:2", timeout_at=NOW + 5)
        create("r:3")
        store.promise_settle("r:1", "resolved", Value.of(1), now=NOW)
        version = create_acquired("r")
        settled = store.task_suspend(
            "r", version, ["r:3", "r:2", "r:1"], create=[NewPromise("r:4", NEVER)], now=NOW + 5
        )
        assert {p.id: p.state for p in settled} == {"r:1": "resolved", "r:2": "rejected_timedout"}
        assert (task("r")["state"], task("r")["version"], rows()["callback"]) == ("acquired", version, [])
        assert store.promise_get("r:4", now=NOW).is_pending  # created all the same

    @pytest.mark.parametrize("awaited", [[], ["r"], ["r:1", "r:1"], [""], ["\x00"]])
    def test_400_nothing_itself_one_twice_malformed(self, awaited: list[str]) -> None:
        with pytest.raises(BadRequest):
            store.task_suspend("missing" if awaited != ["r"] else "r", 1, awaited, now=NOW)

    def test_400_another_origin(self) -> None:
        create("other")
        version = create_acquired("r")
        with pytest.raises(BadRequest, match="origin"):
            store.task_suspend("r", version, ["other"], now=NOW)

    def test_404_then_409_then_422(self) -> None:
        with pytest.raises(TaskNotFound):
            store.task_suspend("r", 1, ["r:missing"], now=NOW)
        create_task("r")
        with pytest.raises(Conflict):
            store.task_suspend("r", 0, ["r:missing"], now=NOW)
        version = acquire("r").task.version
        with pytest.raises(Unprocessable):
            store.task_suspend("r", version, ["r:missing"], now=NOW)

    def test_422_comes_before_300_and_undoes_the_creation(self) -> None:
        create("r:1")
        store.promise_settle("r:1", "resolved", now=NOW)
        create("r:2", scope="local")
        version = create_acquired("r")
        for awaited in (["r:1", "r:missing"], ["r:1", "r:2"]):
            with pytest.raises(Unprocessable):
                store.task_suspend("r", version, awaited, create=[NewPromise("r:3", NEVER)], now=NOW)
        assert "r:3" not in [row["id"] for row in rows()["promise"]]
        assert task("r")["state"] == "acquired"

    def test_repeating_it_is_refused(self) -> None:
        create("r:1")
        version = create_suspended("r", "r:1")
        with pytest.raises(Conflict, match="suspended"):
            store.task_suspend("r", version, ["r:1"], now=NOW)


class TestFulfill:
    @pytest.mark.parametrize("state", ["resolved", "rejected", "rejected_canceled"])
    def test_it_settles_the_promise(self, state: str) -> None:
        version = create_acquired("r")
        promise = store.task_fulfill("r", version, state, Value.of(1), now=NOW)
        assert (promise.state, promise.value, task("r")["state"]) == (state, Value.of(1), "fulfilled")

    def test_repeating_it_is_refused(self) -> None:
        version = create_acquired("r")
        store.task_fulfill("r", version, "resolved", now=NOW)
        with pytest.raises(Conflict, match="fulfilled"):
            store.task_fulfill("r", version, "resolved", now=NOW)

    def test_past_the_deadline_it_is_refused_and_the_deadline_applied(self, sent: Sent) -> None:
        version = create_acquired("r:1", timeout_at=NOW + 5, origin="r")
        create_suspended("r", "r:1")
        sent.clear()
        with pytest.raises(Conflict):
            store.task_fulfill("r:1", version, "resolved", now=NOW + 5)
        assert store.promise_get("r:1", now=NOW).state == "rejected_timedout"
        assert [id for _, id, _ in sent] == ["r"]

    def test_the_guards(self) -> None:
        with pytest.raises(BadRequest):
            store.task_fulfill("r", 1, "pending", now=NOW)
        with pytest.raises(TaskNotFound):
            store.task_fulfill("r", 1, "resolved", now=NOW)
        create_acquired("r")
        with pytest.raises(Conflict):
            store.task_fulfill("r", 2, "resolved", now=NOW)


class TestRelease:
    def test_it_is_dispatched_again_at_once_with_the_same_version(self, sent: Sent) -> None:
        version = create_acquired("r")
        sent.clear()
        store.task_release("r", version, now=NOW)
        row = task("r")
        assert (row["state"], row["version"], row["pid"], row["ttl"], row["due_at"]) == (
            "pending",
            version,
            None,
            None,
            NOW + RETRY,
        )
        assert sent == [("default", "r", version)]

    def test_or_after_a_delay(self, sent: Sent) -> None:
        version = create_acquired("r")
        sent.clear()
        store.task_release("r", version, now=NOW, delay=500)
        assert (sent, task("r")["due_at"]) == ([], NOW + 500)

    def test_the_guards(self) -> None:
        with pytest.raises(BadRequest):
            store.task_release("", 1, now=NOW)
        with pytest.raises(TaskNotFound):
            store.task_release("r", 1, now=NOW)
        version = create_acquired("r")
        store.task_release("r", version, now=NOW)
        with pytest.raises(Conflict):
            store.task_release("r", version, now=NOW)


class TestHeartbeat:
    def test_it_extends_what_is_held_and_tells_what_that_is(self) -> None:
        version = create_acquired("a")
        create_acquired("b", timeout_at=NOW + 7)
        create_acquired("c")
        create_task("d")
        store.task_release("c", 1, now=NOW)
        leases = [("a", version), ("b", 1), ("c", 1), ("d", 0), ("missing", 1)]
        assert store.task_heartbeat("p1", leases, now=NOW + 7) == {"a"}  # b is past its deadline
        assert task("a")["due_at"] == NOW + 7 + TTL
        assert task("b")["due_at"] == NOW + TTL

    def test_only_the_holder_extends_and_only_its_version(self) -> None:
        create_acquired("a")
        assert store.task_heartbeat("somebody", [("a", 1)], now=NOW + 1) == set()
        assert store.task_heartbeat("p1", [("a", 2)], now=NOW + 1) == set()
        assert store.task_heartbeat("p1", [], now=NOW + 1) == set()
        assert task("a")["due_at"] == NOW + TTL


class TestHaltAndContinue:
    @pytest.mark.parametrize("state", ["pending", "acquired", "suspended", "halted"])
    def test_halting_from_every_live_state(self, state: str) -> None:
        create("p:1")
        create_task("p")
        if state in ("acquired", "suspended"):
            acquire("p")
        if state == "suspended":
            store.task_suspend("p", 1, ["p:1"], now=NOW)
        if state == "halted":
            store.task_halt("p", "first", now=NOW)
        store.task_halt("p", "broken", now=NOW)
        row = task("p")
        assert (row["state"], row["halt_reason"], row["pid"], row["ttl"], row["due_at"]) == (
            "halted",
            "broken",
            None,
            None,
            None,
        )

    def test_the_holder_halts_only_its_own_lease(self) -> None:
        create_acquired("p")
        with pytest.raises(Conflict):
            store.task_halt("p", "", version=2, now=NOW)
        store.task_halt("p", "why", version=1, now=NOW)
        with pytest.raises(Conflict):
            store.task_halt("p", "", version=1, now=NOW)

    def test_continuing_dispatches_it(self, sent: Sent) -> None:
        create_acquired("p")
        store.task_halt("p", "why", now=NOW)
        sent.clear()
        store.task_continue("p", now=NOW)
        assert (task("p")["state"], task("p")["halt_reason"]) == ("pending", "")
        assert sent == [("default", "p", 1)]
        assert acquire("p", 1).task.version == 2

    def test_what_settles_meanwhile_is_not_lost(self) -> None:
        create("p:1")
        version = create_suspended("p", "p:1")
        store.task_halt("p", "", now=NOW)
        store.promise_settle("p:1", "resolved", now=NOW)
        assert task("p")["state"] == "halted"
        store.task_continue("p", now=NOW)
        assert store.task_suspend("p", acquire("p").task.version, ["p:1"], now=NOW)[0].id == "p:1"
        assert version == 1

    @pytest.mark.parametrize(
        "verb", [lambda: store.task_halt("p", "", now=NOW + 5), lambda: store.task_continue("p", now=NOW + 5)]
    )
    def test_a_dead_promise_is_fulfilled_by_the_way(self, verb: Callable[[], None]) -> None:
        create_task("p", timeout_at=NOW + 5)
        store.task_halt("p", "", now=NOW)
        with pytest.raises(Conflict):
            verb()
        assert task("p")["state"] == "fulfilled"

    def test_the_guards(self) -> None:
        for verb in (
            lambda name: store.task_halt(name, "", now=NOW),
            lambda name: store.task_continue(name, now=NOW),
        ):
            with pytest.raises(BadRequest):
                verb("")
            with pytest.raises(TaskNotFound):
                verb("p")
        create_task("p")
        with pytest.raises(Conflict):
            store.task_continue("p", now=NOW)
