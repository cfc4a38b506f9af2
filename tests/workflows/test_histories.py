"""Recorded histories: the document, and `assert_replays`, which passes when the code can carry the record on."""

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from promises.records import PromiseRecord, TaskRecord
from promises.states import PromiseState, TaskState
from promises.values import Value
from tests.workflows.playground import Playground
from workflows import Context, PromiseCanceled, registry, workflow
from workflows.histories import History
from workflows.local import Halted
from workflows.testing import assert_replays

Body = Callable[[Context], Any]
NO_STEPS: list[Any] = []


def one() -> int:
    return 1


def two() -> int:
    return 2


def fail() -> None:
    raise ValueError("no")


def never_again() -> None:
    raise AssertionError("a step that is recorded was run")


def recorded(play: Playground, body: Body, *args: Any, name: str = "flow") -> Any:
    """The workflow, once it has run as far as it goes by itself."""
    flow = workflow(name=name)(body)
    play.start(flow, *args)
    play.work()
    return flow


def reason(flow: Any, history: Any) -> str:
    """Why it does not replay."""
    with pytest.raises(AssertionError) as failed:
        assert_replays(flow, history)
    return str(failed.value)


def reason_after_change(play: Playground, before: Body, after: Body) -> str:
    """Why `after` cannot carry on what `before` has recorded."""
    flow = recorded(play, before)
    assert_replays(flow, play.history())
    flow.fn = after
    return reason(flow, play.history())


async def waiting(ctx: Context) -> list[Any]:
    return [await ctx.run(one), await ctx.promise(), await ctx.run(two)]


class TestDocument:
    def test_it_says_what_is_recorded(self, play: Playground) -> None:
        recorded(play, waiting)
        root, first, second = play.history().document()["promises"]
        assert (root["id"], root["state"], root["param"]) == (
            "r",
            "pending",
            {"json": {"func": "flow", "args": [], "version": 1}},
        )
        assert (first["id"], first["state"], first["value"]) == ("r:1", "resolved", {"json": 1})
        assert (second["id"], second["state"], second["value"]) == ("r:2", "pending", {})
        assert play.history().document()["tasks"] == [
            {"id": "r", "state": "suspended", "version": 1, "halt_reason": ""}
        ]

    def test_a_file_gives_the_same_history(self, play: Playground, tmp_path: Path) -> None:
        flow = recorded(play, waiting)
        path = tmp_path / "waiting.json"
        path.write_text(play.history().text())
        assert History.load(path) == play.history()
        assert_replays(flow, path)
        assert_replays(flow, str(path))
        assert_replays(flow, json.loads(path.read_text()))

    @pytest.mark.parametrize(
        "value",
        [
            Value(),
            Value.of(None),
            Value.of({"a": ["ü", 1.5]}),
            Value(data="not base64 of JSON"),
            Value(data="TmFO"),
            Value({"encoding": "mine"}, "c2VjcmV0"),
            Value({"only": "headers"}, None),
        ],
    )
    def test_values_come_back_as_they_are(self, value: Value) -> None:
        promise = PromiseRecord("r", PromiseState.RESOLVED, value, value, {"a": "b"}, 7, 1, 2)
        history = History([promise], {"r": TaskRecord("r", TaskState.FULFILLED, 3)})
        assert History.load(json.loads(history.text())) == history

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"format": "countersign.history", "version": 2, "promises": [], "tasks": []},
            {"format": "countersign.history", "version": 1},
            {"format": "countersign.history", "version": 1, "promises": [], "tasks": []},
            {"format": "countersign.history", "version": 1, "promises": [{"id": "r"}], "tasks": []},
        ],
    )
    def test_what_is_none_is_refused(self, document: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="export it anew"):
            History.load(document)


