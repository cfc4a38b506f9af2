"""What a worker executes next: order, priorities, limits and rates."""

from collections.abc import Callable

import pytest

from promises import store
from promises.errors import BadRequest, Conflict
from promises.limits import Limits
from promises.models import Limit
from promises.times import NEVER
from tests.promises.making import (
    NOW,
    RETRY,
    TTL,
    acquire,
    claim,
    create,
    create_acquired,
    create_suspended,
    create_task,
    task,
)
from tests.promises.store.test_concurrency import Crew, Wrap

MINUTE = 60_000


def of(func: str, id: str, *, now: int = NOW, priority: int = 0, queue: str = "default") -> None:
    """A ready task of a workflow."""
    tags = {
        "resonate:target": f"celery://{queue}",
        "countersign:func": func,
        "countersign:priority": str(priority),
    }
    store.promise_create(id, timeout_at=NEVER, now=now, tags=tags)


def limit(key: str, concurrency: int | None = None, rate: str | None = None) -> None:
    store.limits_declare({key: Limits.of(concurrency, rate)})


def finish(id: str) -> None:
    store.task_fulfill(id, task(id)["version"], "resolved", now=NOW)


class TestOrder:
    def test_who_has_been_ready_longest_is_first(self) -> None:
        for id, now in (("b", NOW + 1), ("a", NOW), ("c", NOW + 2)):
            of("f", id, now=now)
        assert [claim(now=NOW + 9) for _ in range(4)] == ["a", "b", "c", NEVER]

    def test_also_between_workflows(self) -> None:
        of("g", "second", now=NOW + 1)
        of("f", "first")
        assert [claim(now=NOW + 9), claim(now=NOW + 9)] == ["first", "second"]

    def test_a_claim_is_an_acquire_with_everything_to_replay(self) -> None:
        create_task("p")
        version = acquire("p").task.version
        create("p:1", origin="p", branch="p", parent="p")
        store.task_release("p", version, now=NOW)
        claimed = store.task_claim(store.Claim(["celery://default"], "p2", TTL), now=NOW)
        assert not isinstance(claimed, int)
        assert (claimed.task.version, claimed.promise.id) == (version + 1, "p")
        assert [promise.id for promise in claimed.preload] == ["p:1"]
        assert (task("p")["state"], task("p")["pid"], task("p")["due_at"]) == ("acquired", "p2", NOW + TTL)

    def test_each_step_of_priority_is_worth_a_minute_of_waiting(self) -> None:
        of("f", "plain")
        of("f", "urgent", now=NOW + 2 * MINUTE, priority=3)
        of("f", "too late", now=NOW + 4 * MINUTE, priority=3)
        of("f", "can wait", priority=-1)
        order = [claim(now=NOW + 5 * MINUTE) for _ in range(4)]
        assert order[:2] == ["urgent", "plain"]
        assert set(order[2:]) == {"too late", "can wait"}

    @pytest.mark.parametrize("priority", [0, 7])
    def test_a_lease_tells_since_when_its_task_was_ready(self, priority: int) -> None:
        of("f", "p", priority=priority)
        assert acquire("p", now=NOW + 10).ready_at == NOW
        create("p:1", timeout_at=NOW + 50, origin="p", timer="true")
        store.task_suspend("p", 1, ["p:1"], now=NOW + 11)
        store.timeouts_sweep(NOW + 60)
        assert acquire("p", now=NOW + 70).ready_at == NOW + 50, "the deadline, however late the clock was"
        store.timeouts_sweep(NOW + 70 + TTL + 5)
        assert acquire("p", now=NOW + 70 + TTL + 9).ready_at == NOW + 70 + TTL, "the end of the lapsed lease"

    def test_only_the_queues_that_were_asked_for_earlier_ones_first(self) -> None:
        of("f", "other", queue="other")
        of("f", "mine", now=NOW + 5)
        assert claim("absent") == NEVER
        assert [claim("default", "other"), claim("default", "other")] == ["mine", "other"]

    @pytest.mark.parametrize("priority", ["high", "100", "", "1.5"])
    def test_a_priority_is_a_number_of_two_digits(self, priority: str) -> None:
        tags = {"resonate:target": "celery://default", "countersign:priority": priority}
        with pytest.raises(BadRequest, match="priority"):
            store.promise_create("p", timeout_at=NEVER, now=NOW, tags=tags)


