"""What can be seen of the engine from outside: the place of every line of the log, and what observers are shown."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from config.log import logging_config
from promises.records import NewPromise
from promises.values import Value
from tests.workflows.playground import Playground
from workflows import Constant, Context, Never, workflow
from workflows.attempts import Attempt
from workflows.errors import LeaseLost
from workflows.executor import execute
from workflows.observing import PLACE
from workflows.operations import Operation
from workflows.replay import Activation

log = logging.getLogger("shop")


@pytest.fixture
def form() -> str:
    """A test may ask for the other one by parameter."""
    return "json"


@pytest.fixture
def stream(form: str) -> Iterator[io.StringIO]:
    """What the product's log handler writes, from INFO on."""
    formatter: dict[str, Any] = dict(logging_config(level="INFO", form=form)["formatters"]["structured"])
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(formatter.pop("()")(**formatter))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler.stream
    root.removeHandler(handler)
    root.setLevel(level)


def say(text: str) -> None:
    log.info(text)


async def say_later(text: str) -> None:
    await asyncio.sleep(0)
    structlog.get_logger("shop").info(text)


@workflow(name="talk.inner")
async def inner(ctx: Context) -> None:
    log.info("inside")
    await ctx.run(say, "below")


@workflow(name="talk")
async def talk(ctx: Context) -> None:
    log.info("body")
    await ctx.run(say, "alone")
    await asyncio.gather(ctx.run(say, "thread"), ctx.run(say_later, "async"), ctx.run(inner))
    log.info("after")


class TestPlaces:
    def test_every_line_names_execution_promise_function_and_attempt(self, stream: io.StringIO) -> None:
        play = Playground()
        play.start(talk, id="r")
        play.work()
        lines = {line["event"]: line for line in map(json.loads, stream.getvalue().splitlines())}
        places = {
            event: tuple(line[name] for name in ("execution", "promise", "function", "attempt"))
            for event, line in lines.items()
        }
        assert places == {
            "body": ("r", "r", "talk", 1),
            "alone": ("r", "r:1", "say", 1),
            "thread": ("r", "r:2", "say", 1),
            "async": ("r", "r:3", "say_later", 1),
            "inside": ("r", "r:4", "talk.inner", 1),
            "below": ("r", "r:4.1", "say", 1),
            "after": ("r", "r", "talk", 1),
            "executed r: fulfilled": ("r", "r", "talk", 1),
        }

    @pytest.mark.parametrize("form", ["console"])
    def test_so_do_the_lines_for_people(self, stream: io.StringIO) -> None:
        play = Playground()
        play.start(talk, id="r")
        play.work()
        alone = next(line for line in stream.getvalue().splitlines() if "alone" in line)
        assert "execution=r" in alone
        assert "promise=r:1" in alone
        assert "function=say" in alone
        assert "attempt=1" in alone

    def test_attempts_and_activations_are_counted(self, stream: io.StringIO, flaky: Any) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(retry=Constant(0.0)).run(flaky(2))
            log.info("body")
            await ctx.promise()

        play = Playground()
        play.start(flow, id="r")
        play.work()
        play.settle("r:2")
        play.work()
        lines = [json.loads(line) for line in stream.getvalue().splitlines()]
        failures = [line["attempt"] for line in lines if line["event"].startswith("step step of r:1 failed")]
        assert failures == [1, 2]
        assert [line["attempt"] for line in lines if line["event"] == "body"] == [1, 2]

    def test_outside_there_is_no_place(self, stream: io.StringIO) -> None:
        play = Playground()
        play.start(talk, id="r")
        play.work()
        log.info("outside")
        line = json.loads(stream.getvalue().splitlines()[-1])
        assert (line["event"], "execution" in line, PLACE.get()) == ("outside", False, None)