class TestItPasses:
    def test_where_it_waits_and_when_it_has_ended(self, play: Playground) -> None:
        flow = recorded(play, waiting)
        assert_replays(flow, play.history())
        play.settle("r:2", "yes")
        assert_replays(flow, play.history())  # about to go on
        play.work()
        assert play.promise("r").state == "resolved"
        assert_replays(flow, play.history())

    def test_no_step_is_run_and_nothing_is_written(self, play: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
        flow = recorded(play, waiting)
        play.settle("r:2", "yes")
        history = play.history()
        before = dict(play.store.promises)
        for step in (one, two):
            monkeypatch.setattr(step, "__code__", never_again.__code__)
        assert_replays(flow, history)
        assert play.store.promises == before

    def test_everything_a_body_can_do(self, play: Playground) -> None:
        async def strand(ctx: Context, n: int) -> Any:
            return [await ctx.run(one), await ctx.sleep(timedelta(days=n)), await ctx.run(two)]

        @workflow
        async def child(ctx: Context, n: int) -> Any:
            return [await ctx.run(one), await ctx.sleep(timedelta(days=n)), await ctx.run(two)]

        async def body(ctx: Context) -> Any:
            await ctx.now()
            try:
                await ctx.options(retry=None).run(fail)
            except ValueError:
                await ctx.options(id="named").run(one)
            found = list(await asyncio.gather(strand(ctx, 1), strand(ctx, 2), ctx.run(child, 3)))
            ctx.detached(child, 9)
            async with asyncio.TaskGroup() as group:
                group.create_task(strand(ctx, 1))
                group.create_task(strand(ctx, 1))
            found.append(await ctx.options(timeout=timedelta(days=9)).run(child, 1))
            found.append(await ctx.options(durable=False).run(child, 1))
            calls = [ctx.rpc(child, n) for n in (2, 1)]
            latent = ctx.promise(timeout=timedelta(days=1), data={"a": 1})
            await latent.created()
            await ctx.options(durable=False).run(str, latent.callback_url)
            with pytest.raises(Exception, match="deadline"):
                await latent
            return [*found, *[await call for call in calls]]

        flow = recorded(play, body)
        moments = 0
        while play.promise("r").is_pending:
            assert_replays(flow, play.history())
            play.now = play.store.next_deadline()
            assert play.store.due_tasks()
            assert_replays(flow, play.history())
            play.work()
            moments += 1
        assert moments > 5
        assert_replays(flow, play.history())

    def test_a_function_that_fails_with_others_under_way(self, play: Playground) -> None:
        @workflow
        async def child(ctx: Context) -> None:
            await ctx.promise()

        async def body(ctx: Context) -> None:
            call = ctx.rpc(child)
            await ctx.sleep(timedelta(days=1))
            await asyncio.gather(call, ctx.options(retry=None).run(fail))

        flow = recorded(play, body)
        play.advance("2d")
        assert (play.promise("r").state, play.promise("r:1").state) == ("rejected", "rejected_canceled")
        assert_replays(flow, play.history())

    def test_a_function_that_handles_a_cancellation(self, play: Playground) -> None:
        async def body(ctx: Context) -> str:
            try:
                await ctx.promise()
            except PromiseCanceled:
                await ctx.run(one)
            raise ValueError("canceled")

        flow = recorded(play, body)
        play.settle("r:1", state="rejected_canceled")
        play.now += 5
        play.work()
        assert_replays(flow, play.history())

    @pytest.mark.parametrize("later", [0, 5])
    def test_an_execution_that_was_canceled(self, play: Playground, later: int) -> None:
        async def stays(ctx: Context) -> None:
            await asyncio.sleep(0)
            await ctx.run(one)

        async def waits(ctx: Context) -> None:
            await ctx.promise()

        async def body(ctx: Context) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(waits(ctx))
                group.create_task(stays(ctx))

        flow = recorded(play, body)
        play.settle("r", state="rejected_canceled")
        play.now += later
        play.settle("r:1.1", state="rejected_canceled")
        assert_replays(flow, play.history())

    def test_an_execution_whose_time_was_over(self, play: Playground) -> None:
        flow = workflow(waiting)
        play.start(flow, timeout_at=play.now + 1000)
        play.advance("1h")
        assert {p.state for p in play.store.promises.values()} == {"rejected_timedout", "resolved"}
        assert_replays(flow, play.history())

    @pytest.mark.parametrize("ends", [False, True])
    def test_a_deadline_that_it_saw_passed_before_that_was_stored(self, play: Playground, ends: bool) -> None:
        async def body(ctx: Context) -> Any:
            await ctx.sleep(timedelta(seconds=1))
            return await ctx.run(one) if ends else await ctx.promise()

        flow = recorded(play, body)
        play.advance("1h")
        root, slept, *others = play.history().promises
        stored = replace(slept, state=PromiseState.PENDING, settled_at=None)
        assert_replays(flow, History([root, stored, *others], play.history().tasks))

    def test_a_deadline_that_passed_and_that_it_has_not_seen_yet(self, play: Playground) -> None:
        async def body(ctx: Context) -> Any:
            await ctx.sleep(timedelta(seconds=1))
            return await ctx.promise()

        flow = recorded(play, body)
        history = play.history()
        play.now += 5000
        assert_replays(flow, history)

    def test_an_execution_that_never_began(self, play: Playground) -> None:
        flow = workflow(waiting)
        play.start(flow, timeout_at=play.now)
        assert_replays(flow, play.history())

    def test_a_detached_call_that_ended_after_its_caller(self, play: Playground) -> None:
        @workflow
        async def child(ctx: Context) -> None:
            await ctx.promise()

        async def body(ctx: Context) -> str:
            ctx.detached(child)
            return "done"

        flow = recorded(play, body)
        assert_replays(flow, play.history())
        play.now += 5
        play.settle("r:1.1")
        play.work()
        assert_replays(flow, play.history())

    def test_what_was_under_way_may_go_beyond_the_record(self, play: Playground) -> None:
        flow = recorded(play, waiting)
        play.settle("r:2", "yes")

        async def longer(ctx: Context) -> list[Any]:
            return [await ctx.run(one), await ctx.promise(), await ctx.run(one), await ctx.run(two)]

        flow.fn = longer
        assert_replays(flow, play.history())

    def test_what_a_line_asks_for_that_is_put_away_at_once_is_not_counted(self, play: Playground) -> None:
        is_put_away = threading.Event()

        async def slow(ctx: Context) -> None:
            await ctx.run(is_put_away.wait, 10)
            await ctx.run(two)

        async def quick(ctx: Context) -> None:
            await ctx.options(retry=None).run(fail)

        async def body(ctx: Context) -> str:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(quick(ctx))
                    group.create_task(slow(ctx))
            except ExceptionGroup:
                is_put_away.set()
                await ctx.promise()
            return "done"

        flow = recorded(play, body)
        assert play.funcs() == {"r:1.1": "fail", "r:2.1": "wait", "r:3": "ctx.promise"}
        assert_replays(flow, play.history())

    def test_what_a_called_execution_calls_is_its_own(self, play: Playground) -> None:
        @workflow
        async def grandchild(ctx: Context) -> Any:
            return await ctx.promise()

        @workflow
        async def child(ctx: Context) -> Any:
            return await ctx.rpc(grandchild)

        async def body(ctx: Context) -> Any:
            return await ctx.rpc(child)

        flow = recorded(play, body)
        assert play.ids() == ["r:1", "r:1.1", "r:1.1.1"]
        assert_replays(flow, play.history())

    def test_services_are_those_of_the_recording(self) -> None:
        async def body(ctx: Context) -> Any:
            return [await ctx.run(ctx.services["step"]), await ctx.promise()]

        play = Playground(services={"step": one})
        assert_replays(recorded(play, body), play.history(), services={"step": one})

    def test_a_halted_execution_replays_once_the_code_is_mended(self, play: Playground) -> None:
        flow = recorded(play, waiting)
        right = flow.fn

        async def wrong(ctx: Context) -> list[Any]:
            return [await ctx.run(two), await ctx.promise()]

        flow.fn = wrong
        play.settle("r:2", "yes")
        with pytest.raises(Halted):
            play.work()
        assert "r:1 is recorded as 'one'" in reason(flow, play.history())
        flow.fn = right
        assert_replays(flow, play.history())


class TestItFails:
    def test_another_step_in_its_place(self, play: Playground) -> None:
        async def after(ctx: Context) -> Any:
            return [await ctx.run(two), await ctx.promise(), await ctx.run(two)]

        found = reason_after_change(play, waiting, after)
        assert found.startswith("r (flow version 1) does not replay: NonDeterminism: r:1 is recorded as 'one', but the")
        assert "asks for 'two'" in found
        assert "make the change in another version" in found

    def test_a_step_less(self, play: Playground) -> None:
        async def after(ctx: Context) -> Any:
            return [await ctx.run(one)]

        assert "no longer asks for what is recorded: r:2 (ctx.promise)" in reason_after_change(play, waiting, after)

    def test_a_step_more_before_it_waits(self, play: Playground) -> None:
        async def after(ctx: Context) -> Any:
            return [await ctx.run(one), await ctx.run(one), await ctx.promise()]

        assert "r:2 is recorded as 'ctx.promise'" in reason_after_change(play, waiting, after)

    def test_a_step_more_beside_what_it_waits_for(self, play: Playground) -> None:
        async def after(ctx: Context) -> Any:
            found = [await ctx.run(one)]
            return [*found, *await asyncio.gather(ctx.promise(), ctx.run(two))]

        found = reason_after_change(play, waiting, after)
        assert "It waits, by the record; the code now goes on to r:3 (two)" in found

    def test_in_a_nested_workflow(self, play: Playground) -> None:
        @workflow
        async def child(ctx: Context) -> Any:
            return [await ctx.run(one), await ctx.promise()]

        async def body(ctx: Context) -> Any:
            return await ctx.run(child)

        flow = recorded(play, body)
        assert_replays(flow, play.history())

        async def shorter(ctx: Context) -> Any:
            return await ctx.run(one)

        child.fn = shorter
        assert "no longer asks for what is recorded: r:1.2 (ctx.promise)" in reason(flow, play.history())

    def test_an_end_where_it_waits(self, play: Playground) -> None:
        @workflow
        async def child(ctx: Context) -> None:
            await ctx.promise()

        async def body(ctx: Context) -> None:
            await ctx.detached(child)

        async def after(ctx: Context) -> str:
            ctx.detached(child)
            return "done"

        found = reason_after_change(play, body, after)
        assert "It waits, by the record; by the code it now ended resolved with 'done'" in found

    @pytest.mark.parametrize(("steps", "told"), [(NO_STEPS, "r:1 (one)"), ([one, two], "r:2 (two)")])
    def test_other_calls_in_what_has_ended(self, play: Playground, steps: list[Any], told: str) -> None:
        async def body(ctx: Context) -> int:
            return await ctx.run(one)

        async def after(ctx: Context) -> int:
            for step in steps:
                await ctx.run(step)
            return 1

        assert told in reason_after_change(play, body, after)

    def test_another_end(self, play: Playground) -> None:
        async def body(ctx: Context) -> int:
            return await ctx.run(one)

        async def after(ctx: Context) -> int:
            return await ctx.run(one) + 1

        found = reason_after_change(play, body, after)
        assert "It ended resolved with 1, by the record; by the code it now ended resolved with 2." in found

    def test_a_wait_for_what_nobody_records(self, play: Playground) -> None:
        async def after(ctx: Context) -> Any:
            await ctx.run(one)
            ctx.promise()
            await asyncio.sleep(60)

        assert "NonDurableAwait" in reason_after_change(play, waiting, after)

    def test_parameters_that_the_recorded_arguments_do_not_fit(self, play: Playground) -> None:
        async def body(ctx: Context, n: int) -> Any:
            return [await ctx.run(one), await ctx.promise()]

        flow = recorded(play, body, 7)

        async def after(ctx: Context, n: int, more: int) -> Any:
            return [await ctx.run(one), await ctx.promise()]

        flow.fn = after
        found = reason(flow, play.history())
        assert "InvalidArguments" in found
        assert "missing a required argument: 'more'" in found

    def test_a_called_execution(self, play: Playground) -> None:
        @workflow
        async def child(ctx: Context) -> Any:
            return [await ctx.run(one), await ctx.promise()]

        async def body(ctx: Context) -> Any:
            return await ctx.rpc(child)

        flow = recorded(play, body)
        assert_replays(flow, play.history())

        async def changed(ctx: Context) -> Any:
            return [await ctx.run(two), await ctx.promise()]

        child.fn = changed
        assert reason(flow, play.history()).startswith("r:1 (child version 1) does not replay")
        del registry._functions["child", 1]
        assert_replays(flow, play.history())  # it lives elsewhere

    def test_a_version_that_is_gone(self, play: Playground) -> None:
        recorded(play, waiting)
        second = workflow(name="flow", version=2)(waiting)
        assert "goes on with <workflow flow v1>" in reason(workflow(name="other")(fail_later), play.history())
        del registry._functions["flow", 1]
        found = reason(second, play.history())
        assert "r would be halted: Workflow 'flow' has no version 1; registered: 2." in found
        assert ".replaces('flow', version=1)" in found
        assert_replays(second.replaces("flow"), play.history())


async def fail_later(ctx: Context) -> None:
    await ctx.run(fail)
