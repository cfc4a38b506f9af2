"""`await approval(ctx, ...)`: the same workflow with people who sign in, and with virtual ones in memory."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from approvals import (
    Decision,
    Outcome,
    Policy,
    after,
    approval,
    approve,
    calendar_register,
    facts,
    n_of,
    operations,
    reject,
    requester,
)
from approvals.calendars import moment_after
from approvals.errors import AlreadyDecided, InvalidCard, NotEligible
from approvals.models import ApprovalRequest
from approvals.testing import Humans
from promises import store
from promises.times import now_ms, to_ms
from promises.values import Value
from workflows import Context, executions, local, registry, workflow
from workflows.errors import WorkflowError
from workflows.executor import execute
from workflows.stores.durable import DurableStore
from workflows.testing import Playground

Work = Callable[[str], str]
Result = dict[str, Any]


def told(decision: Decision) -> Result:
    return {
        "yes": bool(decision),
        "outcome": decision.outcome,
        "by": decision.by,
        "comment": decision.comment,
        "timed_out": decision.timed_out,
        "canceled": decision.canceled,
        "approvers": decision.approvers,
        "waited": decision.waited is not None,
    }


async def buy(ctx: Context, total: int) -> Result:
    return told(await approval(ctx, f"Buy for {total}?", to="group:finance", show=[facts(total=total)]))


async def ship(ctx: Context) -> Result:
    outcomes = [approve("Ship"), Outcome("canary"), reject(comment="optional")]
    policy = Policy("prod", stages=[n_of(2, "group:sre")], never=[requester()])
    return told(await approval(ctx, "Ship?", to=policy, outcomes=outcomes, risk="high"))


async def hurry(ctx: Context) -> Result:
    return told(await approval(ctx, "Quick?", to="user:bob", timeout=after("1s", then="approve")))


async def unhurried(ctx: Context) -> Result:
    timeout = after("16h", then="reject", calendar="office")
    return told(await approval(ctx, "By tomorrow?", to="user:bob", timeout=timeout))


async def both(ctx: Context) -> list[bool]:
    first = await approval.open(ctx, "First?", to="user:bob")
    second = await approval.open(ctx, "Second?", to="user:bob")
    return [bool(await second), bool(await first)]


async def wrong(ctx: Context) -> None:
    await approval(ctx, "Pay?", to="bob")


@pytest.fixture(autouse=True)
def _workflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_functions", dict(registry._functions))
    for function in (buy, ship, hurry, unhurried, both, wrong):
        workflow(function)


@pytest.fixture
def work() -> Work:
    """Carries an execution on as far as it goes."""
    return lambda execution_id: execute(DurableStore(), execution_id)


def start(name: str, *args: Any) -> "executions.Handle[Any]":
    return executions.start(name, args, id=f"{name}-1", requester="ana")[0]


def only_request() -> ApprovalRequest:
    return ApprovalRequest.objects.get()


# -- people who sign in ----------------------------------------------------------------------------------------------


def test_a_workflow_waits_for_a_person_and_goes_on(people: dict[str, User], work: Work) -> None:
    handle = start("buy", 12)
    assert work(handle.id) == "suspended"
    request = only_request()
    assert (request.title, request.requester, request.workflow) == ("Buy for 12?", "ana", "buy")
    assert request.execution_id == handle.id
    operations.approval_decide(
        request.pk, actor=people["bob"], outcome="approve", comment="fine", channel="page", now=now_ms()
    )
    assert work(handle.id) == "fulfilled"
    assert handle.result(timeout=1) == {
        "yes": True,
        "outcome": "approve",
        "by": "bob",
        "comment": "fine",
        "timed_out": False,
        "canceled": False,
        "approvers": ["bob"],
        "waited": True,
    }


def test_silence_is_no_approval_even_when_it_approves(people: dict[str, User], work: Work) -> None:
    handle = start("hurry")
    work(handle.id)
    operations.approvals_expire(now_ms() + 2_000)
    work(handle.id)
    result = handle.result(timeout=1)
    assert (result["yes"], result["outcome"], result["timed_out"], result["by"]) == (False, "approve", True, None)


def test_an_answer_written_to_the_promise_by_hand_is_not_believed(people: dict[str, User], work: Work) -> None:
    handle = start("buy", 12)
    work(handle.id)
    forged = Value.of({"outcome": "approve", "by": "bob", "kind": "approve"})
    store.promise_settle(only_request().promise_id, "resolved", forged, now=now_ms())
    work(handle.id)
    result = handle.result(timeout=1)
    assert (result["yes"], result["canceled"]) == (False, True)
    assert only_request().closed_because == "settled_outside"


def test_a_withdrawn_request_is_a_decision_that_is_canceled(people: dict[str, User], work: Work) -> None:
    handle = start("buy", 12)
    work(handle.id)
    operations.approval_withdraw(only_request().pk, by="ana", reason="", channel="page", now=now_ms())
    work(handle.id)
    assert handle.result(timeout=1)["canceled"] is True


def test_canceling_the_execution_closes_its_request(people: dict[str, User], work: Work) -> None:
    handle = start("buy", 12)
    work(handle.id)
    handle.cancel()
    operations.approvals_expire(now_ms())
    assert only_request().state == "canceled"


def test_two_requests_can_be_open_at_once(people: dict[str, User], work: Work) -> None:
    handle = start("both")
    work(handle.id)
    for request in ApprovalRequest.objects.order_by("-title"):
        operations.approval_decide(request.pk, actor=people["bob"], outcome="approve", channel="page", now=now_ms())
        work(handle.id)
    assert handle.result(timeout=1) == [True, True]


def test_an_audience_that_names_nobody_fails_the_workflow_with_its_reason(people: dict[str, User], work: Work) -> None:
    handle = start("wrong")
    work(handle.id)
    with pytest.raises(Exception, match="names nobody"):
        handle.result(timeout=1)


# -- virtual people --------------------------------------------------------------------------------------------------


def run(name: str, humans: Humans, *args: Any) -> Any:
    return local.run(registry.get(name), *args, requester="ana", services={"approvals": humans})


def test_the_same_workflow_runs_in_memory_with_virtual_people() -> None:
    humans = Humans(finance=["bob"])
    humans.auto(lambda request: ("approve", "as always"))
    result = run("buy", humans, 12)
    assert (result["yes"], result["by"], result["comment"]) == (True, "bob", "as always")


def test_virtual_people_obey_the_policy() -> None:
    humans = Humans(sre=["ana", "dave", "erin"])
    humans.auto(lambda request: "approve")
    assert run("ship", humans)["approvers"] == ["dave", "erin"]
    humans.auto(lambda request: "canary")
    result = run("ship", humans)
    assert (result["yes"], result["outcome"]) == (False, "canary")


def test_people_that_nobody_named_are_invented_for_auto() -> None:
    humans = Humans()
    humans.auto(lambda request: "approve")
    assert len(run("ship", humans)["approvers"]) == 2


def test_the_deadline_answers_in_memory_too() -> None:
    result = run("hurry", Humans(users=["bob"]))
    assert (result["yes"], result["outcome"], result["timed_out"], result["by"]) == (False, "approve", True, None)


def test_a_deadline_in_working_time_is_the_same_in_memory_and_in_the_database(
    people: dict[str, User], work: Work
) -> None:
    calendar_register("office")  # nine to five, UTC
    friday = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
    play = Playground(friday, services={"approvals": Humans(users=["bob"])})
    assert play.run(registry.get("unhurried"))["timed_out"]
    assert play.promise("r").settled_at == to_ms(datetime(2026, 11, 30, 17, 0, tzinfo=UTC))
    work(start("unhurried").id)
    request = only_request()
    assert request.deadline_at == moment_after(request.opened_at, timedelta(hours=16), "office")


@pytest.fixture
def waiting() -> Iterator[tuple[Humans, dict[str, Any]]]:
    """A workflow that waits in another thread, and where its result appears."""
    humans, found = Humans(finance=["bob", "carol"]), {}
    thread = threading.Thread(target=lambda: found.update(run("buy", humans, 12)))
    thread.start()
    with humans.opened:
        humans.opened.wait_for(lambda: humans.requests, timeout=5)
    yield humans, found
    thread.join(timeout=5)
    assert found


def test_a_test_can_answer_for_somebody(waiting: tuple[Humans, dict[str, Any]]) -> None:
    humans, _found = waiting
    request = humans["bob"].inbox.one("Buy*")
    assert humans["ana"].inbox == []
    with pytest.raises(NotEligible):
        humans["ana"].reads(request).approve()
    request.reject("too dear")
    with pytest.raises(AlreadyDecided):
        humans["carol"].reads(request).approve()


def test_without_anybody_to_answer_local_mode_says_what_is_missing() -> None:
    with pytest.raises(WorkflowError, match=r"approvals\.testing"):
        local.run(registry.get("buy"), 12)


def test_a_mistake_in_the_question_is_told_to_the_author() -> None:
    with pytest.raises((InvalidCard, WorkflowError), match="names nobody"):
        local.run(registry.get("wrong"), services={"approvals": Humans()})
