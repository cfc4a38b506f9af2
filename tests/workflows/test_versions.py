"""Changing code under running executions: they keep their version, unless a function says that it replaces it; what is
renamed keeps the name it is recorded under."""

from functools import partial
from typing import Any

import pytest

from promises.states import TaskState
from tests.workflows.playground import Playground
from workflows import Context, FunctionNotFound, registry, step, workflow
from workflows.local import Halted


def one() -> int:
    return 1


def two() -> int:
    return 2


def suspended(play: Playground, fn: Any) -> None:
    play.start(fn)
    play.work()
    assert play.outcomes[-1] == "suspended"


def deploy_without(name: str, version: int) -> None:
    """The code that registered it is gone."""
    del registry._functions[name, version]


def answered(play: Playground, value: Any = "yes") -> Any:
    """Settle what the execution waits for, and let it run to its end."""
    for id in play.pending():
        play.settle(id, value)
    return play.finish().value.decode()


@pytest.fixture
def first() -> Any:
    @workflow(name="pay", version=1)
    async def pay_1(ctx: Context) -> list[Any]:
        return [await ctx.run(one), await ctx.promise()]

    return pay_1


def pay_2() -> Any:
    @workflow(name="pay", version=2)
    async def pay_2(ctx: Context) -> list[Any]:
        found = [await ctx.run(one), await ctx.promise()]
        if ctx.info.version >= 2:  # what began as version 1 stays without
            found.append(await ctx.run(two))
        return found

    return pay_2


class TestVersions:
    def test_an_execution_keeps_the_version_it_started_with(self, play: Playground, first: Any) -> None:
        suspended(play, first)
        pay_2()
        assert answered(play) == [1, "yes"]

    def test_a_missing_version_halts_and_tells_what_to_do(self, play: Playground, first: Any) -> None:
        suspended(play, first)
        pay_2()
        deploy_without("pay", 1)
        with pytest.raises(Halted) as halted:
            answered(play)
        assert "FunctionNotFound: Workflow 'pay' has no version 1; registered: 2." in str(halted.value)
        assert ".replaces('pay', version=1)" in str(halted.value)

    def test_and_goes_on_with_a_function_that_replaces_it(self, play: Playground, first: Any) -> None:
        suspended(play, first)
        second = pay_2()
        deploy_without("pay", 1)
        with pytest.raises(Halted):
            answered(play)
        second.replaces("pay", version=1)
        play.store.tasks["r"].state = TaskState.PENDING
        assert play.finish().value.decode() == [1, "yes"]

    def test_new_executions_are_of_the_new_version(self, play: Playground, first: Any) -> None:
        deploy_without("pay", 1)
        pay_2().replaces("pay", version=1)
        suspended(play, registry.get("pay"))
        assert answered(play) == [1, "yes", 2]

    def test_what_is_still_registered_cannot_be_replaced(self, first: Any) -> None:
        with pytest.raises(ValueError, match=r"pay_2 replaces <workflow pay v1>, which .*pay_1 is already"):
            pay_2().replaces("pay", version=1)

    def test_nor_registered_once_it_is_replaced(self, first: Any) -> None:
        deploy_without("pay", 1)
        second = pay_2()
        second.replaces("pay", version=1)
        with pytest.raises(ValueError, match="already"):
            registry.add(first)

    def test_saying_it_again_changes_nothing(self, first: Any) -> None:
        deploy_without("pay", 1)
        second = pay_2()
        assert second.replaces("pay").replaces("pay") is second
        assert registry.names().count("pay") == 1

    def test_an_older_function_may_replace_a_newer_one_after_a_rollback(self, play: Playground, first: Any) -> None:
        pay_2()
        deploy_without("pay", 2)
        first.replaces("pay", version=2)
        assert registry.get("pay") is first
        assert registry.get("pay", 2).fn is first.fn


