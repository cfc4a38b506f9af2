"""The author's API on PostgreSQL: people who sign in, workers that die before and after every write, and the same types
in the end as in memory."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from pydantic import BaseModel, model_validator

from approvals import (
    approval,
    approve,
    approve_each,
    ask,
    choose,
    n_of,
    needs_approval,
    operations,
    reject,
    request_changes,
)
from approvals.models import ApprovalRequest, RequestVersion
from approvals.testing import Humans
from promises.models import Task
from promises.states import TaskState
from promises.times import now_ms
from workflows import Context, executions, registry, workflow
from workflows.executor import execute
from workflows.stores.durable import DurableStore
from workflows.testing import Crash, CrashingStore

People = dict[str, User]


class Range(BaseModel):
    low: int
    high: int

    @model_validator(mode="after")
    def in_order(self) -> "Range":
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


def draft(number: int) -> dict[str, Any]:
    return {"text": f"draft {number}", "cost": Decimal(number), "on": date(2026, 1, number)}


async def publish(ctx: Context) -> list[Any]:
    """Revised, corrected by the first of two, approved by both."""
    request = await approval.open(ctx, "Publish?", to=n_of(2, "group:sre"), propose=draft(1), editable=["text"])
    is_asked = await request.revise(propose=draft(2), question="Publish this?")
    decision = await request
    value = decision.value
    kinds = [type(value["cost"]).__name__, type(value["on"]).__name__]
    return [is_asked, value["text"], *kinds, decision.approvers, decision.digest]


async def rework(ctx: Context) -> list[Any]:
    """Withdrawn once, sent back once, refused by its own type once."""
    first = await approval.open(ctx, "Too early?", to="group:finance")
    gone = await first.withdraw("superseded")
    canceled = (await first).comment
    request = await approval.open(
        ctx, "Range?", to="group:finance", form=Range, outcomes=[approve(), request_changes(), reject()]
    )
    while (decision := await request).outcome == "request_changes":
        request = await request.resubmit(note=decision.comment)
    return [gone, canceled, decision.input.high, type(decision.input).__name__]


async def questions(ctx: Context) -> list[Any]:
    when = await ask(ctx, date, "When?", to="group:finance")
    which = await choose(ctx, "Which?", {"Cheap": Decimal("1.5"), "Dear": Decimal("9.5")}, to="group:finance")
    each = await approve_each(ctx, [draft(1), draft(2)], to="group:finance")
    return [when.year, str(which), [bool(item) for item in each]]


@needs_approval(to="group:finance", question="Pay {amount}?", editable=["amount"])
def pay(amount: Decimal) -> str:
    return f"paid {amount} ({type(amount).__name__})"


async def paying(ctx: Context) -> str:
    return await ctx.run(pay, Decimal("12.50"))


@pytest.fixture(autouse=True)
def _workflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_functions", dict(registry._functions))
    for function in (publish, rework, questions, paying):
        workflow(function)


# What people say to a request, by its question: (who, outcome, comment, input, corrections).
Said = tuple[str, str, str, Any, Any]


def answers(request: ApprovalRequest) -> list[Said]:
    match request.title:
        case "Publish this?":
            return [("dave", "approve", "", None, {"text": "better"}), ("erin", "approve", "", None, None)]
        case "Range?" if request.previous is None:
            return [("bob", "request_changes", "say more", None, None)]
        case "Range?" if request.note == "say more":
            return [("bob", "approve", "", {"low": 9, "high": 5}, None)]
        case "Range?":
            return [("carol", "approve", "", {"low": 1, "high": 5}, None)]
        case "When?":
            return [("bob", "answer", "", "2026-05-04", None)]
        case "Which?":
            return [("bob", "dear", "", None, None)]
        case "Approve each of these?":
            given = [{"outcome": "approve"}, {"outcome": "reject", "comment": "no"}]
            return [("bob", "answer", "", given, None)]
        case "Pay 12.50?":
            return [("bob", "approve", "", None, {"amount": "10.00"})]
    raise AssertionError(request.title)


def answer_all(people: People) -> int:
    """Everybody answers what is pending; returns how many requests that were."""
    pending = list(ApprovalRequest.objects.pending())
    for request in pending:
        for name, outcome, comment, input, value in answers(request):
            operations.approval_decide(
                request.pk,
                actor=people[name],
                outcome=outcome,
                comment=comment,
                input=input,
                value=value,
                channel="page",
                now=now_ms(),
            )
    return len(pending)


def run(name: str, people: People, *, at: int = 0, after: bool = False) -> tuple[Any, CrashingStore]:
    """A run to its end, in which the worker dies once; the lease of a dead worker lapses."""
    store = CrashingStore(DurableStore(), at, after=after)
    handle = executions.start(name, (), id=f"{name}-{at}-{after}", requester="ana")[0]
    for _ in range(30):
        try:
            execute(store, handle.id)
        except Crash:
            Task.objects.filter(state=TaskState.ACQUIRED).update(state=TaskState.PENDING)
            continue
        if not handle.promise().is_pending:
            return handle.result(timeout=1), store
        assert answer_all(people), "it waits for nobody"
    raise AssertionError("it does not end")


EXPECTED: dict[str, list[Any]] = {
    "publish": [True, "better", "Decimal", "date", ["dave", "erin"]],
    "rework": [True, "superseded", 5, "Range"],
    "questions": [2026, "9.5", [True, False]],
    "paying": ["paid 10.00 (Decimal)"],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_it_ends_the_same_wherever_the_worker_dies(people: People, name: str) -> None:
    def ended(**crash: Any) -> tuple[list[Any], int]:
        result, store = run(name, people, **crash)
        assert store.crashed or not crash
        return (result if isinstance(result, list) else [result])[: len(EXPECTED[name])], store.writes

    found, writes = ended()
    assert found == EXPECTED[name]
    for at in range(1, writes + 1):
        for after in (False, True):
            assert ended(at=at, after=after)[0] == EXPECTED[name], f"{'after' if after else 'before'} write {at}"


def test_the_workflow_gets_the_digest_of_what_was_decided(people: People) -> None:
    result, _store = run("publish", people)
    request = ApprovalRequest.objects.get()
    assert result[-1] == request.digest == request.decision.digest
    assert request.digest not in RequestVersion.objects.values_list("digest", flat=True)
    assert list(RequestVersion.objects.values_list("number", "replaced_by")) == [(1, ""), (2, "dave")]


def test_a_resubmission_names_the_request_that_it_follows(people: People) -> None:
    run("rework", people)
    asked = list(ApprovalRequest.objects.filter(title="Range?").order_by("opened_at"))
    assert [request.previous for request in asked] == [None, asked[0].pk, asked[1].pk]
    assert [request.note for request in asked][:2] == ["", "say more"]
    assert "low is above high" in asked[2].note


def test_virtual_people_cannot_answer_for_anything_durable(people: People) -> None:
    humans = Humans(finance=["bob"])
    humans.auto(lambda request: "approve")
    handle = executions.start("paying", (), id="real-1", requester="ana")[0]
    assert execute(DurableStore(), handle.id, services={"approvals": humans}) == "suspended"
    assert not humans.requests
    assert ApprovalRequest.objects.pending().count() == 1
