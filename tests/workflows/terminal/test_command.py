"""`python -m workflows run`, in a process of its own with nothing set up: what it shows, asks, and ends with."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.terminals import ENVIRONMENT, command, run, run_in_terminal, steady

SHOP = '''\
import asyncio
from datetime import timedelta
from decimal import Decimal

from prices import PRICES
from workflows import Constant, Context, Never, workflow

tries = []


def charge(amount: str) -> str:
    tries.append(amount)
    if len(tries) < 3:
        raise ConnectionError("the bank is busy")
    print("charging")
    return f"charged {amount}"


def decline() -> None:
    raise ValueError("no money")


def user() -> str:
    from django.contrib.auth.models import User

    return User.objects.get().username


@workflow
async def ship(ctx: Context, item: str) -> str:
    await ctx.sleep(timedelta(milliseconds=400))
    return f"{item} shipped"


@workflow
async def buy(ctx: Context, item: str, count: int = 1) -> dict[str, object]:
    """Buys things."""
    price = str(Decimal(PRICES[item]) * count)
    paid = await ctx.options(retry=Constant(seconds=0.4)).run(charge, price)
    shipped = [await call for call in [ctx.rpc(ship, item)] + [ctx.run(ship, item)]]
    return {"paid": paid, "shipped": shipped}


@workflow
async def fail(ctx: Context) -> None:
    await ctx.options(retry=Never()).run(decline)


@workflow
async def models(ctx: Context) -> str:
    return await ctx.options(retry=Never()).run(user)


@workflow
async def halt(ctx: Context) -> None:
    await ctx.rpc("nobody")


@workflow
async def wait(ctx: Context) -> object:
    return await ctx.promise(data={"checks": "2.3.1"})


@workflow
async def rest(ctx: Context) -> None:
    await ctx.sleep(timedelta(days=1))


async def plain(ctx: Context) -> None: ...


def function() -> None: ...
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file shop.py with its neighbour, and a package lib.shop with the same."""
    package = tmp_path / "lib"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "shop.py").write_text(SHOP.replace("from prices", "from lib.prices"))
    (package / "prices.py").write_text('PRICES = {"book": "12.50"}\n')
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "prices.py").write_text('PRICES = {"book": "12.50"}\n')
    return tmp_path


class TestRun:
    def test_it_shows_every_call_and_prints_the_result_alone(self, folder: Path) -> None:
        done = run(folder, "run", "shop.py::buy", "book", "2", "--id", "b")
        assert json.loads(done.out) == {"paid": "charged 25.00", "shipped": ["book shipped", "book shipped"]}
        assert done.code == 0
        lines = done.err.splitlines()
        lines.remove("charging")  # what the workflow prints goes there, too
        assert lines[:3] == [
            "b buy: ready",
            "b:1 charge: failing, until TIME (ConnectionError: the bank is busy)",
            "b:1 charge: failing, 2 attempts, until TIME (ConnectionError: the bank is busy)",
        ]
        assert sorted(lines[3:]) == [
            "b buy: resolved",
            "b:1 charge: resolved, 3 attempts",
            "b:2 ship: ready",
            "b:2 ship: resolved",
            "b:2.1 sleep: resolved",
            "b:2.1 sleep: sleeping, until TIME",
            "b:3 ship: resolved",
            "b:3.1 sleep: resolved",
            "b:3.1 sleep: sleeping, until TIME",
        ]
        assert lines[-1] == "b buy: resolved"

    @pytest.mark.parametrize("address", ["lib/shop.py::ship", "lib.shop::ship"])
    def test_a_workflow_in_a_package(self, folder: Path, address: str) -> None:
        done = run(folder, "run", address, "book", "--id", "s", "--requester", "ana")
        assert (done.code, json.loads(done.out)) == (0, "book shipped")
        assert done.err == ("s ship: ready\ns:1 sleep: sleeping, until TIME\ns:1 sleep: resolved\ns ship: resolved\n")

    def test_arguments_by_name(self, folder: Path) -> None:
        done = run(folder, "run", "shop.py::buy", "--kw", "item=book", "--kw", "count=3")
        assert json.loads(done.out)["paid"] == "charged 37.50"

    def test_its_time_runs_out(self, folder: Path) -> None:
        done = run(folder, "run", "shop.py::rest", "--timeout", "50ms", "--id", "r")
        assert (done.code, done.out, done.err.splitlines()[-1]) == (1, "", "r timed out")

    def test_a_failure_is_named_without_a_traceback(self, folder: Path) -> None:
        done = run(folder, "run", "shop.py::fail", "--id", "f")
        assert (done.code, done.out) == (1, "")
        assert done.err == (
            "f fail: ready\n"
            "f:1 decline: failed (ValueError: no money)\n"
            "f fail: failed (ValueError: no money)\n"
            "f failed: ValueError: no money\n"
        )

    def test_with_one_when_it_is_asked_for(self, folder: Path) -> None:
        done = run(folder, "run", "shop.py::fail", "--verbose")
        assert "Traceback" in done.err
        assert "in decline" in done.err

    def test_a_step_that_needs_models_says_that_local_mode_has_none(self, folder: Path) -> None:
        done = run(folder, "run", "shop.py::models", "--id", "m")
        assert done.code == 1
        assert "m failed: ImproperlyConfigured: " in done.err
        assert "Local mode sets up no Django: run this workflow in durable mode" in done.err

    def test_a_halted_one_says_why(self, folder: Path) -> None:
        done = run(folder, "run", "shop.py::halt", "--id", "h")
        assert done.code == 1
        assert "h:1 is halted: FunctionNotFound: No workflow is registered as 'nobody'." in done.err