class TestReady:
    def test_what_is_executed_suspended_halted_or_done_is_not(self) -> None:
        create("s:1", origin="s")
        create_acquired("executed")
        create_suspended("s", "s:1")
        version = create_acquired("done")
        store.task_fulfill("done", version, "resolved", now=NOW)
        create_task("halted")
        store.task_halt("halted", "broken", now=NOW)
        assert claim() == NEVER

    def test_a_settlement_a_release_and_a_continue_make_it_ready(self) -> None:
        create("s:1", origin="s")
        create_suspended("s", "s:1")
        version = create_acquired("released")
        create_task("halted")
        store.task_halt("halted", "broken", now=NOW)
        store.promise_settle("s:1", "resolved", now=NOW + 1)
        store.task_release("released", version, now=NOW + 2)
        store.task_continue("halted", now=NOW + 3)
        assert [claim(now=NOW + 9) for _ in range(4)] == ["s", "released", "halted", NEVER]

    def test_a_delayed_one_when_the_clock_says_so(self) -> None:
        create_task("p", delay=str(NOW + 500))
        assert claim(now=NOW + 499) == NEVER
        store.timeouts_sweep(NOW + 500)
        assert claim(now=NOW + 500) == "p"

    def test_a_timer_never(self) -> None:
        create_task("p", timer="true", timeout_at=NOW + 500)
        assert claim(now=NOW + 400) == NEVER

    def test_nor_what_is_past_its_deadline(self) -> None:
        create_task("p", timeout_at=NOW + 500)
        assert claim(now=NOW + 500) == NEVER

    def test_a_lapsed_lease_is_ready_again(self) -> None:
        create_task("p")
        assert claim() == "p"
        store.timeouts_sweep(NOW + TTL)
        assert claim(now=NOW + TTL) == "p"

    def test_a_repeated_dispatch_keeps_its_place(self) -> None:
        create_task("p")
        rank = task("p")["rank"]
        store.timeouts_sweep(NOW + RETRY)
        assert task("p")["rank"] == rank

    def test_whoever_listens_is_told_the_target(self, notified: Callable[[str], list[str]]) -> None:
        notified("countersign_ready")
        create_task("p")
        assert notified("countersign_ready") == ["celery://default"]
        acquire("p")
        assert notified("countersign_ready") == []


class TestWithTheEndOfAnother:
    CLAIM = store.Claim(["celery://default"], "p1", TTL)

    def test_a_fulfilled_task_makes_room_for_the_next(self) -> None:
        limit("workflow:f", concurrency=1)
        of("f", "one")
        of("f", "two", now=NOW + 1)
        version = task(str(claim(now=NOW + 1)))["version"]
        promise, claimed = store.task_fulfill_claim("one", version, "resolved", claim=self.CLAIM, now=NOW + 2)
        assert (promise.id, promise.state) == ("one", "resolved")
        assert not isinstance(claimed, int)
        assert claimed.task.id == "two"

    def test_or_there_is_none(self) -> None:
        version = create_acquired("one")
        assert store.task_fulfill_claim("one", version, "resolved", claim=self.CLAIM, now=NOW)[1] == NEVER

    def test_a_suspended_one_does_too(self) -> None:
        version = create_acquired("one")
        create_task("two")
        create("one:1", origin="one", branch="one", parent="one")
        settled, claimed = store.task_suspend_claim("one", version, ["one:1"], claim=self.CLAIM, now=NOW)
        assert (settled, task("one")["state"]) == ([], "suspended")
        assert not isinstance(claimed, int | None)
        assert claimed.task.id == "two"

    def test_one_that_goes_on_claims_nothing(self) -> None:
        version = create_acquired("one")
        create_task("two")
        create("one:1", origin="one", branch="one", parent="one")
        store.promise_settle("one:1", "resolved", now=NOW)
        settled, claimed = store.task_suspend_claim("one", version, ["one:1"], claim=self.CLAIM, now=NOW)
        assert ([promise.id for promise in settled], claimed) == (["one:1"], None)
        assert task("two")["state"] == "pending"

    def test_a_lost_lease_claims_nothing(self) -> None:
        version = create_acquired("one")
        create_task("two")
        with pytest.raises(Conflict):
            store.task_fulfill_claim("one", version + 1, "resolved", claim=self.CLAIM, now=NOW)
        with pytest.raises(Conflict):
            store.task_suspend_claim("one", version + 1, ["two"], claim=self.CLAIM, now=NOW)
        assert task("two")["state"] == "pending"