class Looking:
    """An observer that notes what it is shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def activation(self, activation: Activation) -> Callable[[str], None]:
        return lambda outcome: self.seen.append((outcome, _name(activation.error)))

    def attempt(self, operation: Operation) -> Callable[[Attempt | None], None]:
        def end(attempt: Attempt | None) -> None:
            came_to = attempt and (str(attempt.state), attempt.retry_in, _name(attempt.error))
            self.seen.append((operation.func, operation.attempt, came_to))

        return end


def _name(error: BaseException | None) -> str | None:
    return None if error is None else type(error).__name__


class TestObservers:
    @pytest.fixture
    def looking(self) -> Looking:
        return Looking()

    @pytest.fixture
    def carry_on(self, play: Playground, looking: Looking) -> Callable[[], str]:
        return lambda: execute(play.store, "r", observers=[looking])

    def test_attempts_and_activations_are_shown_with_their_ends(
        self, play: Playground, looking: Looking, carry_on: Callable[[], str], flaky: Any
    ) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(retry=Constant(0.0)).run(flaky(1))
            await ctx.promise()
            await ctx.options(retry=Never()).run(flaky(1))

        play.start(flow)
        carry_on()
        play.settle("r:2")
        carry_on()
        assert looking.seen == [
            ("step", 1, ("pending", 0.0, "OSError")),
            ("step", 2, ("resolved", None, None)),
            ("suspended", None),
            ("step", 1, ("rejected", None, "OSError")),
            ("fulfilled", "OSError"),
        ]

    def test_a_halt_is_shown_with_its_reason(
        self, play: Playground, looking: Looking, carry_on: Callable[[], str]
    ) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await asyncio.sleep(60)

        play.start(flow)
        carry_on()
        assert looking.seen == [("halted", "NonDurableAwait")]

    def test_a_lost_lease_cuts_an_atomic_step_off(
        self, play: Playground, looking: Looking, carry_on: Callable[[], str]
    ) -> None:
        def lose() -> None:
            raise LeaseLost

        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(atomic=True).run(lose)

        play.start(flow)
        assert carry_on() == "lost"
        assert looking.seen == [("lose", 1, None), ("lost", None)]

    def test_the_end_of_the_store_ends_the_activation(
        self, play: Playground, looking: Looking, carry_on: Callable[[], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any) -> None:
            raise ConnectionError("the database is away")

        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.run(say, "once")

        play.start(flow)
        monkeypatch.setattr(play.store, "record", refuse)
        with pytest.raises(ConnectionError):
            carry_on()
        assert looking.seen[-1] == ("failed", None)

    @pytest.mark.parametrize("when", ["at the beginning", "at the end"])
    def test_one_that_fails_breaks_nothing(self, play: Playground, when: str, caplog: pytest.LogCaptureFixture) -> None:
        class Broken:
            def activation(self, activation: Activation) -> Callable[[str], None]:
                return self.begin()

            def attempt(self, operation: Operation) -> Callable[[Attempt | None], None]:
                return self.begin()

            def begin(self) -> Callable[[Any], None]:
                if when == "at the beginning":
                    raise ZeroDivisionError
                return lambda outcome: 1 / 0

        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.run(say, "once")

        play.start(flow)
        assert execute(play.store, "r", observers=[Broken()]) == "fulfilled"
        assert caplog.text.count("an observer failed") == 2


class TestTheRecord:
    def test_a_step_says_which_attempt_gave_its_outcome(self, play: Playground, flaky: Any) -> None:
        @workflow
        async def flow(ctx: Context) -> None:
            await ctx.options(retry=Constant(0.0)).run(flaky(2))
            await ctx.run(say, "once")

        play.run(flow)
        assert play.promise("r:1").tags["countersign:attempt"] == "3"
        assert "countersign:attempt" not in play.promise("r:2").tags

    def test_a_replay_finds_it_again(self, play: Playground) -> None:
        @workflow
        async def flow(ctx: Context) -> str:
            return await ctx.run(str, "anew")

        play.start(flow)
        tags = {"countersign:func": "str", "countersign:attempt": "2", "resonate:branch": "r", "resonate:parent": "r"}
        play.store.create(NewPromise("r:1", play.now + 1000, tags=tags, state="resolved", value=Value.of("recorded")))
        play.work()
        assert play.result() == "recorded"
