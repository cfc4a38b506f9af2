"""Requests answered at the terminal of `python -m workflows run`."""

import getpass
import io
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from rich.console import Console

from approvals import (
    File,
    Outcome,
    accepts,
    after,
    approval,
    approve,
    ask,
    choose,
    code,
    diff,
    facts,
    image,
    link,
    markdown,
    metric,
    n_of,
    reject,
    requester,
    table,
)
from approvals.blocks import json as json_block
from approvals.terminal.people import PeopleAtTerminal, keys_of
from tests.terminals import ENVIRONMENT, run, run_in_terminal, steady
from workflows import Context, workflow
from workflows.registry import registry
from workflows.terminal.screen import Screen
from workflows.testing import Playground

ME = getpass.getuser()
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


@pytest.fixture(autouse=True)
def own_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_functions", dict(registry._functions))


class Desk:
    """A run on a virtual clock, and a person whose lines are typed in advance."""

    def __init__(self, *lines: str) -> None:
        self.people = PeopleAtTerminal()
        self.play = Playground(services={"approvals": self.people})
        self.shown = io.StringIO()
        source, typed = os.pipe()
        os.write(typed, "".join(f"{line}\n" for line in lines).encode())
        os.close(typed)
        self.screen = Screen(Console(file=self.shown, width=80), source)

    def run(self, flow: Any, *args: Any, **kwargs: Any) -> Any:
        """The workflow's result, once everything that it asks is answered."""
        self.play.start(flow, *args, **kwargs)
        self.play.work()
        while questions := self.people.questions():
            questions[0].ask(self.screen)
            self.play.work()
        return self.play.result()

    @property
    def text(self) -> str:
        return steady(self.shown.getvalue())


def asking(**asked: Any) -> Any:
    """A workflow that asks finance this, and gives what was decided."""

    @workflow(name="terminal.asking")
    async def flow(ctx: Context) -> Any:
        decision = await approval(ctx, "Pay?", **{"to": "group:finance", **asked})
        return [decision.outcome, decision.by, decision.comment, decision.input, decision.value]

    return flow


class TestCards:
    def test_every_block_is_shown(self) -> None:
        desk = Desk("a")
        desk.run(
            asking(
                requester="ana",
                risk="high",
                timeout=after("1h", then="reject"),
                show=[
                    metric("Total", Decimal("404.80"), unit="EUR", note="with tax"),
                    facts(claimant="ana", lines=2),
                    table([{"item": "book", "price": "12.50"}], title="Lines"),
                    diff("a\nb\nc\n", "a\nB\nc\n", title="Change"),
                    markdown("Please **read**"),
                    json_block({"a": [1]}, title="Raw"),
                    code("print(1)", "python"),
                    link("Order", "https://example.org/1"),
                    image(PNG, alt="a receipt"),
                ],
            )
        )
        lines = [line.strip("│ ").rstrip() for line in desk.text.splitlines()]
        card = [line for line in lines[1 : lines.index(next(line for line in lines if line.startswith("╰")))] if line]
        assert card == [
            "Pay?",
            "for group:finance · asked by ana · high risk",
            "until TIME, then: Reject",
            "Total: 404.80 EUR  with tax",
            "Claimant  ana",
            "Lines     2",
            "Lines",
            "Item  Price",
            "book  12.50",
            "Change",
            "@@ -1,3 +1,3 @@",
            "a",
            "-b",
            "+B",
            "c",
            "Please read",
            "Raw",
            "{",
            '"a": [',
            "1",
            "]",
            "}",
            "print(1)",
            "Order: https://example.org/1",
            "[picture: a receipt]",
        ]

    def test_a_text_cannot_write_over_the_terminal(self) -> None:
        desk = Desk("a \x1b[2Jfine")
        desk.run(asking(show=[facts(order="A\x1b[1A\u202e17"), markdown("\x9b2K"), code("x\x07\x1b]0;t\x07")]))
        assert not set("\x1b\x9b\x07\u202e") & set(desk.shown.getvalue())

    def test_what_looks_like_markup_is_text(self) -> None:
        desk = Desk("a")
        desk.run(asking(show=[facts(order="[red]A-17[/red]")]))
        assert "[red]A-17[/red]" in desk.text