class TestRenamedWorkflows:
    @pytest.fixture
    def renamed(self, play: Playground, first: Any) -> Any:
        suspended(play, first)
        deploy_without("pay", 1)

        @workflow
        async def settle_claim(ctx: Context) -> list[Any]:
            return [await ctx.run(one), await ctx.promise(), ctx.info.func_name]

        return settle_claim.replaces("pay")

    def test_an_execution_goes_on_under_the_name_it_started_with(self, play: Playground, renamed: Any) -> None:
        assert answered(play) == [1, "yes", "pay"]

    def test_the_old_name_starts_the_new_function(self, renamed: Any) -> None:
        assert registry.get("pay") is renamed
        assert "pay" not in registry.names()

    def test_an_unknown_name_is_still_unknown(self, renamed: Any) -> None:
        with pytest.raises(FunctionNotFound, match="settle_claim"):
            registry.get("paid")

    @pytest.mark.parametrize("remote", [False, True])
    def test_callers_that_use_the_new_name_find_what_is_recorded_under_the_old_one(
        self, play: Playground, remote: bool
    ) -> None:
        async def check(ctx: Context, called: Any) -> Any:
            return await (ctx.rpc(called) if remote else ctx.run(called))

        @workflow
        async def child(ctx: Context) -> int:
            return 1

        @workflow
        async def flow(ctx: Context) -> list[Any]:
            return [await check(ctx, child), await ctx.promise()]

        suspended(play, flow)
        deploy_without("child", 1)
        grown_up = workflow(name="grown_up")(child.fn).replaces("child")

        async def changed(ctx: Context) -> list[Any]:
            return [await check(ctx, grown_up), await ctx.promise()]

        flow.fn = changed
        assert answered(play) == [1, "yes"]

    def test_without_saying_so_they_halt_and_are_told_how(self, play: Playground) -> None:
        @workflow
        async def child(ctx: Context) -> int:
            return 1

        @workflow
        async def flow(ctx: Context) -> Any:
            return [await ctx.run(child), await ctx.promise()]

        suspended(play, flow)
        other = workflow(name="other")(child.fn)

        async def changed(ctx: Context) -> Any:
            return [await ctx.run(other), await ctx.promise()]

        flow.fn = changed
        with pytest.raises(Halted, match=r"recorded as 'child'.* asks for 'other'.*other\.replaces\('child'\)"):
            answered(play)


class TestRenamedSteps:
    def replayed(self, play: Playground, before: Any, after: Any) -> Any:
        @workflow
        async def flow(ctx: Context) -> list[Any]:
            return [await ctx.run(before), await ctx.promise()]

        suspended(play, flow)

        async def changed(ctx: Context) -> list[Any]:
            return [await ctx.run(after), await ctx.promise()]

        flow.fn = changed
        return answered(play)

    def test_a_step_that_keeps_its_recorded_name_is_found_again(self, play: Playground) -> None:
        @step(name="one")
        def renamed() -> int:
            return 7

        assert self.replayed(play, one, renamed) == [1, "yes"]

    def test_also_a_method_and_a_partial(self, play: Playground) -> None:
        class Ledger:
            @step(name="one")
            def book(self, amount: int) -> int:
                return amount

        assert self.replayed(play, one, partial(Ledger().book, 7)) == [1, "yes"]

    def test_without_it_the_execution_halts_and_is_told_how(self, play: Playground) -> None:
        with pytest.raises(Halted, match=r"recorded as 'one'.* asks for 'two'.*@step\(name='one'\)"):
            self.replayed(play, one, two)

    def test_a_builtin_of_the_context_has_no_other_name(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> Any:
            return [await ctx.now(), await ctx.promise()]

        suspended(play, flow)

        async def changed(ctx: Context) -> Any:
            return [await ctx.random(), await ctx.promise()]

        flow.fn = changed
        with pytest.raises(Halted, match=r"'ctx\.now'.*'ctx\.random'") as halted:
            answered(play)
        assert "@step" not in str(halted.value)


def test_a_local_call_that_becomes_a_remote_one_is_another_call(play: Playground) -> None:
    @workflow
    async def child(ctx: Context) -> int:
        return 1

    @workflow
    async def flow(ctx: Context) -> Any:
        return [await ctx.run(child), await ctx.promise()]

    suspended(play, flow)

    async def changed(ctx: Context) -> Any:
        return [await ctx.rpc(child), await ctx.promise()]

    flow.fn = changed
    with pytest.raises(Halted, match=r"r:1 is recorded as a local call of 'child', .* a global one"):
        answered(play)