class TestLimits:
    def test_a_workflow_is_executed_so_many_times_at_once(self) -> None:
        limit("workflow:f", concurrency=2)
        for n in range(3):
            of("f", f"f{n}")
        assert [claim() for _ in range(3)] == ["f0", "f1", NEVER]
        finish("f1")
        assert claim() == "f2"

    def test_what_is_held_back_does_not_hold_back_others(self) -> None:
        limit("workflow:f", concurrency=1)
        for n in range(20):
            of("f", f"f{n:02}")
        of("g", "g", now=NOW + 1)
        assert [claim(now=NOW + 2) for _ in range(3)] == ["f00", "g", NEVER]

    def test_a_suspended_one_leaves_its_place(self) -> None:
        limit("workflow:f", concurrency=1)
        of("f", "one")
        of("f", "two", now=NOW + 1)
        assert claim(now=NOW + 1) == "one"
        version = task("one")["version"]
        create("one:1", origin="one", branch="one", parent="one")
        store.task_suspend("one", version, ["one:1"], now=NOW)
        assert claim(now=NOW + 1) == "two"

    def test_a_queue_over_all_its_workflows(self) -> None:
        limit("queue:default", concurrency=2)
        for func in "fgh":
            of(func, func)
        of("f", "elsewhere", queue="other")
        assert [claim(), claim(), claim()] == ["f", "g", NEVER]
        assert claim("other") == "elsewhere"

    def test_nothing_is_executed_at_all_with_zero(self) -> None:
        limit("workflow:f", concurrency=0)
        of("f", "f")
        assert claim() == NEVER
        limit("workflow:f", concurrency=None)
        assert claim() == "f"

    def test_so_many_are_started_in_a_time(self) -> None:
        limit("workflow:f", rate="2/m")
        for n in range(4):
            of("f", f"f{n}")
        assert [claim(), claim()] == ["f0", "f1"]
        assert claim() == NOW + MINUTE // 2  # half a minute fills the bucket by one
        assert claim(now=NOW + MINUTE // 2 - 1) == NOW + MINUTE // 2
        assert claim(now=NOW + MINUTE // 2) == "f2"
        assert claim(now=NOW + MINUTE // 2) == NOW + MINUTE

    def test_a_pause_saves_up_no_more_than_one_burst(self) -> None:
        limit("workflow:f", rate="2/m")
        for n in range(4):
            of("f", f"f{n}")
        assert [claim(now=NOW + 60 * MINUTE) for _ in range(2)] == ["f0", "f1"]
        assert claim(now=NOW + 60 * MINUTE) == NOW + 60 * MINUTE + MINUTE // 2

    def test_a_continued_execution_has_paid_for_its_start(self) -> None:
        limit("workflow:f", rate="1/m")
        of("f", "one")
        of("f", "two")
        assert claim() == "one"
        store.task_release("one", task("one")["version"], now=NOW + 1)
        assert claim(now=NOW + 2) == "one"
        assert claim(now=NOW + 2) == NOW + MINUTE

    def test_a_queue_has_a_rate_too(self) -> None:
        limit("queue:default", rate="1/s")
        of("f", "f")
        of("g", "g")
        assert [claim(), claim(), claim(now=NOW + 1000)] == ["f", NOW + 1000, "g"]

    def test_what_an_operator_sets_is_not_declared_away(self) -> None:
        limit("workflow:f", concurrency=5)
        Limit.objects.filter(key="workflow:f").update(concurrency=1, is_overridden=True)
        limit("workflow:f", concurrency=5)
        limit("workflow:f")
        assert Limit.objects.get(key="workflow:f").concurrency == 1

    def test_declaring_again_does_not_refill(self) -> None:
        limit("workflow:f", rate="1/m")
        of("f", "one")
        of("f", "two")
        claim()
        limit("workflow:f", rate="1/m")
        assert claim() == NOW + MINUTE

    @pytest.mark.parametrize("rate", ["10", "10/x", "0/s", "1/0s", "-1/s", "ten/s"])
    def test_a_rate_that_cannot_be_read_is_refused(self, rate: str) -> None:
        with pytest.raises(BadRequest, match="rate"):
            Limits.of(rate=rate)

    def test_how_rates_are_written(self) -> None:
        assert Limits.of(rate="10/s") == Limits(None, 10, 1000)
        assert Limits.of(3, "5/2h") == Limits(3, 5, 7_200_000)
        assert [Limits.of(rate=rate).written_rate for rate in ("10/s", "5/2h", "3/90s")] == ["10/s", "5/2h", "3/90s"]


@pytest.mark.slow
class TestManyWorkers:
    def test_no_task_goes_to_two_and_none_is_left(self, in_thread: Wrap) -> None:
        crew = Crew(in_thread, *[lambda _: claim()] * 4, rounds=25)
        for n in range(100):
            of("f", f"f{n}")
        crew.run(lambda _: None, lambda _: None)
        assert sorted(str(id) for ids in crew.results for id in ids) == sorted(f"f{n}" for n in range(100))

    def test_a_limit_is_never_exceeded(self, in_thread: Wrap) -> None:
        def before(number: int) -> None:
            for n in range(4):
                of("f", f"{number}-{n}")

        def after(number: int) -> None:
            held = [ids[number] for ids in crew.results if isinstance(ids[number], str)]
            assert len(held) == 2
            while held:
                finish(held.pop())
                if isinstance(following := claim(), str):
                    held.append(following)

        limit("workflow:f", concurrency=2)
        crew = Crew(in_thread, *[lambda _: claim()] * 4, rounds=20)
        crew.run(before, after)
