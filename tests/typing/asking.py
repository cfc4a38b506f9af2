"""What asking people gives, for the type checkers: what goes in as a type comes out as that type."""

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from typing import assert_type

from pydantic import BaseModel

from approvals import Decision, ItemDecision, OpenRequest, approval, approve_each, ask, choose, needs_approval
from workflows import Context, workflow


class Window(BaseModel):
    hours: int


class Speed(Enum):
    SLOW = "slow"


@needs_approval(to="group:finance", question="Pay {amount}?")
def pay(payee: str, amount: Decimal) -> bool:
    return True


@needs_approval(to="group:finance")
async def wire(payee: str) -> int:
    return 1


@needs_approval(to="group:finance")
@workflow
async def drop(ctx: Context, name: str) -> str:
    return name


async def body(ctx: Context, windows: Sequence[Window]) -> None:
    assert_type(await approval(ctx, "Pay?", to="group:finance"), Decision)
    request = await approval.open(ctx, "Pay?", to="group:finance")
    assert_type(request, OpenRequest)
    assert_type(await request, Decision)
    assert_type(await request.revise(propose=1), bool)
    assert_type(await request.withdraw(), bool)
    assert_type(await request.resubmit(), OpenRequest)
    assert_type(await ask(ctx, Window, "When?", to="user:ana"), Window)
    assert_type(await ask(ctx, int, "How many?", to="user:ana"), int)
    assert_type(await choose(ctx, "Which?", windows, to="user:ana"), Window)
    assert_type(await choose(ctx, "Which?", Speed, to="user:ana"), Speed)
    assert_type(await choose(ctx, "Which?", {"cheap": Decimal(1)}, to="user:ana"), Decimal)
    assert_type(await approve_each(ctx, windows, to="user:ana"), list[ItemDecision[Window]])
    assert_type(await ctx.run(pay, "ana", Decimal(1)), bool)
    assert_type(await ctx.run(wire, "ana"), int)
    assert_type(await ctx.run(drop, "it"), str)
    ctx.run(pay, "ana", 1.5)  # E: call-overload reportCallIssue
    ctx.run(drop)  # E: call-overload reportCallIssue
    assert_type(await ask(ctx, Window, "When?", to="user:ana"), str)  # E: assert-type reportAssertTypeFailure
