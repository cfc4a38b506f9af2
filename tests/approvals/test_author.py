"""What an author can write, in one process with virtual people: forms, proposals, revisions, and questions that are no
yes or no. Types go in, and the same types come out."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, model_validator

from approvals import (
    Decision,
    File,
    NotAnswered,
    NotApproved,
    Outcome,
    accepts,
    after,
    approval,
    approve,
    approve_each,
    ask,
    choose,
    facts,
    n_of,
    needs_approval,
    reject,
    request_changes,
)
from approvals.errors import CommentRequired, InvalidCard, InvalidInput, RequestChanged, UnknownOutcome
from approvals.questions import ITEMS_LIMIT
from approvals.testing import Answer, Humans
from workflows import Context, Workflow, local, registry, workflow
from workflows.testing import Playground, crash_everywhere


class Speed(Enum):
    SLOW = "slow"
    FAST = "fast"


class Window(BaseModel):
    opens: date
    note: str = ""


class Deploy(BaseModel):
    budget: Annotated[Decimal, Field(gt=0, decimal_places=2)]
    speed: Speed
    windows: list[Window] = Field(min_length=1)
    mode: Literal["blue", "green"] = "blue"


class Canary(BaseModel):
    percent: int = Field(ge=1, le=50)


class Range(BaseModel):
    """A rule that no JSON Schema can express."""

    low: int
    high: int

    @model_validator(mode="after")
    def in_order(self) -> "Range":
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


@dataclass
class Letter:
    to: str
    amount: Decimal
    body: str


DEPLOY = {"budget": "12.50", "speed": "fast", "windows": [{"opens": "2026-02-01"}]}


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_functions", dict(registry._functions))


@pytest.fixture
def humans() -> Humans:
    return Humans(finance=["bob", "carol", "gus"], users=["ana"])


@pytest.fixture
def play(humans: Humans) -> Playground:
    return Playground(services={"approvals": humans})


@pytest.fixture
def seen() -> list[Any]:
    """What a body wants to show a test besides its result, in its own types."""
    SEEN.clear()
    return SEEN


SEEN: list[Any] = []


def started(play: Playground, body: Any, *args: Any) -> None:
    play.start(workflow(body), *args)
    play.work()


# -- forms -----------------------------------------------------------------------------------------------------------


async def deploy(ctx: Context) -> str:
    outcomes = [approve("Ship"), Outcome("canary", "5 % first", form=Canary), reject()]
    decision = await approval(ctx, "Deploy?", to="group:finance", outcomes=outcomes, form=Deploy)
    SEEN.append(decision)
    return decision.outcome


def test_the_input_comes_back_as_the_form(play: Playground, humans: Humans, seen: list[Decision]) -> None:
    started(play, deploy)
    humans["bob"].inbox.one("Deploy?").approve("go", input=DEPLOY)
    play.work()
    (decision,) = seen
    assert decision.input == Deploy(budget=Decimal("12.50"), speed=Speed.FAST, windows=[Window(opens=date(2026, 2, 1))])
    assert type(decision.input.budget) is Decimal
    assert decision.ballots[0].input == decision.input
    assert bool(decision)


def test_an_instance_of_the_form_is_an_answer_too(play: Playground, humans: Humans, seen: list[Decision]) -> None:
    given = Deploy(budget=Decimal("0.10"), speed=Speed.SLOW, windows=[Window(opens=date(2026, 3, 1))], mode="green")
    started(play, deploy)
    humans["bob"].inbox.one().approve(input=given)
    play.work()
    assert seen[0].input == given


def test_an_outcome_may_have_a_form_of_its_own(play: Playground, humans: Humans, seen: list[Decision]) -> None:
    started(play, deploy)
    humans["bob"].inbox.one().decide("canary", input={"percent": 5})
    play.work()
    assert seen[0].input == Canary(percent=5)
    assert not seen[0]


def test_a_no_needs_no_form(play: Playground, humans: Humans, seen: list[Decision]) -> None:
    started(play, deploy)
    with pytest.raises(InvalidInput, match="no input"):
        humans["bob"].inbox.one().reject("no", input=DEPLOY)
    humans["bob"].inbox.one().reject("no")
    play.work()
    assert (seen[0].outcome, seen[0].input) == ("reject", None)


@pytest.mark.parametrize(
    ("given", "pointers"),
    [
        (None, {"/input"}),
        ({}, {"/input/budget", "/input/speed", "/input/windows"}),
        (DEPLOY | {"budget": "0"}, {"/input/budget"}),
        (DEPLOY | {"budget": 12.5}, {"/input/budget"}),
        (DEPLOY | {"budget": "1.234"}, {"/input/budget"}),
        (DEPLOY | {"speed": "warp", "mode": "red"}, {"/input/speed", "/input/mode"}),
        (DEPLOY | {"windows": []}, {"/input/windows"}),
        (DEPLOY | {"windows": [{"opens": "tomorrow"}]}, {"/input/windows/0/opens"}),
        (DEPLOY | {"sped": "fast"}, {"/input/sped"}),
    ],
)
def test_what_does_not_fit_is_told_by_field_and_asked_again(
    play: Playground, humans: Humans, given: Any, pointers: set[str]
) -> None:
    started(play, deploy)
    with pytest.raises(InvalidInput) as refused:
        humans["bob"].inbox.one().approve(input=given)
    assert {error.pointer for error in refused.value.fields} == pointers
    humans["bob"].inbox.one().approve(input=DEPLOY)
    play.work()
    assert play.result() == "approve"


def test_a_missing_comment_is_told_with_all_else_that_is_missing(play: Playground, humans: Humans) -> None:
    async def strict(ctx: Context) -> None:
        await approval(ctx, "Sure?", to="user:bob", outcomes=[approve(comment="required")], form=Canary)

    started(play, strict)
    with pytest.raises(InvalidInput) as refused:
        humans["bob"].inbox.one().approve(input={})
    assert {error.pointer for error in refused.value.fields} == {"/comment", "/input/percent"}
    with pytest.raises(CommentRequired):
        humans["bob"].inbox.one().approve(input={"percent": 5})


async def bounded(ctx: Context) -> str:
    decision = await approval(ctx, "Which range?", to="group:finance", form=Range)
    SEEN.append(decision)
    return f"{decision.input.low} to {decision.input.high}"


def test_what_only_the_type_refuses_is_asked_again_and_kills_nothing(play: Playground, humans: Humans) -> None:
    started(play, bounded)
    humans["bob"].inbox.one().approve(input={"low": 5, "high": 1})
    play.work()
    again = humans["carol"].inbox.one("Which range?")
    assert "low is above high" in again.card.note
    first, second = humans.requests.values()
    assert second.card.previous == first.id
    again.approve(input={"low": 1, "high": 5})
    play.work()
    assert play.result() == "1 to 5"


async def schema(ctx: Context) -> Any:
    form = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    return (await approval(ctx, "How many?", to="user:bob", form=form)).input


def test_a_json_schema_is_a_form_and_its_input_stays_json(play: Playground, humans: Humans) -> None:
    started(play, schema)
    with pytest.raises(InvalidInput, match="At least 1"):
        humans["bob"].inbox.one().approve(input={"n": 0})
    humans["bob"].inbox.one().approve(input={"n": 2})
    play.work()
    assert play.result() == {"n": 2}


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"type": "strong"}, "no usable JSON Schema"),
        ({"$ref": "https://example.com/schema"}, "outside"),
        ({"$ref": "#"}, "without end"),
        ({"pattern": "("}, "regex"),
        ({"properties": {"a": {"pattern": r"(a)\1"}}}, "not supported"),
        ({"patternProperties": {"a": {}}}, "not supported"),
        ({"properties": {"a": {"$ref": "#/$defs/gone"}}}, "does not define"),
        ({"description": "x" * 70_000}, "larger than 64 kB"),
        (Playground, "is no form"),
    ],
)
def test_a_form_that_cannot_be_frozen_is_a_mistake_of_the_author(form: Any, reason: str) -> None:
    async def mistaken(ctx: Context) -> None:
        await approval(ctx, "?", to="user:bob", form=form)

    with pytest.raises(Exception, match=reason):
        local.run(workflow(mistaken), services={"approvals": Humans()})


async def patterned(ctx: Context) -> Any:
    form = {"type": "object", "properties": {"pattern": {"type": "string", "pattern": "^(a+)+$"}}}
    return (await approval(ctx, "Which letters?", to="user:bob", form=form)).input


def test_a_pattern_takes_no_longer_than_its_text(play: Playground, humans: Humans) -> None:
    started(play, patterned)
    with pytest.raises(InvalidInput, match="not in the form"):
        humans["bob"].inbox.one().approve(input={"pattern": "a" * 5000 + "!"})
    humans["bob"].inbox.one().approve(input={"pattern": "aaa"})
    play.work()
    assert play.result() == {"pattern": "aaa"}


class Receipts(BaseModel):
    invoice: Annotated[File, accepts("application/pdf", max_bytes=100)]
    others: list[File] = []


async def collect(ctx: Context) -> str:
    files = await ask(ctx, Receipts, "The invoice, please", to="user:bob")
    return f"{files.invoice.name} {files.invoice.size} {(await ctx.run(files.invoice.read)).decode()}"


def test_a_file_is_an_input_of_limited_size_and_type(play: Playground, humans: Humans) -> None:
    bob = humans["bob"]
    started(play, collect)
    for wrong, reason in [
        (bob.upload("a.pdf", b"%PDF-" + b"x" * 200, "application/pdf"), "larger than"),
        (bob.upload("a.txt", b"hello", "text/plain"), "not accepted"),
        (File(id="data:text/plain;base64,AAAA"), "not been uploaded"),
    ]:
        with pytest.raises(InvalidInput, match=reason):
            bob.inbox.one().decide("answer", input={"invoice": wrong})
    with pytest.raises(InvalidInput, match="not what its type says"):
        bob.upload("a.pdf", b"GIF89a", "application/pdf")
    right = bob.upload("../in voice.pdf", b"%PDF-1.7", "application/pdf")
    bob.inbox.one().decide("answer", input={"invoice": {"id": right.id, "name": "another.exe"}})
    play.work()
    assert play.result() == "in voice.pdf 8 %PDF-1.7"


# -- proposals -------------------------------------------------------------------------------------------------------

DRAFT = Letter("ana", Decimal("12.50"), "Dear Ana")


async def letter(ctx: Context) -> str:
    decision = await approval(
        ctx, "Send?", to="group:finance", propose=DRAFT, editable=["amount", "body"], outcomes=["approve", "reject"]
    )
    SEEN.append(decision)
    return decision.outcome


def test_what_nobody_corrects_comes_back_as_it_was_proposed(
    play: Playground, humans: Humans, seen: list[Decision]
) -> None:
    started(play, letter)
    humans["bob"].inbox.one().approve()
    play.work()
    assert seen[0].value is DRAFT


def test_a_correction_comes_back_in_the_types_of_the_proposal(
    play: Playground, humans: Humans, seen: list[Decision]
) -> None:
    started(play, letter)
    asked = humans["bob"].inbox.one()
    asked.approve(edits={"amount": Decimal("10.00"), "body": "Hello"})
    play.work()
    (decision,) = seen
    assert decision.value == Letter("ana", Decimal("10.00"), "Hello")
    assert type(decision.value.amount) is Decimal
    assert decision.digest != asked.digest  # what is decided is what was corrected
    assert bool(decision)


def test_a_plain_proposal_keeps_the_types_of_its_parts(play: Playground, humans: Humans, seen: list[Decision]) -> None:
    async def plain(ctx: Context) -> None:
        proposed = {
            "amount": Decimal("1.10"),
            "on": date(2026, 1, 1),
            "speed": Speed.FAST,
            "lines": [Window(opens=date(2026, 1, 2))],
        }
        SEEN.append(await approval(ctx, "Pay?", to="user:bob", propose=proposed, editable=True))

    started(play, plain)
    edits = {
        "amount": "2.20",
        "on": "2026-02-02",
        "speed": "slow",
        "lines": [{"opens": "2026-03-03"}, {"opens": "2026-04-04"}],
    }
    humans["bob"].inbox.one().approve(edits=edits)
    play.work()
    assert seen[0].value == {
        "amount": Decimal("2.20"),
        "on": date(2026, 2, 2),
        "speed": Speed.SLOW,
        "lines": [Window(opens=date(2026, 3, 3)), Window(opens=date(2026, 4, 4))],
    }


@pytest.mark.parametrize(
    ("outcome", "edits", "pointer", "reason"),
    [
        ("approve", {"to": "bob"}, "/value/to", "cannot be changed"),
        ("approve", {"cc": "bob"}, "/value/cc", "cannot be changed"),
        ("approve", {"amount": "a lot"}, "/value/amount", "A number"),
        ("approve", "Dear", "/value", "cannot be changed"),
        ("reject", {"body": "Hi"}, "/value", "goes with an approval"),
    ],
)
def test_only_what_is_editable_can_be_corrected_and_only_to_what_fits(
    play: Playground, humans: Humans, outcome: str, edits: Any, pointer: str, reason: str
) -> None:
    started(play, letter)
    with pytest.raises(InvalidInput, match=reason) as refused:
        humans["bob"].inbox.one().decide(outcome, "so", edits=edits)
    assert refused.value.fields[0].pointer == pointer


def test_nothing_can_be_corrected_where_nothing_is_proposed(play: Playground, humans: Humans) -> None:
    started(play, deploy)
    with pytest.raises(InvalidInput, match="nothing here"):
        humans["bob"].inbox.one().approve(input=DEPLOY, edits={"a": 1})


def test_a_correction_among_several_voids_what_was_said_before(
    play: Playground, humans: Humans, seen: list[Decision]
) -> None:
    async def two(ctx: Context) -> None:
        SEEN.append(await approval(ctx, "Send?", to=n_of(2, "group:finance"), propose=DRAFT, editable=["body"]))

    started(play, two)
    asked = [humans[name].inbox.one() for name in ("bob", "carol", "gus")]
    asked[0].approve("fine")
    asked[1].approve(edits={"body": "Better"})
    assert not seen
    with pytest.raises(RequestChanged) as stale:
        asked[2].approve()  # gus has read the first version
    assert [change.to_json() for change in stale.value.changes] == [
        {"op": "replace", "path": "/proposal/value/body", "old": "Dear Ana", "value": "Better"}
    ]
    humans["bob"].inbox.one().approve("this, too")
    play.work()
    assert seen[0].value == Letter("ana", Decimal("12.50"), "Better")
    assert seen[0].approvers == ["carol", "bob"]


def test_editable_names_what_the_proposal_has() -> None:
    async def wrong(ctx: Context) -> None:
        await approval(ctx, "?", to="user:bob", propose=DRAFT, editable=["subject"])

    with pytest.raises(InvalidCard, match="subject"):
        local.run(workflow(wrong), services={"approvals": Humans()})


# -- revisions -------------------------------------------------------------------------------------------------------


def draft(number: int) -> dict[str, Any]:
    return {"text": f"draft {number}", "cost": Decimal(number)}


async def revised(ctx: Context) -> str:
    request = await approval.open(ctx, "Publish?", to=n_of(2, "group:finance"), propose=draft(1))
    changed = ctx.promise(tags={"news": "1"})
    await changed
    is_asked = await request.revise(propose=draft(2), show=[facts(changed="yes")], question="Publish this?")
    decision = await request
    SEEN.append((is_asked, decision))
    return decision.outcome


def test_a_revision_is_a_new_version_whose_ballots_are_its_own(
    play: Playground, humans: Humans, seen: list[Any]
) -> None:
    started(play, revised)
    old = humans["carol"].inbox.one("Publish?")
    humans["bob"].inbox.one().approve()
    play.settle("r:3")
    play.work()
    (request,) = humans.requests.values()
    assert (request.version, request.ballots, len(request.versions[0][1])) == (2, [], 1)
    with pytest.raises(RequestChanged) as stale:
        old.approve()
    assert {change.path for change in stale.value.changes} >= {"/title", "/proposal/value/text", "/blocks/0"}
    for name in ("bob", "carol"):
        humans[name].inbox.one("Publish this?").approve()
    play.work()
    is_asked, decision = seen[0]
    assert is_asked
    assert decision.value == draft(2)
    assert decision.digest == request.card.digest != old.digest


def test_a_revision_that_comes_too_late_changes_nothing(play: Playground, humans: Humans, seen: list[Any]) -> None:
    started(play, revised)
    for name in ("bob", "carol"):
        humans[name].inbox.one().approve()
    play.settle("r:3")
    play.work()
    is_asked, decision = seen[0]
    assert not is_asked
    assert decision.value == draft(1)
    assert bool(decision)


async def withdrawn(ctx: Context) -> list[Any]:
    request = await approval.open(ctx, "Publish?", to="group:finance")
    await ctx.promise()
    done = await request.withdraw("superseded")
    decision = await request
    return [done, decision.canceled, decision.approved, decision.comment, decision.by]


def test_a_request_that_is_withdrawn_is_a_canceled_decision_with_the_reason(play: Playground, humans: Humans) -> None:
    started(play, withdrawn)
    play.settle("r:3")
    play.work()
    assert play.result() == [True, True, False, "superseded", None]
    assert humans["bob"].inbox == []


def test_withdrawing_what_is_decided_leaves_the_decision(play: Playground, humans: Humans) -> None:
    started(play, withdrawn)
    humans["bob"].inbox.one().approve("fine")
    play.settle("r:3")
    play.work()
    assert play.result() == [False, False, True, "fine", "bob"]


async def reworked(ctx: Context) -> list[Any]:
    asked = [approve(), request_changes(), reject()]
    request = await approval.open(ctx, "Publish?", to="group:finance", propose=draft(1), outcomes=asked)
    rounds = 1
    while (decision := await request).outcome == "request_changes":
        rounds += 1
        request = await request.resubmit(propose=draft(rounds), note=f"because you said: {decision.comment}")
    return [decision.outcome, rounds, decision.value["text"], (await request).by]


def test_changes_are_requested_and_it_is_submitted_again(play: Playground, humans: Humans) -> None:
    started(play, reworked)
    with pytest.raises(CommentRequired):
        humans["bob"].inbox.one().decide("request_changes")
    humans["bob"].inbox.one().decide("request_changes", "shorter")
    play.work()
    again = humans["carol"].inbox.one()
    first, second = humans.requests.values()
    assert (again.card.note, second.card.previous) == ("because you said: shorter", first.id)
    again.approve()
    play.work()
    assert play.result() == ["approve", 2, "draft 2", "carol"]


# -- deadlines and outcomes ------------------------------------------------------------------------------------------


async def hurried(ctx: Context, then: Any) -> list[Any]:
    decision = await approval(ctx, "Quick?", to="group:finance", timeout=after("1h", then=then), form=Canary)
    return [decision.outcome, decision.timed_out, decision.approved, decision.by, decision.input]


async def lapsing(ctx: Context) -> list[Any]:
    return await hurried(ctx, Outcome("expired", "It expires"))


def test_the_deadline_may_give_an_outcome_of_its_own(play: Playground, humans: Humans) -> None:
    started(play, lapsing)
    asked = humans["bob"].inbox.one()
    with pytest.raises(UnknownOutcome):
        asked.decide("expired", input={"percent": 5})
    play.advance("61m")
    assert play.result() == ["expired", True, False, None, None]


def test_a_deadline_that_names_nothing_that_is_offered_is_a_mistake() -> None:
    with pytest.raises(Exception, match="does not offer"):
        local.run(workflow(hurried), "expred", services={"approvals": Humans()})


@pytest.mark.parametrize("wrong", [{"tone": "loud"}, {"kind": "maybe"}, {"comment": "perhaps"}])
def test_an_outcome_is_checked_when_it_is_written(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidCard):
        Outcome("canary", **wrong)


def test_the_tone_follows_the_kind_unless_it_is_given() -> None:
    tones = [
        approve().tone,
        reject().tone,
        request_changes().tone,
        Outcome("x").tone,
        Outcome("x", tone="positive").tone,
    ]
    assert tones == ["positive", "negative", "neutral", "neutral", "positive"]


# -- ask, choose, approve_each ---------------------------------------------------------------------------------------


async def asking(ctx: Context) -> str:
    window = await ask(ctx, Window, "When?", to="user:bob")
    count = await ask(ctx, int, "How many?", to="user:bob", timeout=after("1h", then=7))
    return f"{window.opens:%d.%m.} {count + 1}"


def test_asking_gives_an_instance_of_the_form(play: Playground, humans: Humans) -> None:
    started(play, asking)
    humans["bob"].inbox.one("When?").decide("answer", input={"opens": "2026-05-04"})
    play.work()
    with pytest.raises(InvalidInput):
        humans["bob"].inbox.one("How many?").decide("answer", input="3")
    humans["bob"].inbox.one("How many?").decide("answer", input=3)
    play.work()
    assert play.result() == "04.05. 4"


def test_the_deadline_of_a_question_names_its_answer(play: Playground, humans: Humans) -> None:
    started(play, asking)
    humans["bob"].inbox.one("When?").decide("answer", input={"opens": "2026-05-04"})
    play.advance("2h")
    assert play.result() == "04.05. 8"


async def unanswered(ctx: Context) -> str:
    request = ask(ctx, int, "How many?", to="user:bob")
    try:
        return str(await request)
    except NotAnswered as error:
        return f"nobody: {error}"


def test_a_question_that_is_closed_has_no_answer(play: Playground, humans: Humans) -> None:
    started(play, unanswered)
    (promise_id,) = humans.requests
    humans.withdraw_request(promise_id, "never mind")
    play.work()
    assert play.result() == "nobody: never mind"


async def choosing(ctx: Context) -> list[Any]:
    suppliers = [Letter("ACME GmbH", Decimal(1), ""), Letter("42 Ltd", Decimal(2), "")]
    chosen = await choose(
        ctx, "Which supplier?", suppliers, to=n_of(2, "group:finance"), label=lambda letter: letter.to
    )
    speed = await choose(ctx, "How fast?", Speed, to="user:bob")
    cost = await choose(
        ctx, "Cost?", {"Cheap": Decimal(1), "Dear": Decimal(9)}, to="user:bob", timeout=after("1h", then=Decimal(9))
    )
    SEEN.extend([chosen is suppliers[1], speed, cost])
    return [chosen.to, speed, cost]


def test_choosing_gives_the_option_itself_and_counts_votes_by_option(
    play: Playground, humans: Humans, seen: list[Any]
) -> None:
    started(play, choosing)
    offered = humans["bob"].inbox.one().card.offered
    assert [(o.name, o.label) for o in offered] == [("acme_gmbh", "ACME GmbH"), ("option_2", "42 Ltd")]
    for name, outcome in [("bob", "acme_gmbh"), ("carol", "option_2"), ("gus", "option_2")]:
        humans[name].inbox.one("Which*").decide(outcome)
    play.work()
    humans["bob"].inbox.one("How*").decide("fast")
    play.work()
    play.advance("2h")
    assert seen == [True, Speed.FAST, Decimal(9)]


def test_there_must_be_something_to_choose_from() -> None:
    async def nothing(ctx: Context) -> None:
        await choose(ctx, "?", [], to="user:bob")

    with pytest.raises(InvalidCard, match="1 to"):
        local.run(workflow(nothing), services={"approvals": Humans()})


CALLS = [{"tool": "mail", "to": "ana"}, {"tool": "pay", "to": "bob"}]


async def each(ctx: Context, policy: Any) -> list[Any]:
    timeout = after("1h", then="reject")
    found = await approve_each(ctx, CALLS, to=policy, label=lambda call: call["tool"], editable=["to"], timeout=timeout)
    SEEN.extend(found)
    return [[bool(item), item.outcome, item.by, item.comment, item.item["to"], item.timed_out] for item in found]


def test_every_item_has_an_answer_of_its_own(play: Playground, humans: Humans) -> None:
    started(play, each, "group:finance")
    asked = humans["bob"].inbox.one("Approve each*")
    with pytest.raises(InvalidInput) as refused:
        asked.decide("answer", input=[{"outcome": "approve"}, {"outcome": "reject"}])
    assert [error.pointer for error in refused.value.fields] == ["/input/1/comment"]
    with pytest.raises(InvalidInput):
        asked.decide("answer", input=[{"outcome": "approve"}])
    with pytest.raises(InvalidInput, match="One of: approve, reject"):
        asked.decide("answer", input=[{"outcome": "approve"}, {"outcome": "maybe"}])
    answers = [{"outcome": "approve"}, {"outcome": "reject", "comment": "too dear"}]
    asked.decide("answer", input=answers, edits=[{"to": "eve"}, {}])
    play.work()
    assert play.result() == [
        [True, "approve", "bob", "", "eve", False],
        [False, "reject", "bob", "too dear", "bob", False],
    ]


def test_an_item_is_approved_when_everybody_approves_it(play: Playground, humans: Humans) -> None:
    started(play, each_of_two)
    humans["bob"].inbox.one().decide("answer", input=[{"outcome": "approve"}, {"outcome": "approve"}])
    humans["carol"].inbox.one().decide(
        "answer", input=[{"outcome": "reject", "comment": "not this"}, {"outcome": "approve"}]
    )
    play.work()
    first, second = play.result()
    assert first[:4] == [False, "reject", "carol", "not this"]
    assert second[:2] == [True, "approve"]


async def each_of_two(ctx: Context) -> list[Any]:
    return await each(ctx, n_of(2, "group:finance"))


def test_items_that_nobody_answers_get_the_outcome_that_was_named(play: Playground, humans: Humans) -> None:
    started(play, each, "group:finance")
    play.advance("2h")
    assert play.result() == [
        [False, "reject", None, "", "ana", True],
        [False, "reject", None, "", "bob", True],
    ]


def test_many_items_fit_into_one_request(play: Playground, humans: Humans) -> None:
    async def many(ctx: Context, count: int) -> int:
        items = [{"id": number, "what": "x" * 60} for number in range(count)]
        return len(await approve_each(ctx, items, to="user:bob", label=lambda item: str(item["what"])))

    started(play, many, ITEMS_LIMIT)
    humans["bob"].inbox.one().decide("answer", input=[{"outcome": "approve"}] * ITEMS_LIMIT)
    play.work()
    assert play.result() == ITEMS_LIMIT
    with pytest.raises(InvalidCard, match="in portions"):
        play.run(workflow(many), ITEMS_LIMIT + 1, id="too-many")


def test_no_items_ask_nobody(play: Playground, humans: Humans) -> None:
    async def none(ctx: Context) -> list[Any]:
        return list(await approve_each(ctx, [], to="user:bob"))

    started(play, none)
    assert play.result() == []
    assert not humans.requests


# -- guards ----------------------------------------------------------------------------------------------------------

PAID: list[tuple[str, Decimal]] = []


@needs_approval(to="group:finance", question="Pay {amount} to {payee}?", editable=["amount"], never="requester")
def pay(payee: str, amount: Decimal = Decimal(1)) -> str:
    PAID.append((payee, amount))
    return f"paid {amount}"


async def paying(ctx: Context) -> str:
    try:
        return await ctx.run(pay, "ana", amount=Decimal("12.50"))
    except NotApproved as error:
        return str(error)


@pytest.fixture
def paid() -> list[tuple[str, Decimal]]:
    PAID.clear()
    return PAID


def test_a_guarded_step_runs_when_it_is_approved_as_it_was_approved(
    play: Playground, humans: Humans, paid: list[Any]
) -> None:
    started(play, paying)
    assert not paid
    asked = humans["bob"].inbox.one("Pay 12.50 to ana?")
    asked.approve(edits={"amount": "10.00"})
    play.work()
    assert play.result() == "paid 10.00"
    assert paid == [("ana", Decimal("10.00"))]


def test_a_guarded_step_that_is_refused_does_not_run(play: Playground, humans: Humans, paid: list[Any]) -> None:
    started(play, paying)
    humans["bob"].inbox.one().reject("too dear")
    play.work()
    assert play.result() == "pay was not approved: too dear (bob)"
    assert not paid


def test_a_guarded_workflow_cannot_be_started_around_the_question(play: Playground, humans: Humans) -> None:
    @needs_approval(to="group:finance", question=lambda name: f"Drop {name}?", show=lambda name: [facts(name=name)])
    @workflow(name="drop", version=3, queue="slow", priority=5)
    async def drop(ctx: Context, name: str) -> str:
        return f"dropped {name}"

    assert isinstance(drop, Workflow)
    assert registry.get("drop") is drop
    assert (drop.version, drop.queue, drop.priority) == (3, "slow", 5)
    play.start(registry.get("drop"), "the table")
    play.work()
    asked = humans["bob"].inbox.one("Drop the table?")
    assert asked.card.blocks[0]["items"] == [{"label": "Name", "value": "the table"}]
    asked.approve()
    play.work()
    assert play.result() == "dropped the table"


def test_a_body_is_guarded_above_its_workflow() -> None:
    with pytest.raises(TypeError, match="above its @workflow"):

        @needs_approval(to="group:finance")
        async def body(ctx: Context) -> None: ...


# -- crashes ---------------------------------------------------------------------------------------------------------


def people(answer: Any) -> Any:
    def services() -> dict[str, Any]:
        humans = Humans(finance=["bob", "carol", "gus"])
        humans.auto(answer)
        return {"approvals": humans}

    return services


async def eventful(ctx: Context) -> list[Any]:
    """Everything that writes: revise, a late withdraw, changes that are requested, an answer that is asked again."""
    request = await approval.open(ctx, "Publish?", to="user:nobody-in-time", propose=draft(1))
    first = await request.revise(propose=draft(2))
    gone = await request.withdraw("superseded")
    decision = await request
    low = await approval(ctx, "Range?", to="group:finance", form=Range, propose=draft(3), editable=True)
    many = await approve_each(ctx, CALLS, to="group:finance")
    return [first, gone, decision.canceled, low.input.high, low.value["text"], [bool(item) for item in many]]


def eventful_answer(request: Any) -> Any:
    if request.title == "Publish?":
        return None
    if request.title == "Range?":
        good = bool(request.card.note)
        return Answer("approve", input={"low": 1 if good else 9, "high": 5}, edits={"text": "edited"})
    return Answer("answer", input=[{"outcome": "approve"}, {"outcome": "reject", "comment": "no"}])


def test_every_step_of_an_author_survives_a_crash_anywhere() -> None:
    result = crash_everywhere(workflow(eventful), services=people(eventful_answer))
    assert result == [True, True, True, 5, "edited", [True, False]]


async def reworked_by_itself(ctx: Context) -> list[Any]:
    return await reworked(ctx)


def test_resubmissions_survive_a_crash_anywhere() -> None:
    def answer(request: Any) -> Any:
        return "approve" if request.card.proposal.value["text"] == "draft 3" else ("request_changes", "again")

    result = crash_everywhere(workflow(reworked_by_itself), services=people(answer))
    assert result[:3] == ["approve", 3, "draft 3"]


def test_guards_survive_a_crash_anywhere(paid: list[Any]) -> None:
    assert crash_everywhere(workflow(paying), services=people(lambda request: "approve")) == "paid 12.50"