class TestTheWorldOutside:
    def test_what_it_would_settle_is_asked_here(self, folder: Path) -> None:
        done = run(folder, "run", "shop.py::wait", "--id", "w", typed='{"green": true}\n')
        assert (done.code, json.loads(done.out)) == (0, {"green": True})
        assert 'w:1 {"checks": "2.3.1"} waits for a value from outside.' in done.err
        assert 'The value (JSON or text; !TEXT is an error): {"green": true}' in done.err

    @pytest.mark.parametrize(
        ("typed", "code", "last"), [("green", 0, "w wait: resolved"), ("!red", 1, "w failed: Error: red")]
    )
    def test_a_text_or_an_error(self, folder: Path, typed: str, code: int, last: str) -> None:
        done = run(folder, "run", "shop.py::wait", "--id", "w", typed=f"{typed}\n")
        assert (done.code, done.err.splitlines()[-1]) == (code, last)

    def test_when_the_input_has_ended_nobody_answers(self, folder: Path) -> None:
        done = run(folder, "run", "shop.py::wait", "--id", "w")
        assert done.code == 3
        assert done.err.endswith(
            "Nobody answers: the input has ended. Nothing is kept of w. What was pending:\n"
            '  w:1 promise: waiting ({"checks": "2.3.1"})\n'
        )


class TestUsage:
    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (["shop.py::buy"], "missing a required argument: 'item'"),
            (["shop.py::buy", "book", "many"], "argument 'count': 'many' is no <class 'int'>"),
            (["shop.py::buy", "book", "--id", "a b"], "'a b' cannot be an id"),
            (["shop.py::nope"], "There is no 'nope' in shop.py: it has buy, fail, halt, models, rest, ship, wait."),
            (["shop.py"], "Name a workflow in shop.py: it has buy,"),
            (["shop.py::plain"], "plain in shop.py is no workflow yet: write @workflow above it."),
            (["shop.py::function"], "function in shop.py is no workflow; that is an async function"),
            (["prices.py::x"], "There is no 'x' in prices.py: it has no workflows."),
            (["missing.py::x"], "There is no file missing.py."),
            (["notes/shop.txt::x"], "notes/shop.txt is no Python file (.py)."),
            (["missing.shop::x"], "There is no module missing (looked for from"),
            (["lib.missing::x"], "There is no module lib.missing"),
            (["so-so::x"], "'so-so' is neither a Python file (.py) nor the name of a module."),
            (["::x"], "Name a file and a workflow in it: refunds.py::refund"),
        ],
    )
    def test_what_was_typed_is_wrong(self, folder: Path, words: list[str], reason: str) -> None:
        done = run(folder, "run", *words)
        assert (done.code, done.out) == (2, "")
        assert done.raw.startswith("error: ")
        assert reason in done.raw

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("def f(:\n", "SyntaxError: invalid syntax (broken.py, line 1)"),
            ("import nowhere\n", "ModuleNotFoundError: No module named 'nowhere' (broken.py, line 1)"),
            ("def go():\n    raise KeyError('x')\n\ngo()\n", "KeyError: 'x' (broken.py, line 2)"),
            (
                "from django.contrib.auth.models import User\n",
                "broken.py needs Django, which local mode does not set up (broken.py, line 1). Import models",
            ),
        ],
    )
    def test_a_file_that_cannot_be_imported(self, folder: Path, text: str, reason: str) -> None:
        (folder / "broken.py").write_text(text)
        done = run(folder, "run", "broken.py::x")
        assert (done.code, done.out) == (2, "")
        assert reason in done.raw
        assert "Traceback" not in done.raw

    def test_a_file_with_the_name_of_a_module_in_use(self, folder: Path) -> None:
        (folder / "app").mkdir()
        (folder / "app" / "workflows.py").write_text(SHOP)
        (folder / "app" / "prices.py").write_text("PRICES = {}\n")
        assert run(folder, "run", "app/workflows.py::ship", "book").code == 0

    def test_a_package_that_is_hidden_by_another(self, folder: Path) -> None:
        (folder / "app" / "json").mkdir(parents=True)
        (folder / "app" / "json" / "__init__.py").touch()
        (folder / "app" / "json" / "decoder.py").write_text(SHOP)
        done = run(folder, "run", "app/json/decoder.py::ship", "book")
        assert done.code == 2
        assert "app/json/decoder.py is hidden by" in done.raw

    @pytest.mark.parametrize("words", [[], ["help"], ["run"], ["run", "shop.py::ship", "--timeout", "3 moons"]])
    def test_anything_else_shows_the_usage(self, folder: Path, words: list[str]) -> None:
        done = run(folder, *words)
        assert (done.code, done.out) == (2, "")
        assert done.raw.startswith("usage: python -m workflows run FILE.py::FUNCTION")

    @pytest.mark.parametrize("words", [["--help"], ["run", "--help"]])
    def test_help_tells_the_exit_codes(self, folder: Path, words: list[str]) -> None:
        done = run(folder, *words)
        assert done.code == 0
        assert "130  interrupted (Ctrl-C)" in done.out


