"""What a workflow body can do, in local mode: calls, ids, time, latent promises, nesting, fan-out."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from promises.times import to_ms
from promises.values import EMPTY, Value
from tests.workflows.playground import START, Playground
from workflows import Constant, Context, Never, PromiseCanceled, PromiseTimeout, RemoteError, workflow
from workflows.errors import FunctionNotFound, InvalidArguments, WorkflowError
from workflows.local import Halted


def double(x: int) -> int:
    return 2 * x


async def slow_double(x: int) -> int:
    await asyncio.sleep(0)
    return 2 * x


def test_a_step_is_recorded_with_its_value_and_its_name(play: Playground) -> None:
    @workflow
    async def flow(ctx: Context, x: int) -> int:
        return await ctx.run(double, x)

    assert play.run(flow, 21) == 42
    step = play.promise("r:1")
    assert (step.state, step.value.decode(), step.func) == ("resolved", 42, "double")
    assert step.tags["resonate:parent"] == "r"
    assert play.outcomes == ["fulfilled"]


def test_async_steps_lambdas_and_methods_are_steps_too(play: Playground) -> None:
    @workflow
    async def flow(ctx: Context) -> list[Any]:
        return [await ctx.run(slow_double, 2), await ctx.run(lambda: 7), await ctx.run("abc".upper)]

    assert play.run(flow) == [4, 7, "ABC"]
    assert play.funcs() == {"r:1": "slow_double", "r:2": "<lambda>", "r:3": "upper"}


def test_a_nested_workflow_gets_ids_below_its_own(play: Playground) -> None:
    @workflow
    async def child(ctx: Context, x: int) -> int:
        assert ctx.info.parent_id == "r"
        assert ctx.info.id == "r:2"
        return await ctx.run(double, x) + await ctx.run(double, 1)

    @workflow
    async def parent(ctx: Context) -> int:
        return await ctx.run(double, 5) + await ctx.run(child, 10)

    assert play.run(parent) == 32
    assert play.funcs() == {"r:1": "double", "r:2": "child", "r:2.1": "double", "r:2.2": "double"}


def test_recursion(play: Playground) -> None:
    @workflow
    async def countdown(ctx: Context, n: int) -> int:
        return 0 if n == 0 else 1 + await ctx.run(countdown, n - 1)

    assert play.run(countdown, 20) == 20


def test_a_remote_call_is_an_execution_of_its_own(play: Playground) -> None:
    @workflow
    async def child(ctx: Context, x: int) -> int:
        assert ctx.info.id in ("r:1", "r:2")
        assert (ctx.info.parent_id, ctx.info.origin_id) == ("r", "r")
        return await ctx.run(double, x)

    @workflow
    async def parent(ctx: Context) -> int:
        return await ctx.rpc(child, 4) + await ctx.rpc("child", 6)

    assert play.run(parent) == 20
    assert play.promise("r:1").tags["resonate:target"] == "celery://default"
    assert play.promise("r:1.1").tags["resonate:branch"] == "r:1"
    assert play.outcomes == ["suspended", "fulfilled", "suspended", "fulfilled", "fulfilled"]
    assert play.ids() == ["r:1", "r:1.1", "r:2", "r:2.1"]


def test_await_now_is_a_call_and_await_later_is_fan_out(play: Playground) -> None:
    @workflow
    async def child(ctx: Context, x: int) -> int:
        return x

    @workflow
    async def parent(ctx: Context) -> list[int]:
        calls = [ctx.rpc(child, n) for n in range(5)]
        return [await call for call in calls]

    assert play.run(parent) == [0, 1, 2, 3, 4]
    assert play.outcomes.count("suspended") <= 2  # all were created at once


def test_parallel_steps_run_at_the_same_time(play: Playground) -> None:
    import threading

    together = threading.Barrier(3)

    def meet(n: int) -> int:
        together.wait(10)
        return n

    @workflow
    async def flow(ctx: Context) -> list[int]:
        return list(await asyncio.gather(*(ctx.run(meet, n) for n in range(3))))

    assert play.run(flow) == [0, 1, 2]


@pytest.mark.parametrize("backwards", [False, True])
def test_ids_do_not_depend_on_which_strand_finishes_first(play: Playground, backwards: bool) -> None:
    """Two strands of two calls each: whichever step ends first, the record is the same."""
    import threading

    second_is_done = threading.Event()

    def step(name: str, waits: bool) -> str:
        if waits:
            second_is_done.wait(10)
        else:
            second_is_done.set()
        return name

    async def strand(ctx: Context, name: str, waits: bool) -> str:
        return await ctx.run(step, name + "1", waits) + await ctx.run(step, name + "2", False)

    @workflow
    async def flow(ctx: Context) -> list[str]:
        return list(await asyncio.gather(strand(ctx, "a", not backwards), strand(ctx, "b", backwards)))

    assert play.run(flow) == ["a1a2", "b1b2"]
    assert {id: play.promise(id).value.decode() for id in play.ids()} == {
        "r:1.1": "a1",
        "r:1.2": "a2",
        "r:2.1": "b1",
        "r:2.2": "b2",
    }


def test_task_groups(play: Playground) -> None:
    async def strand(ctx: Context, n: int) -> int:
        return await ctx.run(double, n)

    @workflow
    async def flow(ctx: Context) -> list[int]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(strand(ctx, n)) for n in range(3)]
        return [task.result() for task in tasks]

    assert play.run(flow) == [0, 2, 4]
    assert play.ids() == ["r:1.1", "r:2.1", "r:3.1"]


def test_a_sleep_takes_its_time_and_no_worker(play: Playground) -> None:
    @workflow
    async def flow(ctx: Context) -> str:
        await ctx.sleep(timedelta(days=30))
        await ctx.sleep(until=datetime(2030, 1, 1, tzinfo=UTC))
        await ctx.sleep(timedelta(seconds=-5))
        return "done"

    assert play.run(flow) == "done"
    assert play.now == to_ms(datetime(2030, 1, 1, tzinfo=UTC))
    assert play.promise("r:1").settled_at == START + 30 * 86_400_000
    assert play.outcomes == ["suspended", "suspended", "fulfilled"]


def test_a_sleep_takes_one_of_its_two_arguments(play: Playground) -> None:
    @workflow
    async def flow(ctx: Context) -> None:
        with pytest.raises(TypeError):
            ctx.sleep()
        with pytest.raises(TypeError):
            ctx.sleep(timedelta(1), until=datetime.now(UTC))
        with pytest.raises(ValueError, match="time zone"):
            ctx.sleep(until=datetime(2030, 1, 1))

    play.run(flow)


def test_now_random_and_uuid4_are_recorded_once(play: Playground) -> None:
    seen = []

    @workflow
    async def flow(ctx: Context) -> None:
        seen.append((await ctx.now(), await ctx.random(), await ctx.uuid4()))
        await ctx.sleep(timedelta(hours=1))

    play.run(flow)
    assert len(seen) == 2
    assert seen[0] == seen[1]
    now, number, identity = seen[0]
    assert to_ms(now) == START  # the store's clock
    assert 0 <= number < 1
    assert isinstance(identity, uuid.UUID)


class TestLatentPromise:
    @pytest.fixture
    def flow(self) -> Any:
        @workflow
        async def waits(ctx: Context) -> Any:
            promise = ctx.promise(timeout=timedelta(hours=1), data={"q": 1}, tags={"k": "v"})
            try:
                return await promise
            except Exception as error:
                return f"{type(error).__name__}: {error}"

        return waits

    def test_it_is_stored_before_anybody_waits(self, play: Playground) -> None:
        seen: list[object] = []

        @workflow
        async def flow(ctx: Context) -> object:
            promise = ctx.promise()
            assert promise.id == "r:1"
            assert await promise.created() == "r:1"
            assert await promise.created() == "r:1"
            seen.append(play.store.get("r:1"))
            assert promise.callback_url == "memory:r:1"
            return await promise

        play.start(flow)
        play.work()
        assert seen[0] is not None
        play.store.settle("r:1", "resolved", Value.of("yes"))
        assert play.finish().value.decode() == "yes"

    def test_its_param_tags_and_deadline(self, play: Playground, flow: Any) -> None:
        play.start(flow)
        play.work()
        promise = play.promise("r:1")
        assert (promise.param.decode(), promise.tags["k"], promise.timeout_at) == ({"q": 1}, "v", START + 3_600_000)
        assert promise.tags["resonate:external"] == "true"

    @pytest.mark.parametrize(
        ("state", "value", "seen"),
        [
            ("resolved", Value.of({"a": [1]}), {"a": [1]}),
            ("resolved", EMPTY, None),
            ("rejected", Value.of({"__type": "error", "name": "ValueError", "message": "bad"}), "ValueError: bad"),
            ("rejected", Value.of({"name": "Strange", "message": "bad"}), "RemoteError: bad"),
            ("rejected", Value.of("no"), "RemoteError: no"),
            ("rejected", EMPTY, "RemoteError: rejected without a reason"),
            ("rejected_canceled", EMPTY, "PromiseCanceled: r:1 was canceled."),
        ],
    )
    def test_how_it_ends(self, play: Playground, flow: Any, state: str, value: Value, seen: object) -> None:
        play.start(flow)
        play.work()
        play.store.settle("r:1", state, value)
        assert play.finish().value.decode() == seen

    def test_its_deadline_raises_promise_timeout(self, play: Playground, flow: Any) -> None:
        assert "PromiseTimeout" in play.run(flow)
        assert play.now == START + 3_600_000

    def test_a_value_that_is_no_json_halts_nothing(self, play: Playground, flow: Any) -> None:
        play.start(flow)
        play.work()
        play.store.settle("r:1", "resolved", Value(data="!!"))
        assert "Error" in str(play.finish().value.decode())


class TestTimeouts:
    def test_a_childs_deadline_never_exceeds_its_parents(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(timeout=timedelta(days=9)).promise()

        play.start(flow, timeout_at=START + 50)
        play.work()
        assert play.promise("r:1").timeout_at == START + 50
        assert play.finish().state == "rejected_timedout"

    def test_a_step_with_no_time_left_is_not_even_begun(self, play: Playground) -> None:
        called = []

        @workflow
        async def flow(ctx: Context) -> str:
            try:
                await ctx.options(timeout=timedelta(0)).run(called.append, 1)
            except PromiseTimeout:
                return "late"
            return "never"

        assert play.run(flow) == "late"
        assert called == []

    def test_an_async_step_is_stopped_when_its_time_is_up(self, play: Playground) -> None:
        async def forever() -> None:
            await asyncio.sleep(60)

        @workflow
        async def flow(ctx: Context) -> str:
            try:
                await ctx.options(timeout=timedelta(milliseconds=30)).run(forever)
            except PromiseTimeout:
                return "late"
            return "never"

        assert play.run(flow) == "late"

    def test_a_plain_step_that_takes_too_long_has_timed_out(self, play: Playground) -> None:
        def long() -> int:
            play.now += 100
            return 1

        @workflow
        async def flow(ctx: Context) -> str:
            try:
                await ctx.options(timeout=timedelta(milliseconds=100)).run(long)
            except PromiseTimeout:
                return "late"
            return "never"

        assert play.run(flow) == "late"
        step = play.promise("r:1")
        assert (step.state, step.settled_at, step.value) == ("rejected_timedout", START + 100, EMPTY)

    def test_retries_end_where_the_time_ends(self, play: Playground, flaky: Callable[[int], Any]) -> None:
        step = flaky(99)

        @workflow
        async def flow(ctx: Context) -> str:
            try:
                await ctx.options(timeout=timedelta(seconds=10), retry=Constant(seconds=20)).run(step)
            except PromiseTimeout:
                return "late"
            return "never"

        assert play.run(flow) == "late"
        assert step.calls == 1

    def test_a_nested_workflow_whose_time_is_up_has_timed_out(self, play: Playground) -> None:
        @workflow
        async def child(ctx: Context) -> str:
            await ctx.sleep(timedelta(days=1))
            return "late"

        @workflow
        async def parent(ctx: Context) -> str:
            try:
                return await ctx.options(timeout=timedelta(hours=1)).run(child)
            except PromiseTimeout:
                return "timed out"

        assert play.run(parent) == "timed out"
        assert play.promise("r:1").settled_at == START + 3_600_000

    def test_or_has_not_when_it_ends_in_time_after_a_suspension(self, play: Playground) -> None:
        @workflow
        async def child(ctx: Context) -> str:
            await ctx.sleep(timedelta(minutes=59))
            assert ctx.info.timeout_at == START + 3_600_000  # the same on every replay
            return "in time"

        @workflow
        async def parent(ctx: Context) -> str:
            return await ctx.options(timeout=timedelta(hours=1)).run(child)

        assert play.run(parent) == "in time"
        assert (play.promise("r:1").state, play.promise("r:1").func) == ("resolved", "child")


class TestRetries:
    def test_a_step_is_tried_again_until_it_works(self, play: Playground, flaky: Callable[[int], Any]) -> None:
        step = flaky(3)

        @workflow
        async def flow(ctx: Context) -> str:
            return await ctx.options(retry=Constant(seconds=0.001)).run(step)

        assert (play.run(flow), step.calls) == ("done", 4)

    @pytest.mark.parametrize("options", [{"retry": None}, {"retry": Never()}])
    def test_or_not(self, play: Playground, flaky: Callable[[int], Any], options: dict[str, Any]) -> None:
        step = flaky(1)

        @workflow
        async def flow(ctx: Context) -> str:
            return await ctx.options(**options).run(step)

        with pytest.raises(OSError, match="failure 1"):
            play.run(flow)
        assert step.calls == 1

    def test_not_for_errors_that_another_attempt_would_not_mend(self, play: Playground) -> None:
        calls = []

        def step() -> None:
            calls.append(1)
            raise ValueError("bad")

        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(retry=Constant(seconds=0, non_retryable=(ValueError,))).run(step)

        with pytest.raises(ValueError, match="bad"):
            play.run(flow)
        assert len(calls) == 1

    def test_a_workflow_itself_is_not_tried_again(self, play: Playground) -> None:
        calls = []

        @workflow
        async def child(ctx: Context) -> None:
            calls.append(1)
            raise ValueError("bad")

        @workflow
        async def parent(ctx: Context) -> None:
            await ctx.options(retry=Constant(seconds=0)).run(child)

        with pytest.raises(ValueError, match="bad"):
            play.run(parent)
        assert len(calls) == 1

    def test_parallel_steps_are_tried_again_each_on_its_own(
        self, play: Playground, flaky: Callable[[int], Any]
    ) -> None:
        steps = [flaky(n) for n in range(4)]

        @workflow
        async def flow(ctx: Context) -> list[str]:
            again = ctx.options(retry=Constant(seconds=0.001))
            return list(await asyncio.gather(*(again.run(step) for step in steps)))

        assert play.run(flow) == ["done"] * 4
        assert [step.calls for step in steps] == [1, 2, 3, 4]


class TestNotDurable:
    def test_nothing_is_stored(self, play: Playground, flaky: Callable[[int], Any]) -> None:
        step = flaky(1)

        @workflow
        async def flow(ctx: Context) -> str:
            return await ctx.options(durable=False, retry=Constant(seconds=0.001)).run(step)

        assert (play.run(flow), step.calls, play.ids()) == ("done", 2, [])

    def test_a_replay_runs_it_again(self, play: Playground, flaky: Callable[[int], Any]) -> None:
        step = flaky(0)

        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(durable=False).run(step)
            await ctx.sleep(timedelta(1))

        play.run(flow)
        assert step.calls == 2
        assert play.ids() == ["r:2"]

    def test_it_cannot_be_atomic(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(durable=False, atomic=True).run(double, 1)

        with pytest.raises(RemoteError, match="atomic"):
            play.run(flow)


class TestOptions:
    def test_a_name_for_an_id(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(id="first", tags={"k": "v"}).run(double, 1)
            await ctx.run(double, 2)

        play.run(flow)
        assert play.ids() == ["r:2", "r:first"]
        assert play.promise("r:first").tags["k"] == "v"

    def test_the_same_name_twice_halts(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(id="one").run(double, 1)
            await ctx.options(id="one").run(double, 2)

        with pytest.raises(Halted, match="Two calls have the id r:one"):
            play.run(flow)

    def test_options_hold_for_one_context_only(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(tags={"k": "v"}).run(double, 1)
            await ctx.run(double, 1)

        play.run(flow)
        assert "k" not in play.promise("r:2").tags

    def test_an_atomic_step_must_be_plain(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(atomic=True).run(slow_double, 1)

        with pytest.raises(RemoteError, match="async"):
            play.run(flow)

    def test_the_version_and_queue_of_a_remote_call(self, play: Playground) -> None:
        for version in (1, 2):

            @workflow(name="child", version=version, queue="slow")
            async def child(ctx: Context, version: int = version) -> int:
                assert ctx.info.version == version
                return version

        @workflow
        async def parent(ctx: Context) -> list[int]:
            return [await ctx.rpc("child"), await ctx.options(version=1, target="celery://other").rpc("child")]

        assert play.run(parent) == [2, 1]
        assert play.promise("r:1").tags["resonate:target"] == "celery://slow"
        assert play.promise("r:2").tags["resonate:target"] == "celery://other"


class TestStructure:
    def test_a_function_does_not_finish_before_its_steps(self, play: Playground) -> None:
        done = []

        @workflow
        async def flow(ctx: Context) -> str:
            ctx.run(done.append, 1)
            return "over"

        assert play.run(flow) == "over"
        assert done == [1]
        assert play.promise("r:1").state == "resolved"

    def test_nor_before_its_calls(self, play: Playground) -> None:
        @workflow
        async def child(ctx: Context) -> None:
            await ctx.sleep(timedelta(hours=1))

        @workflow
        async def parent(ctx: Context) -> str:
            ctx.rpc(child)
            return "over"

        assert play.run(parent) == "over"
        assert play.now == START + 3_600_000

    def test_when_it_fails_its_calls_are_canceled(self, play: Playground) -> None:
        @workflow
        async def parent(ctx: Context) -> None:
            ctx.promise()
            stored = ctx.promise()
            await stored.created()
            raise ValueError("bad")

        with pytest.raises(ValueError, match="bad"):
            play.run(parent)
        assert [play.promise(id).state for id in ("r:1", "r:2")] == ["rejected_canceled"] * 2

    def test_detached_calls_go_on_by_themselves(self, play: Playground) -> None:
        @workflow
        async def child(ctx: Context) -> None:
            await ctx.sleep(timedelta(hours=1))

        @workflow
        async def parent(ctx: Context) -> str:
            ctx.detached(child)
            return "over"

        assert play.run(parent) == "over"
        assert play.now == START
        assert play.promise("r:1").is_pending
        assert play.finish("r:1").state == "resolved"

    def test_a_task_that_is_canceled_leaves_its_step_recorded(self, play: Playground) -> None:
        async def strand(ctx: Context) -> None:
            await ctx.run(double, 1)

        @workflow
        async def flow(ctx: Context) -> str:
            task = asyncio.create_task(strand(ctx))
            await asyncio.sleep(0)
            task.cancel()
            return await ctx.run(str, "over")

        assert play.run(flow) == "over"
        assert play.ids() == ["r:1.1", "r:2"]

    def test_a_body_that_cancels_itself_has_failed(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            raise asyncio.CancelledError

        with pytest.raises(RemoteError):
            play.run(flow)

    def test_an_async_step_that_cancels_itself_has_failed(self, play: Playground) -> None:
        async def step() -> None:
            raise asyncio.CancelledError

        @workflow
        async def flow(ctx: Context) -> str:
            try:
                await ctx.options(retry=None).run(step)
            except RemoteError as error:
                return error.name
            return ""

        assert play.run(flow) == "CancelledError"


class TestMisuse:
    def test_the_context_in_a_step(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(retry=None).run(lambda: ctx.run(double, 1))

        with pytest.raises(RemoteError, match="outside its body"):
            play.run(flow)

    def test_the_context_of_the_parent_in_a_nested_workflow(self, play: Playground) -> None:
        @workflow
        async def parent(ctx: Context) -> None:
            @workflow
            async def child(inner: Context) -> None:
                ctx.run(double, 1)

            await ctx.run(child)

        with pytest.raises(RemoteError, match="outside its body"):
            play.run(parent)

    def test_wrong_arguments_for_a_nested_workflow(self, play: Playground) -> None:
        @workflow
        async def child(ctx: Context, x: int) -> None: ...

        @workflow
        async def parent(ctx: Context) -> None:
            with pytest.raises(InvalidArguments, match=r"child\(x: int\)"):
                await ctx.run(child, 1, 2)  # type: ignore[call-arg]

        play.run(parent)

    def test_wrong_arguments_for_a_remote_one_reject_it(self, play: Playground) -> None:
        @workflow
        async def child(ctx: Context, x: int) -> None: ...

        @workflow
        async def parent(ctx: Context) -> None:
            with pytest.raises(InvalidArguments, match="'x'"):
                await ctx.rpc("child", "word")

        play.run(parent)

    def test_an_unknown_function_halts(self, play: Playground) -> None:
        @workflow
        async def parent(ctx: Context) -> None:
            await ctx.rpc("nobody knows it")

        with pytest.raises(Halted, match="FunctionNotFound"):
            play.run(parent)

    def test_only_async_functions_are_workflows(self) -> None:
        with pytest.raises(TypeError, match="async"):
            workflow(lambda ctx: None)  # type: ignore[arg-type]

    def test_names_are_given_once(self) -> None:
        @workflow(name="one")
        async def first(ctx: Context) -> None: ...

        with pytest.raises(ValueError, match="another name or version"):

            @workflow(name="one")
            async def second(ctx: Context) -> None: ...

    def test_errors_know_their_status(self) -> None:
        assert (FunctionNotFound().status, InvalidArguments().status, PromiseCanceled().status) == (404, 422, 409)
        assert WorkflowError().code == "WorkflowError"
