"""Three workflows that wait for people: an expense claim, a refund, and a release of several services.

Here is only the course of events. What they decide by is in claims.py, repayments.py and releases.py (pure functions),
what they write is in ledger.py, repayments.py and fleet.py (steps).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from typing_extensions import TypedDict

from approvals import (
    Decision,
    OpenRequest,
    Outcome,
    after,
    approval,
    approve,
    facts,
    metric,
    n_of,
    reject,
    request_changes,
    requester,
    table,
)
from examples.claims import Claim, claim_read, claimant_problems
from examples.fleet import DatabaseFleet, Fleet, MemoryFleet
from examples.ledger import DatabaseLedger, Ledger, MemoryLedger, receipt_text
from examples.releases import NotNewer, is_green, release_problems
from examples.repayments import DatabaseDesk, Desk, Letter, MemoryDesk, Payment, drafted, redrafted, repayment_problems
from workflows import Context, Exponential, PromiseCanceled, PromiseTimeout, workflow

FREE = Decimal("100.00")  # up to this total nobody is asked
CHECKS_TIME = timedelta(hours=24)
PROMOTION = Exponential(non_retryable=(NotNewer,))


class ExpenseResult(TypedDict):
    """How a claim ended. `total` is that of the lines in order; `problems` name the lines that are not."""

    status: Literal["booked", "rejected", "invalid"]
    total: str
    problems: list[str]


RepaymentStatus = Literal["paid", "rejected", "lapsed", "withdrawn", "invalid"]


class RepaymentResult(TypedDict):
    """How a refund ended: what was paid and how ('' for nothing), by the letter that was approved."""

    status: RepaymentStatus
    amount: str
    method: str
    problems: list[str]


ReleaseStatus = Literal["released", "rejected", "failed", "rolled_back", "invalid"]


class ReleaseResult(TypedDict):
    """How a release ended: the services that run the new version now, and why not all of them do."""

    status: ReleaseStatus
    version: str
    promoted: list[str]
    rolled_back: list[str]
    problems: list[str]


@workflow
async def expense(ctx: Context, claimant: str, csv: str) -> ExpenseResult:
    """Check an expense claim, ask finance if it is above 100.00, book it once, and write a receipt.

    `claimant` is the user name of whoever gets the money; `csv` has the columns date, category, description
    and amount.
    """
    ledger: Ledger = ctx.services.get("ledger") or (DatabaseLedger() if ctx.is_durable else MemoryLedger())
    today = (await ctx.now()).date()
    # A step, so that what is booked is what was approved, even if the rules change in the meantime.
    claim = await ctx.run(claim_read, csv, today)
    if problems := claimant_problems(claimant) + claim.problems:
        return {"status": "invalid", "total": str(claim.total), "problems": problems}
    approved_by = ""
    if claim.total > FREE:
        decision = await ask_finance(ctx, claimant, claim)
        if not decision:
            return {"status": "rejected", "total": str(claim.total), "problems": []}
        approved_by = decision.by or ""
    # The rows and the record that they are written commit together: exactly once, whatever crashes when.
    await ctx.options(atomic=True).run(ledger.book, ctx.info.id, claimant, claim)
    text = receipt_text(ctx.info.id, claimant, claim, approved_by, today)
    await ctx.options(atomic=True).run(ledger.write_receipt, ctx.info.id, claimant, claim.total, approved_by, text)
    return {"status": "booked", "total": str(claim.total), "problems": []}


async def ask_finance(ctx: Context, claimant: str, claim: Claim) -> Decision:
    """One of finance decides; neither the claimant nor whoever sent the claim in."""
    starter = ctx.info.requester
    return await approval(
        ctx,
        f"Pay {claim.total} to {claimant}?",
        to="group:finance",
        requester=claimant,
        never=[requester(), *([f"user:{starter}"] if starter else [])],
        show=[
            metric("Total", claim.total),
            facts(claimant=claimant, lines=len(claim.lines)),
            table([asdict(line) for line in claim.lines]),
        ],
    )


@workflow
async def repay(ctx: Context, customer: str, amount: Decimal, reason: str = "") -> RepaymentResult:
    """Refund a customer: finance corrects the drafted letter and says how the money goes back, or wants another draft.

    `amount` has at most two decimals; `reason` goes into the letter.
    """
    desk: Desk = ctx.services.get("desk") or (DatabaseDesk() if ctx.is_durable else MemoryDesk())
    if problems := repayment_problems(customer, amount, reason):
        return repayment_result("invalid", problems=problems)
    letter = await ctx.run(drafted, customer, amount, reason)
    request = await ask_for_repayment(ctx, letter)
    while (decision := await request).outcome == "request_changes":
        letter = await ctx.run(redrafted, letter, decision.comment)
        request = await request.resubmit(propose=letter, note="The letter was drafted again.")
    if not decision:
        return repayment_result(how_it_ended(decision), problems=[decision.comment] if decision.comment else [])
    approved: Letter = decision.value  # as it was corrected, amount and all
    payment: Payment = decision.input
    method = await ctx.options(atomic=True).run(desk.pay, ctx.info.id, approved, payment, decision.by or "")
    return repayment_result("paid", amount=str(approved.amount), method=method)


async def ask_for_repayment(ctx: Context, letter: Letter) -> OpenRequest:
    """One of finance decides, and may correct the amount and the text."""
    return await approval.open(
        ctx,
        f"Refund {letter.amount} to {letter.customer}?",
        to="group:finance",
        never=requester(),
        propose=letter,
        editable=["amount", "text"],
        form=Payment,
        outcomes=[approve("Refund"), request_changes(), reject()],
        timeout=after("14d", then=Outcome("lapsed", "It lapses")),
    )


def how_it_ended(decision: Decision) -> RepaymentStatus:
    """Why nothing is paid."""
    if decision.timed_out:
        return "lapsed"
    return "withdrawn" if decision.canceled else "rejected"


def repayment_result(
    status: RepaymentStatus, *, amount: str = "", method: str = "", problems: Sequence[str] = ()
) -> RepaymentResult:
    return {"status": status, "amount": amount, "method": method, "problems": list(problems)}


@workflow
async def release(ctx: Context, version: str, services: list[str]) -> ReleaseResult:
    """Release a version of some services: two of sre agree, the CI is green, then all are promoted or none.

    `version` is a semantic version, newer than what the services run; `services` are their names.
    """
    fleet: Fleet = ctx.services.get("fleet") or (DatabaseFleet() if ctx.is_durable else MemoryFleet())
    if problems := release_problems(version, services):
        return release_result("invalid", version, problems=problems)
    running = await ctx.run(fleet.running, services)
    decision = await ask_sre(ctx, version, running)
    if not decision:
        return release_result("rejected", version, problems=[decision.comment] if decision.comment else [])
    if problem := await ci_verdict(ctx, fleet, version):
        return release_result("failed", version, problems=[problem])
    return await promote_all(ctx, fleet, version, services)


async def ask_sre(ctx: Context, version: str, running: Mapping[str, str]) -> Decision:
    """Two of sre decide."""
    return await approval(
        ctx,
        f"Release {version} to production?",
        to=n_of(2, "group:sre"),
        show=[
            facts(version=version, services=len(running)),
            table(
                [(name, now or "-", version) for name, now in running.items()],
                ["service", "runs now", "then"],
            ),
        ],
    )


async def ci_verdict(ctx: Context, fleet: Fleet, version: str) -> str:
    """Wait for the CI to call back: '' when it is green, else what is wrong."""
    checks = ctx.promise(timeout=CHECKS_TIME, data={"checks": version})
    await checks.created()  # stored before anyone learns its address
    await ctx.options(atomic=True).run(fleet.announce, ctx.info.id, version, checks.callback_url)
    try:
        verdict = await checks
    except PromiseTimeout:
        return f"The CI did not report within {CHECKS_TIME // timedelta(hours=1)} hours."
    except PromiseCanceled:
        return "Nobody waits for the CI any more: its promise was canceled."
    except Exception as error:
        return f"The CI reports: {error}"
    return "" if is_green(verdict) else f"The CI reports: {verdict!r:.200}"


async def promote_all(ctx: Context, fleet: Fleet, version: str, services: Sequence[str]) -> ReleaseResult:
    """Promote the services in parallel; if one fails, take the others back, the last named first."""
    run = ctx.info.id
    promotions = [
        ctx.options(atomic=True, retry=PROMOTION, id=f"promote-{name}").run(fleet.promote, run, name, version)
        for name in services
    ]
    outcomes = await asyncio.gather(*promotions, return_exceptions=True)
    problems = [str(outcome) for outcome in outcomes if isinstance(outcome, BaseException)]
    promoted = [
        name for name, outcome in zip(services, outcomes, strict=True) if not isinstance(outcome, BaseException)
    ]
    if not problems:
        return release_result("released", version, promoted=promoted)
    for name in reversed(promoted):
        await ctx.options(atomic=True, id=f"roll-back-{name}").run(fleet.roll_back, run, name)
    return release_result("rolled_back", version, rolled_back=promoted[::-1], problems=problems)


def release_result(
    status: ReleaseStatus,
    version: str,
    *,
    promoted: Sequence[str] = (),
    rolled_back: Sequence[str] = (),
    problems: Sequence[str] = (),
) -> ReleaseResult:
    return {
        "status": status,
        "version": version,
        "promoted": list(promoted),
        "rolled_back": list(rolled_back),
        "problems": list(problems),
    }
