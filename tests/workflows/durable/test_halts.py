"""From the fault to its fix: what halts an execution, how it shows, and that it goes on from what is recorded."""

from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import override_settings

from promises import store
from promises.errors import Conflict
from promises.models import Task
from promises.queries import halted_in
from promises.store import timeouts_sweep
from promises.times import now_ms
from promises.values import Value
from tests.promises.making import acquire
from workflows import Context, registry, workflow
from workflows.errors import ExecutionNotFound, ReasonMissing
from workflows.executor import execute
from workflows.halts import advice_for, execution_continue, halt_words
from workflows.stores.durable import DurableStore

done: list[str] = []


def step(name: str) -> str:
    done.append(name)
    return name


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    done.clear()


def work(id: str) -> str:
    return execute(DurableStore(), id)


def reason_of(id: str) -> str:
    return halt_words(id, halted_in([id])[id])


def flow_as(*names: str) -> Any:
    """Deploy `flow`: steps of these names, a wait after the first."""

    async def flow(ctx: Context) -> list[str]:
        first = await ctx.options(id="first").run(step, names[0])
        answer = await ctx.promise()
        return [first, answer, *[await ctx.run(step, name) for name in names[1:]]]

    registry._functions.pop(("flow", 1), None)
    return workflow(flow)


def flow_of_other_calls() -> None:
    async def flow(ctx: Context) -> None:
        await ctx.options(id="first").run(str, "something else")

    registry._functions.pop(("flow", 1), None)
    workflow(flow)


def test_a_changed_function_halts_and_goes_on_where_it_was_once_it_is_mended() -> None:
    handle = flow_as("a", "b").start(id="f")
    assert work("f") == "suspended"
    store.promise_settle("f:2", "resolved", Value.of("answer"), now=now_ms())
    flow_of_other_calls()
    assert work("f") == "halted"
    assert reason_of("f").startswith("NonDeterminism: f:first is recorded as 'step'")
    assert work("f") == "refused"
    flow_as("a", "b")
    assert execution_continue("f", "rolled back") == ["f"]
    assert work("f") == "fulfilled"
    assert handle.result(0) == ["a", "answer", "b"]
    assert done == ["a", "b"]  # the first step is not done again


def test_a_crash_loop_halts_with_the_count_and_goes_on_after_a_fix() -> None:
    flow_as("a").start(id="f")
    with override_settings(PROMISES={"MAX_CRASHES": 3}):
        for _ in range(3):
            acquire("f", now=now_ms())  # a worker that dies
            Task.objects.update(due_at=0)
            timeouts_sweep(now_ms())
    assert "died or lost its lease 3 times in a row" in reason_of("f")
    execution_continue("f", "more memory")
    assert work("f") == "suspended"


def test_a_halted_call_halts_nothing_else_and_is_found_from_its_execution() -> None:
    @workflow
    async def child(ctx: Context) -> str:
        return await ctx.run(step, "child")

    @workflow
    async def parent(ctx: Context) -> str:
        return await ctx.rpc(child)

    handle = parent.start(id="p")
    work("p")
    gone = registry._functions.pop(("child", 1))
    assert work("p:1") == "halted"
    assert Task.objects.get(pk="p").state == "suspended"
    assert reason_of("p").startswith("p:1: FunctionNotFound: No workflow is registered as 'child'")
    registry._functions["child", 1] = gone
    assert execution_continue("p", "deployed") == ["p:1"]
    assert (work("p:1"), work("p")) == ("fulfilled", "fulfilled")
    assert handle.result(0) == "child"


def test_a_halted_execution_can_be_canceled_instead() -> None:
    handle = flow_as("a").start(id="f")
    store.task_halt("f", "broken", now=now_ms())
    assert handle.cancel().state == "rejected_canceled"
    with pytest.raises(Conflict):
        execution_continue("f", "mended")


def test_who_and_why_is_kept() -> None:
    flow_as("a").start(id="f")
    store.task_halt("f", "broken", now=now_ms())
    olga = User.objects.create_user("olga")
    execution_continue("f", " mended\n", by=olga)
    (entry,) = LogEntry.objects.all()
    assert (entry.user, entry.object_id, entry.change_message) == (olga, "f", "continued: mended")
    LogEntry.objects.all().delete()
    olga.delete()


def test_nothing_goes_on_without_a_reason_or_an_execution() -> None:
    flow_as("a").start(id="f")
    store.task_halt("f", "broken", now=now_ms())
    with pytest.raises(ReasonMissing):
        execution_continue("f", " ")
    with pytest.raises(ExecutionNotFound):
        execution_continue("missing", "mended")
    assert reason_of("f") == "broken"


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("NonDeterminism: f:1 is recorded as", "new version"),
        ("FunctionNotFound: no version 2", "Deploy it"),
        ("NonDurableAwait: waits for", "by its context"),
        ("Its worker died 10 times", "goes on from what is recorded"),
        ("", "goes on from what is recorded"),
    ],
)
def test_each_reason_comes_with_what_to_do(reason: str, word: str) -> None:
    assert word in advice_for(reason)


class TestCommand:
    @pytest.fixture(autouse=True)
    def halted(self) -> None:
        flow_as("a")
        for id in ("f", "g"):
            registry.get("flow").start(id=id)
            store.task_halt(id, f"why {id}", now=now_ms())

        @workflow
        async def other(ctx: Context) -> None: ...

        other.start(id="o")
        store.task_halt("o", "why o", now=now_ms())

    def run(self, *arguments: str) -> list[str]:
        out = StringIO()
        call_command("executions", *arguments, stdout=out, stderr=StringIO())
        return out.getvalue().splitlines()

    def test_it_lists_what_is_halted_and_why(self) -> None:
        assert sorted(self.run("halted")) == ["f  why f", "g  why g", "o  why o"]
        assert self.run("halted", "--workflow", "other") == ["o  why o"]

    @pytest.mark.parametrize(
        ("chosen", "left"), [(["f"], ["g", "o"]), (["--workflow", "flow"], ["o"]), (["--all"], []), (["f", "o"], ["g"])]
    )
    def test_it_continues_what_is_chosen(self, chosen: list[str], left: list[str]) -> None:
        self.run("continue", *chosen, "--reason", "mended")
        assert sorted(halted_in(["f", "g", "o"])) == left

    @pytest.mark.parametrize("chosen", [[], ["f", "--all"]])
    def test_it_wants_to_know_which(self, chosen: list[str]) -> None:
        with pytest.raises(CommandError, match="Name executions"):
            self.run("continue", *chosen, "--reason", "mended")

    def test_what_cannot_be_done_does_not_keep_it_from_the_rest(self) -> None:
        with pytest.raises(CommandError, match="1 of 3"):
            self.run("continue", "f", "missing", "g", "--reason", "mended")
        assert sorted(halted_in(["f", "g", "o"])) == ["o"]

    def test_it_cancels(self) -> None:
        assert self.run("cancel", "f") == ["f  rejected_canceled"]
        assert sorted(halted_in(["f", "g", "o"])) == ["g", "o"]
