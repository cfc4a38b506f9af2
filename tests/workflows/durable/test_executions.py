"""Executions on PostgreSQL: start, handles, the Celery job, atomic steps, crashes, leases."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connections, transaction
from django.test import override_settings
from hypothesis import HealthCheck, given, settings

from promises import store
from promises.models import Task
from promises.records import NewPromise
from promises.states import TaskState
from promises.store import timeouts_sweep
from promises.times import NEVER, now_ms
from promises.transports.celery import JOB
from promises.values import Value
from tests.promises.making import clear, task
from tests.workflows.bodies import GENERATED, RAN, Program, expected, short_programs, steps
from tests.workflows.playground import Crash, CrashingStore
from workflows import Context, PromiseCanceled, PromiseTimeout, executions, registry, workflow
from workflows.errors import ExecutionNotFound, FunctionNotFound, InvalidArguments, InvalidId
from workflows.executor import execute
from workflows.jobs import execute_job
from workflows.leases import Leases, leases
from workflows.stores.durable import PID, DurableStore

Sent = list[tuple[str, str, int]]


@pytest.fixture(autouse=True)
def no_groups(transactional_db: None) -> Iterator[None]:
    """Groups stand for what an atomic step writes."""
    yield
    Group.objects.all().delete()


@pytest.fixture
def broker(sent: Sent) -> Callable[[], list[str]]:
    """Delivers the messages, and those they lead to, to a worker in this process; returns what became of each."""

    def deliver() -> list[str]:
        outcomes = []
        while sent:
            _, id, version = sent.pop(0)
            outcomes.append(worker(id, version))
        return outcomes

    return deliver


def one() -> int:
    return 1


def worker(id: str, version: int | None = None) -> str:
    """What a worker does with a task."""
    return execute(DurableStore(), id, version, hold=leases.held, is_interrupted=leases.is_stopping.is_set)


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def sweep() -> int:
    return timeouts_sweep(now_ms())


def make_group(name: str) -> str:
    Group.objects.create(name=name)
    return name


def groups() -> list[str]:
    return sorted(Group.objects.values_list("name", flat=True))


class TestStart:
    @pytest.fixture(autouse=True)
    def flow(self) -> Any:
        @workflow
        async def flow(ctx: Context, x: int, *, y: int = 0) -> int:
            return x + y + await ctx.run(one)

        return flow

    def test_it_runs_and_gives_its_result(self, flow: Any, broker: Callable[[], list[str]]) -> None:
        handle = flow.start(40, y=1, id="f-1", requester="ana")
        assert (handle.id, handle.status()) == ("f-1", "pending")
        assert broker() == ["fulfilled"]
        assert (handle.status(), handle.result(timeout=0)) == ("resolved", 42)
        tags = handle.promise().tags
        assert (tags["countersign:func"], tags["countersign:requester"]) == ("flow", "ana")

    def test_the_same_id_attaches(self, flow: Any, sent: Sent) -> None:
        first, created = executions.start("flow", [1], id="f")
        again, created_again = executions.start("flow", [2], id="f")
        assert (created, created_again, first.id, again.id) == (True, False, "f", "f")
        assert len(sent) == 1

    def test_without_an_id_it_gets_one(self, flow: Any) -> None:
        assert flow.start(1).id.startswith("flow-")
        assert flow.start(1).id != flow.start(1).id

    @pytest.mark.parametrize("id", ["", "a:b", "a b", "a/b", "x" * 201, "a\n", "a?b", 7])
    def test_malformed_ids(self, flow: Any, id: str) -> None:
        with pytest.raises(InvalidId):
            flow.start(1, id=id)

    def test_wrong_arguments_and_unknown_names_start_nothing(self, flow: Any, sent: Sent) -> None:
        with pytest.raises(InvalidArguments, match="x"):
            flow.start("word", id="f")
        with pytest.raises(InvalidArguments):
            flow.start(id="f")
        with pytest.raises(FunctionNotFound):
            executions.start("nobody", id="f")
        with pytest.raises(ExecutionNotFound):
            executions.get("f")
        assert sent == []

    def test_inside_a_transaction_it_starts_only_when_that_commits(
        self, flow: Any, sent: Sent, broker: Callable[[], list[str]]
    ) -> None:
        with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012 (what is rolled back)
            flow.start(1, id="f")
            raise ZeroDivisionError
        assert sent == []
        with pytest.raises(ExecutionNotFound):
            executions.get("f")
        with transaction.atomic():
            flow.start(1, id="f")
            assert sent == []
        assert broker() == ["fulfilled"]

    def test_a_timeout(self, flow: Any) -> None:
        handle = flow.start(1, timeout=timedelta(milliseconds=1))
        time.sleep(0.003)
        with pytest.raises(PromiseTimeout):
            handle.result()

    def test_options_stand_apart_from_arguments_of_the_same_names(self, broker: Callable[[], list[str]]) -> None:
        @workflow
        async def awkward(ctx: Context, id: int, *, requester: str) -> str:
            return f"{id} {requester} {ctx.info.requester}"

        options = awkward.options(id="a-1", requester="ana", timeout=timedelta(hours=1))
        handle = options.start(7, requester="bea")
        broker()
        assert (handle.id, handle.result(0)) == ("a-1", "7 bea ana")
        assert handle.promise().timeout_at < NEVER

    def test_result_waits_no_longer_than_it_is_told(self, flow: Any) -> None:
        with pytest.raises(TimeoutError, match="still running"):
            flow.start(1).result(timeout=0.01)

    def test_result_comes_as_soon_as_it_is_there(self, flow: Any, in_thread: Any, sent: Sent) -> None:
        handle = flow.start(1)
        thread = threading.Timer(0.05, in_thread(lambda: worker(handle.id)))
        thread.start()
        assert handle.result(timeout=10) == 2
        thread.join()

    def test_start_is_one_round_trip(self, flow: Any, round_trips: Any) -> None:
        flow.start(1)
        assert round_trips(lambda: flow.start(1)) == (1, 1)

    def test_the_job_is_registered_under_the_name_that_the_transport_sends(self) -> None:
        assert execute_job.name == JOB

    def test_the_job_executes_whatever_is_first_in_line(self, flow: Any) -> None:
        handles = [flow.start(x) for x in (1, 2)]
        execute_job.apply(args=["any", 0]).get()
        assert [handle.result(timeout=0) for handle in handles] == [2, 3]


class TestCancel:
    def test_it_cancels_the_whole_call_graph(self, broker: Callable[[], list[str]]) -> None:
        @workflow
        async def child(ctx: Context) -> None:
            await ctx.promise()

        @workflow
        async def parent(ctx: Context) -> None:
            await asyncio.gather(ctx.rpc(child), ctx.promise())

        handle = parent.start(id="p")
        broker()
        assert [promise.id for promise in handle.tree()] == ["p", "p:1", "p:1.1", "p:2"]
        assert handle.cancel().state == "rejected_canceled"
        assert {promise.state for promise in handle.tree()} == {"rejected_canceled"}
        assert {row.state for row in Task.objects.all()} == {"fulfilled"}
        with pytest.raises(PromiseCanceled):
            handle.result()
        assert broker() == []

    def test_canceling_is_one_round_trip(self, round_trips: Any) -> None:
        @workflow
        async def flow(ctx: Context) -> None: ...

        handles = [flow.start() for _ in range(2)]
        handles[0].cancel()
        assert round_trips(handles[1].cancel) == (1, 1)

    def test_what_was_started_detached_goes_on(self, sent: Sent, broker: Callable[[], list[str]]) -> None:
        @workflow
        async def child(ctx: Context) -> Any:
            return await ctx.promise()

        @workflow
        async def parent(ctx: Context) -> None:
            await ctx.detached(child).created()
            await ctx.promise()

        handle = parent.start(id="p")
        broker()
        handle.cancel()
        store.promise_settle("p:1.1", "resolved", Value.of("here"), now=now_ms())
        assert broker() == ["fulfilled"]
        assert [promise.state for promise in handle.tree()] == [
            "rejected_canceled",
            "resolved",
            "resolved",
            "rejected_canceled",
        ]

    def test_a_call_that_a_failed_execution_leaves_behind_is_canceled_with_all_that_is_below_it(
        self, broker: Callable[[], list[str]]
    ) -> None:
        @workflow
        async def child(ctx: Context) -> None:
            await ctx.promise()

        @workflow
        async def parent(ctx: Context) -> None:
            ctx.rpc(child)
            await ctx.promise()
            raise ValueError("no more")

        handle = parent.start(id="p")
        broker()
        assert store.promise_get("p:1.1", now=now_ms()).is_pending
        store.promise_settle("p:2", "resolved", now=now_ms())
        assert broker() == ["fulfilled"]
        assert {promise.id: promise.state for promise in handle.tree()} == {
            "p": "rejected",
            "p:1": "rejected_canceled",
            "p:1.1": "rejected_canceled",
            "p:2": "resolved",
        }

    def test_what_is_over_stays_as_it_is(self, broker: Callable[[], list[str]]) -> None:
        @workflow
        async def flow(ctx: Context) -> int:
            return 1

        handle = flow.start()
        broker()
        assert handle.cancel().state == "resolved"

    def test_what_is_not_there(self) -> None:
        with pytest.raises(ExecutionNotFound):
            executions.Handle("missing").cancel()

    def test_the_worker_that_runs_it_stops_writing(self) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.run(lambda: executions.Handle("f").cancel() and None)
            await ctx.run(one)

        flow.start(id="f")
        assert worker("f") == "lost"
        assert len(executions.Handle("f").tree()) == 1


class TestAtomic:
    def test_its_writes_and_its_promise_commit_together(self, broker: Callable[[], list[str]]) -> None:
        @workflow
        async def flow(ctx: Context) -> str:
            return await ctx.options(atomic=True).run(make_group, "a")

        handle = flow.start()
        assert broker() == ["fulfilled"]
        assert (handle.result(0), groups()) == ("a", ["a"])

    @pytest.mark.parametrize("after", [False, True])
    def test_a_crash_leaves_both_or_neither_and_in_the_end_it_happened_once(self, after: bool) -> None:
        @workflow
        async def flow(ctx: Context) -> str:
            return await ctx.options(atomic=True).run(make_group, "a")

        flow.start(id="f")
        with pytest.raises(Crash):  # the second write is the step's
            execute(CrashingStore(DurableStore(), 2, after=after), "f")
        assert groups() == []  # the crash came before the commit
        _lapse("f")
        assert worker("f") == "fulfilled"
        assert groups() == ["a"]

    def test_a_step_that_fails_leaves_nothing(self, broker: Callable[[], list[str]]) -> None:
        def step() -> None:
            make_group("a")
            raise ValueError("bad")

        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(atomic=True, retry=None).run(step)

        handle = flow.start()
        broker()
        with pytest.raises(ValueError, match="bad"):
            handle.result(0)
        assert groups() == []

    def test_a_step_whose_time_is_up_leaves_nothing(self, broker: Callable[[], list[str]]) -> None:
        def step() -> None:
            make_group("a")
            time.sleep(0.03)

        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(atomic=True, timeout=timedelta(milliseconds=20)).run(step)

        handle = flow.start()
        broker()
        with pytest.raises(PromiseTimeout):
            handle.result(0)
        assert groups() == []

    @pytest.mark.parametrize("parallel", [False, True])
    def test_a_lost_lease_rolls_it_back(self, parallel: bool) -> None:
        def step() -> None:
            make_group("a")
            Task.objects.filter(id="f").update(version=2)

        @workflow
        async def flow(ctx: Context) -> None:
            atomic = ctx.options(atomic=True)
            if parallel:
                await asyncio.gather(atomic.run(step), ctx.run(one))
            else:
                await atomic.run(step)

        flow.start(id="f")
        assert worker("f") == "lost"
        assert groups() == []
        assert task("f")["state"] == "acquired"

    def test_when_it_was_recorded_before_it_is_rolled_back_and_the_record_wins(self) -> None:
        def step() -> str:
            make_group("mine")
            done = NewPromise(
                "f:1", NEVER, tags={"countersign:func": "step"}, state="resolved", value=Value.of("theirs")
            )
            other = threading.Thread(
                target=lambda: _in_own_connection(lambda: store.task_record("f", 1, [done], now=now_ms()))
            )
            other.start()
            other.join()
            return "mine"

        @workflow
        async def flow(ctx: Context) -> str:
            return await ctx.options(atomic=True).run(step)

        handle = flow.start(id="f")
        assert worker("f") == "fulfilled"
        assert (handle.result(0), groups()) == ("theirs", [])

    def test_parallel_steps_use_the_orm_and_close_their_connections(self, broker: Callable[[], list[str]]) -> None:
        @workflow
        async def flow(ctx: Context) -> list[str]:
            atomic = ctx.options(atomic=True)
            return list(await asyncio.gather(*(atomic.run(make_group, name) for name in "abc")))

        handle = flow.start()
        assert broker() == ["fulfilled"]
        assert (handle.result(0), groups()) == (["a", "b", "c"], ["a", "b", "c"])


class TestRecovery:
    def test_a_suspended_execution_is_woken_by_a_message(self, broker: Callable[[], list[str]]) -> None:
        @workflow
        async def flow(ctx: Context) -> Any:
            return await ctx.promise()

        handle = flow.start(id="f")
        assert broker() == ["suspended"]
        store.promise_settle("f:1", "resolved", Value.of("yes"), now=now_ms())
        assert broker() == ["fulfilled"]
        assert handle.result(0) == "yes"

    def test_a_lost_message_costs_a_sweep(self, sent: Sent, broker: Callable[[], list[str]]) -> None:
        @workflow
        async def flow(ctx: Context) -> int:
            return await ctx.run(one)

        flow.start(id="f")
        sent.clear()  # lost
        timeouts_sweep(now_ms() + 60_000)
        assert broker() == ["fulfilled"]

    def test_halted_for_a_reason_and_continued(self, sent: Sent, broker: Callable[[], list[str]]) -> None:
        @workflow
        async def flow(ctx: Context) -> int:
            return 1

        gone = registry._functions.pop(("flow", 1))
        executions.start(gone, id="f")
        assert broker() == ["halted"]
        assert "FunctionNotFound" in task("f")["halt_reason"]
        registry._functions["flow", 1] = gone
        store.task_continue("f", now=now_ms())
        assert broker() == ["fulfilled"]

    def test_a_target_that_no_transport_knows_halts(self, broker: Callable[[], list[str]]) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(target="nowhere").rpc("f")

        flow.start(id="f")
        assert broker() == ["halted"]
        assert "resonate:target" in task("f")["halt_reason"]

    def test_a_clean_shutdown_releases(self, sent: Sent, broker: Callable[[], list[str]]) -> None:
        @workflow
        async def flow(ctx: Context) -> int:
            await ctx.run(leases.stop)
            return await ctx.run(one)

        flow.start(id="f")
        try:
            assert worker("f") == "released"
            assert sent[-1] == ("default", "f", 1)
        finally:
            leases.start()
        assert task("f")["state"] == "pending"

    @pytest.mark.slow
    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
    @given(short_programs)
    def test_generated_bodies_survive_a_crash_at_every_write(self, program: Program) -> None:
        registry._functions["generated", 1] = GENERATED
        at, after, writes = 0, False, 1
        while at <= writes:
            writes = max(writes, self.run_crashing(program, at, after=after))
            at, after = (at, True) if at and not after else (at + 1, False)

    def run_crashing(self, program: Program, at: int, *, after: bool) -> int:
        clear()
        RAN.clear()
        crashing = CrashingStore(DurableStore(), at, after=after)
        handle = GENERATED.start(program, id="r")
        for _ in range(200):
            for id in Task.objects.filter(state=TaskState.PENDING).values_list("id", flat=True):
                try:
                    assert execute(crashing, id) != "halted", task(id)["halt_reason"]
                except Crash:
                    Task.objects.filter(state=TaskState.ACQUIRED).update(due_at=0)
            timeouts_sweep(now_ms())
            if handle.status() != "pending":
                break
            time.sleep(0.001)
        assert handle.result(timeout=0) == expected(program)
        assert set(RAN) == set(steps(program))
        return crashing.writes


class TestLeases:
    def test_a_running_step_keeps_its_lease(self) -> None:
        own = Leases()

        @workflow
        async def flow(ctx: Context) -> str:
            await ctx.run(time.sleep, 0.4)
            await ctx.run(sweep)
            return await ctx.run(str, "kept")

        handle = flow.start(id="f")
        with override_settings(PROMISES={"LEASE_MS": 200}):
            assert execute(DurableStore(), "f", hold=own.held) == "fulfilled"
            assert handle.result(0) == "kept"
            thread = own._thread
            if thread is not None:
                thread.join(5)  # with nothing to hold it ends, and closes its connection
        assert own._thread is None

    def test_without_heartbeats_it_does_not(self) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.run(time.sleep, 0.06)
            await ctx.run(sweep)
            await ctx.run(one)

        flow.start(id="f")
        with override_settings(PROMISES={"LEASE_MS": 50}):
            assert execute(DurableStore(), "f") == "lost"
        assert task("f")["state"] == "pending"

    def test_a_step_that_outlasts_the_grace_of_a_shutdown_loses_its_lease_at_once(
        self, sent: Sent, broker: Callable[[], list[str]]
    ) -> None:
        own = Leases()
        workers: list[str] = []
        elsewhere: list[str] = []

        def step() -> str:
            workers.append("first" if not workers else "second")
            if workers == ["first"]:
                own.stop(grace=0)
                wait_until(lambda: task("f")["state"] == "pending")
                elsewhere.extend(broker())
                return "first"
            return "second"

        @workflow
        async def flow(ctx: Context) -> str:
            return await ctx.run(step)

        handle = flow.start(id="f")
        sent.clear()
        assert execute(DurableStore(), "f", hold=own.held, is_interrupted=own.is_stopping.is_set) == "lost"
        assert (workers, elsewhere, handle.result(0)) == (["first", "second"], ["fulfilled"], "second")

    def test_a_worker_that_starts_again_in_time_keeps_its_leases(self) -> None:
        own = Leases()

        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.run(own.stop, 60)
            await ctx.run(own.start)

        flow.start(id="f")
        assert execute(DurableStore(), "f", hold=own.held) == "fulfilled"
        assert own._grace is not None
        own._grace.join(5)  # canceled: it ends without having waited

    def test_the_lease_names_this_process(self) -> None:
        @workflow
        async def flow(ctx: Context) -> str:
            return await ctx.run(lambda: str(task("f")["pid"]))

        handle = flow.start(id="f")
        worker("f")
        assert handle.result(0) == PID


def test_each_step_is_one_round_trip_and_a_replay_costs_none(round_trips: Any) -> None:
    @workflow
    async def flow(ctx: Context) -> None:
        for _ in range(10):
            await ctx.run(one)
        await ctx.promise()

    for id in ("warm", "f"):
        flow.start(id=id)
    worker("warm")
    store.promise_settle("warm:11", "resolved", now=now_ms())
    worker("warm")  # every statement is prepared now
    assert round_trips(lambda: worker("f")) == (12, 12)  # acquire, ten steps, suspend
    store.promise_settle("f:11", "resolved", now=now_ms())
    assert round_trips(lambda: worker("f"))[0] == 2  # acquire with the record, fulfill


def _lapse(id: str) -> None:
    Task.objects.filter(id=id).update(due_at=0)
    timeouts_sweep(now_ms())


def _in_own_connection(work: Callable[[], object]) -> None:
    try:
        work()
    finally:
        connections.close_all()
