"""Calls in a body: what `run`, `rpc`, `detached`, `sleep` and the others give, and which arguments they take."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, assert_type
from uuid import UUID

from workflows import Context, DurableFuture, Exponential, step, workflow


@dataclass
class Quote:
    shop: str
    price: Decimal


def load(claim_id: int, *, fresh: bool = False) -> list[str]:
    return [str(claim_id)] * (2 if fresh else 1)


async def fetch(shop: str) -> Quote:
    return Quote(shop, Decimal(1))


@step(name="old_name")
def renamed(claim_id: int) -> list[str]:
    return [str(claim_id)]


class Ledger:
    def book(self, quote: Quote) -> UUID:
        return UUID(int=len(quote.shop))


@workflow
async def quoted(ctx: Context, shop: str) -> Quote:
    return await ctx.run(fetch, shop)


@workflow(name="renamed", version=2, queue="slow")
async def versioned(ctx: Context, amount: Decimal) -> None:
    await ctx.sleep(timedelta(days=1))


async def helper(ctx: Context, shop: str) -> Quote:
    return assert_type(await quoted(ctx, shop), Quote)


@workflow
async def results(ctx: Context) -> None:
    assert_type(ctx.run(load, 7), DurableFuture[list[str]])
    assert_type(await ctx.run(load, 7, fresh=True), list[str])
    assert_type(await ctx.run(renamed, 7), list[str])
    assert_type(await ctx.run(fetch, "ada"), Quote)
    assert_type(await ctx.run(Ledger().book, Quote("ada", Decimal(1))), UUID)
    assert_type(await ctx.run(lambda: 3), int)
    assert_type(await ctx.run(quoted, "ada"), Quote)
    assert_type(await ctx.rpc(quoted, "ada"), Quote)
    assert_type(await ctx.rpc("quoted", "ada"), Any)
    assert_type(await ctx.detached(quoted, "ada"), Quote)
    assert_type(await ctx.detached("quoted", 1, 2, three=4), Any)
    assert_type(await ctx.run(versioned, Decimal(3)), None)
    assert_type(await ctx.sleep(timedelta(hours=1)), None)
    assert_type(await ctx.promise(timeout=timedelta(hours=1)), Any)
    assert_type(await ctx.promise().created(), str)
    assert_type(ctx.promise().callback_url, str)
    assert_type(await ctx.now(), datetime)
    assert_type(await ctx.random(), float)
    assert_type(await ctx.uuid4(), UUID)


@workflow
async def options_keep_the_types(ctx: Context) -> None:
    patient = ctx.options(timeout=timedelta(minutes=5), retry=Exponential(), atomic=True, id="load", tags={"a": "b"})
    assert_type(await patient.run(load, 7), list[str])
    assert_type(await ctx.options(target="celery://slow", version=1).rpc(quoted, "ada"), Quote)


@workflow
async def at_once(ctx: Context) -> None:
    assert_type(await asyncio.gather(ctx.run(load, 7), ctx.rpc(quoted, "ada")), tuple[list[str], Quote])
    quotes = [ctx.rpc(quoted, shop) for shop in ("ada", "bea")]
    assert_type([await quote for quote in quotes], list[Quote])
    assert_type(await ctx.first(ctx.rpc(quoted, "ada"), ctx.sleep(timedelta(days=1))), Quote | None)
    assert_type(await ctx.first(ctx.rpc(quoted, "ada"), ctx.run(load, 7), ctx.uuid4()), Quote | list[str] | UUID)
    assert_type(await ctx.first(*quotes), Quote)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(helper(ctx, "ada"))
    assert_type(task.result(), Quote)


@workflow
async def refused(ctx: Context) -> None:
    await ctx.run(renamed, "seven")  # E: call-overload reportCallIssue reportArgumentType
    await ctx.run(load, "seven")  # E: call-overload reportCallIssue reportArgumentType
    await ctx.run(load)  # E: call-overload reportCallIssue
    await ctx.run(load, 7, stale=True)  # E: call-arg arg-type reportCallIssue
    await ctx.run(fetch, 7)  # E: call-overload reportCallIssue reportArgumentType
    await ctx.run(quoted, 7)  # E: call-overload reportCallIssue
    await ctx.rpc(quoted, 7)  # E: call-overload reportCallIssue reportArgumentType
    await ctx.rpc(load, 7)  # E: call-overload reportCallIssue reportArgumentType
    await ctx.detached(quoted)  # E: call-overload reportCallIssue
    await ctx.options(retry=3).run(load, 7)  # E: arg-type reportArgumentType
    await ctx.options(timeout=5).run(load, 7)  # E: arg-type reportArgumentType
    await ctx.first(load(7))  # E: call-overload reportArgumentType
    await ctx.sleep(5)  # E: arg-type reportArgumentType
    (await ctx.run(load, 7)).shop  # E: attr-defined reportUnknownMemberType reportAttributeAccessIssue
    count: int = await ctx.run(fetch, "ada")  # E: call-overload reportAssignmentType
    await quoted("ada")  # E: call-arg arg-type reportCallIssue
    del count