class TestTerminal:
    def test_the_tree_is_redrawn_and_stays_when_it_is_over(self, folder: Path) -> None:
        done = run_in_terminal(folder, "run", "shop.py::buy", "book", "--id", "b")
        assert done.code == 0
        assert "↻ charge: failing" in done.err
        assert "… sleep: sleeping, until TIME" in done.err
        assert "\x1b[2K\x1b[1A" in done.raw  # lines are taken back
        end = done.err[done.err.rindex("✓ buy: resolved") :]
        assert end == (
            "✓ buy: resolved  b\n"
            "├── ✓ charge: resolved, 3 attempts  :1\n"
            "├── ✓ ship: resolved  :2\n"
            "│   └── ✓ sleep: resolved  :2.1\n"
            "└── ✓ ship: resolved  :3\n"
            "    └── ✓ sleep: resolved  :3.1\n"
            '{\n  "paid": "charged 12.50",\n  "shipped": [\n    "book shipped",\n    "book shipped"\n  ]\n}\n'
        )

    def test_plain_lines_when_they_are_asked_for(self, folder: Path) -> None:
        done = run_in_terminal(folder, "run", "shop.py::ship", "book", "--id", "s", "--plain")
        assert done.err == (
            's ship: ready\ns:1 sleep: sleeping, until TIME\ns:1 sleep: resolved\ns ship: resolved\n"book shipped"\n'
        )

    def test_ctrl_c_leaves_and_tells_what_was_pending(self, folder: Path) -> None:
        done = run_in_terminal(folder, "run", "shop.py::wait", "--id", "w", dialogue=[("an error):", "\x03")])
        assert done.code == 130
        assert done.err.endswith(
            'Interrupted. Nothing is kept of w. What was pending:\n  w:1 promise: waiting ({"checks": "2.3.1"})\n'
        )


def test_an_interrupt_does_not_wait_for_a_step(folder: Path) -> None:
    (folder / "slow.py").write_text(
        "import time\n"
        "from workflows import Context, workflow\n\n\n"
        "def long() -> None:\n    print('begun', flush=True)\n    time.sleep(600)\n\n\n"
        "@workflow\nasync def w(ctx: Context) -> None:\n    await ctx.run(long)\n"
    )
    process = subprocess.Popen(
        command("run", "slow.py::w", "--id", "w"),
        cwd=folder,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    with process, process.stdin:
        shown = process.stderr.readline() + process.stderr.readline()
        os.kill(process.pid, signal.SIGINT)
        shown += process.stderr.read()
        assert process.wait(timeout=30) == 130
    assert steady(shown.decode()).endswith("What was pending:\n  w:1 long: running\n")
