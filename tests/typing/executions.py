"""From outside: starting a workflow, the handle of its execution, and local mode."""

from datetime import timedelta
from pathlib import Path
from typing import Any, assert_type

from workflows import Context, Workflow, executions, local, workflow
from workflows.executions import Handle
from workflows.testing import Playground, assert_replays


@workflow
async def expense(ctx: Context, claim_id: int, *, note: str = "") -> dict[str, int]:
    return {note: claim_id}


@workflow
async def awkward(ctx: Context, id: int, requester: list[str]) -> None:
    """Its parameters have the names of options."""


assert_type(expense.name, str)
assert_type(expense.replaces("claim", version=1).start(42), Handle[dict[str, int]])


def started() -> None:
    assert_type(expense.start(42), Handle[dict[str, int]])
    assert_type(expense.start(42, note="trip"), Handle[dict[str, int]])
    assert_type(expense.start(42, id="expense-42"), Handle[dict[str, int]])
    assert_type(expense.start(42, requester="ana"), Handle[dict[str, int]])
    assert_type(expense.start(42, timeout=timedelta(days=30)), Handle[dict[str, int]])
    assert_type(expense.start(42, priority=5), Handle[dict[str, int]])
    assert_type(
        expense.start(42, note="trip", id="expense-42", requester="ana", timeout=timedelta(days=30)),
        Handle[dict[str, int]],
    )
    assert_type(expense.options(id="expense-42", requester="ana").start(42, note="trip"), Handle[dict[str, int]])
    assert_type(awkward.options(id="awkward-1").start(id=7, requester=["ana"]), Handle[None])


async def followed(handle: Handle[dict[str, int]]) -> None:
    assert_type(handle.id, str)
    assert_type(handle.result(timeout=5), dict[str, int])
    assert_type(await handle.aresult(), dict[str, int])
    assert_type(executions.get("expense-42").result(), Any)


def in_local_mode() -> None:
    assert_type(local.run(expense, 42, note="trip", id="expense-42"), dict[str, int])


async def in_async_local_mode() -> None:
    assert_type(await local.arun(expense, 42), dict[str, int])


def in_tests(play: Playground) -> None:
    assert_type(play.run(expense, 42), dict[str, int])
    assert_replays(expense, "history.json")
    assert_replays(expense, Path("history.json"), services={"ledger": object()})
    assert_replays(expense, play.history())


def refused() -> None:
    expense.replaces(expense)  # E: arg-type reportArgumentType
    assert_replays("expense", "history.json")  # E: arg-type reportArgumentType
    expense.start("forty-two")  # E: call-overload reportArgumentType
    expense.start()  # E: call-overload reportCallIssue
    expense.start(42, nota="trip")  # E: call-overload reportCallIssue
    expense.start(42, id=7)  # E: call-overload reportArgumentType
    expense.start(42, timeout=5)  # E: call-overload reportArgumentType
    expense.options(id="expense-42").start("forty-two")  # E: arg-type reportArgumentType
    expense.options(claim_id=42)  # E: call-arg reportCallIssue
    expense.start(42).result().shop  # E: attr-defined reportUnknownMemberType reportAttributeAccessIssue
    number: int = expense.start(42).result()  # E: assignment reportAssignmentType
    del number


@workflow  # E: arg-type reportArgumentType
def not_async(ctx: Context) -> int:
    return 1


@workflow  # E: arg-type reportArgumentType
async def without_a_context() -> int:
    return 1


@workflow(version="two")  # E: call-overload untyped-decorator reportArgumentType
async def worded(ctx: Context) -> int:
    return 1


def of_another_type() -> Workflow[[str], int]:
    return expense  # E: return-value reportReturnType