class TestAnswers:
    @pytest.mark.parametrize(
        ("typed", "outcome", "comment"),
        [
            (["a"], "approve", ""),
            (["A fine by me"], "approve", "fine by me"),
            (["approve"], "approve", ""),
            (["r too late"], "reject", "too late"),
            (["r", "", "too late"], "reject", "too late"),
            (["", "what?", "a"], "approve", ""),
        ],
    )
    def test_a_key_and_a_reason(self, typed: list[str], outcome: str, comment: str) -> None:
        assert Desk(*typed).run(asking())[:3] == [outcome, ME, comment]

    def test_a_quorum_asks_again_in_another_name(self) -> None:
        desk = Desk("a yes", "a me too")
        assert desk.run(asking(to=n_of(2, "group:finance")))[1:3] == ["somebody 2 of group:finance", "me too"]
        assert desk.text.count("Approval") == 1
        assert f"{ME}: approve yes" in desk.text

    def test_who_may_not_is_somebody_else(self) -> None:
        result = Desk("a").run(asking(requester=ME, never=[requester()]))
        assert result[:2] == ["approve", "somebody 1 of group:finance"]

    def test_a_certain_person_is_played(self) -> None:
        assert Desk("a").run(asking(to="user:carol"))[1] == "carol"

    def test_outcomes_have_keys_of_their_own(self) -> None:
        outcomes = [approve("Ship"), Outcome("canary", "5 % first"), reject("Stop"), Outcome("x", "S")]
        assert {key: outcome.name for key, outcome in keys_of(outcomes).items()} == {
            "s": "approve",
            "f": "canary",
            "t": "reject",
            "4": "x",
        }

    def test_the_end_of_the_input_is_no_answer(self) -> None:
        with pytest.raises(EOFError):
            Desk("r").run(asking())

    def test_a_request_that_is_closed_meanwhile_is_not_asked_any_more(self) -> None:
        desk = Desk("a")
        desk.play.start(asking(timeout=after("1h", then="reject")))
        desk.play.work()
        (question,) = desk.people.questions()
        desk.play.advance("2h")
        question.ask(desk.screen)
        assert "This is not asked any more." in desk.text
        assert desk.play.result()[:2] == ["reject", None]


class Shipping(BaseModel):
    """A form with fields of every kind."""

    amount: Decimal = Field(ge=0)
    pieces: int = Field(title="How many")
    way: Literal["sea", "air"]
    note: str = ""
    tags: list[str] = []
    receipt: Annotated[File, accepts("text/plain")] | None = None


class TestForms:
    def test_field_by_field(self) -> None:
        desk = Desk("a", "-1", "12.50", "three", "3", "rail", "air", "42", '["a", "b"]', "")
        sent = desk.run(asking(form=Shipping))[3]
        assert sent == {
            "amount": "12.50",
            "pieces": 3,
            "way": "air",
            "note": "42",
            "tags": ["a", "b"],
            "receipt": None,
        }
        assert "How many (integer): three" in desk.text
        assert "Way (sea, air): rail" in desk.text

    def test_a_no_needs_no_form(self) -> None:
        assert Desk("r no").run(asking(form=Shipping))[3] is None

    def test_a_file_by_its_path(self, tmp_path: Path) -> None:
        class Proof(BaseModel):
            receipt: Annotated[File, accepts("text/plain")] | None = None

        (tmp_path / "receipt.txt").write_text("paid")
        (tmp_path / "receipt.zip").write_bytes(b"PK\x03\x04")
        desk = Desk("a", *(str(tmp_path / name) for name in ("missing", "receipt.zip", "receipt.txt")))
        assert desk.run(asking(form=Proof))[3]["receipt"]["name"] == "receipt.txt"
        assert "No such file" in desk.text
        assert "A file of this type is not accepted (application/zip); it takes text/plain." in desk.text.replace(
            "\n", " "
        )

    def test_a_proposal_is_corrected(self) -> None:
        desk = Desk("a", "100.00", "")
        proposed = {"amount": "129.00", "to": "Zoe", "fixed": 1}
        result = desk.run(asking(propose=proposed, editable=["amount", "to"]))
        assert result[4] == {"amount": "100.00", "to": "Zoe", "fixed": 1}
        assert "amount [129.00]" in desk.text

    def test_a_question_that_is_no_yes_or_no(self) -> None:
        @workflow(name="terminal.questions")
        async def flow(ctx: Context) -> Any:
            days = await ask(ctx, int, "How many days?", to="user:ana")
            return [days, await choose(ctx, "Which way?", ["sea", "air"], to="user:ana")]

        desk = Desk("s", "many", "5", "a")
        assert desk.run(flow) == [5, "air"]


REFUND = """\
from approvals import after, approval, facts, n_of
from workflows import Context, workflow


@workflow
async def refund(ctx: Context, order: str, time: str = "1h") -> str:
    decision = await approval(
        ctx,
        f"Refund {order}?",
        to=n_of(2, "group:finance"),
        show=[facts(order=order, paid="129.00")],
        timeout=after(time, then="reject"),
    )
    return f"{decision.outcome} by {decision.by}: {decision.comment}"
"""
CARD = """\
╭─ Approval ───────────────────────────────────────────────────────────────────╮
│ Refund A-17?                                                                 │
│ for group:finance                                                            │
│ until TIME, then: Reject                                      │
│                                                                              │
│ Order  A-17                                                                  │
│ Paid   129.00                                                                │
╰──────────────────────────────────────────────────────────────────────────────╯
  a  Approve
  r  Reject  (with a reason)
"""


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., Any]:
    """Runs the command beside a file refunds.py."""
    (tmp_path / "refunds.py").write_text(REFUND)
    return lambda *words, by=run, **more: by(tmp_path, "run", "refunds.py::refund", *words, "--id", "r", **more)


class TestCommand:
    def test_answers_are_piped(self, command: Callable[..., Any]) -> None:
        done = command("A-17", typed="a fine\nr too late\n")
        assert (done.code, done.out) == (0, '"reject by somebody 2 of group:finance: too late"\n')
        # It is asked as soon as the request is there: the step that opens it may still be under way.
        assert done.err.replace("r:2 open_request: resolved\n", "") == (
            "r refund: ready\n"
            "r:1 approval: waiting, until TIME (Refund A-17?)\n"
            f"{CARD}"
            "You answer as ana. A key, and what you have to say: a fine\n"
            "ana: approve fine\n"
            "  a  Approve\n"
            "  r  Reject  (with a reason)\n"
            "You answer as somebody 2 of group:finance. A key, and what you have to say: r too late\n"
            "r:1 approval: resolved (Refund A-17?)\n"
            "r:3 read_decision: resolved\n"
            "r refund: resolved\n"
        )

    def test_answers_are_typed(self, command: Callable[..., Any]) -> None:
        prompt = "what you have to say: "
        dialogue = [(prompt, "a fine\n"), (prompt, "r\n"), ("Your reason: ", "too late\n")]
        done = command("A-17", by=run_in_terminal, dialogue=dialogue)
        assert done.code == 0
        assert CARD in done.err
        end = done.err[done.err.rindex("✓ refund: resolved") :]
        assert end == (
            "✓ refund: resolved  r\n"
            "├── ✓ approval: resolved (Refund A-17?)  :1\n"
            "├── ✓ open_request: resolved  :2\n"
            "└── ✓ read_decision: resolved  :3\n"
            '"reject by somebody 2 of group:finance: too late"\n'
        )

    def test_the_deadline_may_be_faster(self, command: Callable[..., Any]) -> None:
        done = command("A-17", "1s", by=run_in_terminal)
        assert done.code == 0
        assert "This is not asked any more." in done.err
        assert done.err.endswith('"reject by None: "\n')

    def test_without_anybody_the_deadline_decides(self, command: Callable[..., Any]) -> None:
        assert command("A-17", "1s").out == '"reject by None: "\n'

    def test_ctrl_c_tells_what_was_pending(self, command: Callable[..., Any]) -> None:
        done = command("A-17", by=run_in_terminal, dialogue=[("say: ", "\x03")])
        assert done.code == 130
        assert done.err.endswith(
            "Interrupted. Nothing is kept of r. What was pending:\n  r:1 approval: waiting, until TIME (Refund A-17?)\n"
        )


def test_a_worker_loads_nothing_of_it() -> None:
    program = "import approvals, sys; assert not {'rich', 'workflows.terminal.screen', 'django'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, check=True, timeout=60)
