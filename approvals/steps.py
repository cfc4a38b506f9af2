"""`await approval(ctx, ...)`: a workflow asks people and waits, for as long as it takes, without holding anything.

Built from the context's own primitives: a latent promise, a step that opens the request once the promise exists, and
a step that reads the answer. The answer is read from what `approval_decide` recorded, not believed from the promise's
value, which other holders of the promise could have written.

A runner without Django provides who answers as `services["approvals"]` (see `testing.py`).
"""

from collections.abc import Generator, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol

from approvals.answers import Decision
from approvals.blocks import Block
from approvals.cards import Card, card
from approvals.durations import After
from approvals.outcomes import Outcome
from promises.times import to_ms
from workflows.context import Context
from workflows.errors import PromiseCanceled, PromiseTimeout, RemoteError, WorkflowError
from workflows.operations import DurableFuture
from workflows.stores.base import Store

TAG = "countersign:approval"


class Answerer(Protocol):
    """Whoever carries requests to people and answers back. `keeps_deadlines`: it settles the promise when a request's
    time is over; else the promise's own deadline does."""

    keeps_deadlines: bool

    def bind(self, store: Store) -> None:
        """Told where the promises are, before the first request."""

    def open_request(self, promise_id: str, execution_id: str, workflow: str, card: dict[str, Any]) -> str:
        """Show the request to those it asks; opening it again changes nothing. Returns its id."""

    def read_decision(self, promise_id: str) -> Decision:
        """What was decided, once the promise has settled."""


class DurableAnswerer:
    """The people who sign in: requests are rows, and `approvals.operations` writes them."""

    keeps_deadlines = True

    def bind(self, store: Store) -> None:
        pass

    def open_request(self, promise_id: str, execution_id: str, workflow: str, card: dict[str, Any]) -> str:
        from approvals import operations
        from promises.times import now_ms

        opened = operations.approval_open(promise_id, card, execution_id=execution_id, workflow=workflow, now=now_ms())
        return str(opened.id)

    def read_decision(self, promise_id: str) -> Decision:
        from approvals import operations
        from promises.times import now_ms

        return operations.approval_answer(promise_id, now=now_ms())


DURABLE = DurableAnswerer()


class OpenRequest:
    """A request that people can see. Awaiting it gives the Decision."""

    def __init__(self, ctx: Context, answerer: Answerer, promise: "DurableFuture[Any]", id: str) -> None:
        self._ctx, self._answerer, self._promise = ctx, answerer, promise
        self.id = id
        self.path = f"/approvals/{id}/"

    def __await__(self) -> Generator[Any, None, Decision]:
        return self._decide().__await__()

    async def _decide(self) -> Decision:
        # Whatever settled the promise, what counts is what was recorded.
        with suppress(PromiseTimeout, PromiseCanceled, RemoteError):
            await self._promise
        decision: Decision = await self._ctx.run(self._answerer.read_decision, self._promise.id)
        return decision


class Approval:
    """See `__call__` and `open`; workflows use the one instance, `approval`."""

    async def __call__(self, ctx: Context, question: str, **asked: Any) -> Decision:
        """Ask people, and wait for their decision; the arguments are those of `open`."""
        return await (await self.open(ctx, question, **asked))

    async def open(
        self,
        ctx: Context,
        question: str,
        *,
        to: Any,
        show: Iterable[Block] = (),
        outcomes: Iterable[Outcome | str] | None = None,
        risk: str = "medium",
        timeout: After | None = None,  # noqa: ASYNC109 (of the request, not of this call)
        requester: str | None = None,
        never: Any = (),
    ) -> OpenRequest:
        """Ask people, and go on: the request is durable and visible when this returns. Await it for the decision.

        to: whom, as a principal ("user:ana", "group:finance", "permission:app.codename"), a list of them of which one
        is enough, a requirement (`n_of(2, "group:sre")`) or a Policy. never: whom not, although they belong to those
        (`requester()`, "user:ana"). requester: in whose name it is asked; who started the execution unless given.
        show: blocks. outcomes: approve and reject unless given. timeout: `after("24h", then="reject")`; without it the
        request waits as long as the execution lives.

        Errors: InvalidCard, InvalidPolicy.
        """
        asked = card(
            question,
            to=to,
            show=show,
            outcomes=outcomes,
            risk=risk,
            timeout=timeout,
            requester=ctx.info.requester if requester is None else requester,
            never=never,
        )
        answerer = _answerer(ctx)
        deadline = None if answerer.keeps_deadlines else await _time_left(ctx, asked)
        promise = ctx.promise(timeout=deadline, data={"question": asked.title}, tags={TAG: "1"})
        answerer.bind(promise.activation.store)
        await promise.created()  # nobody can answer before the answer has a place
        origin, workflow = ctx.info.origin_id, ctx.info.func_name
        id = await ctx.run(answerer.open_request, promise.id, origin, workflow, asked.to_json())
        return OpenRequest(ctx, answerer, promise, id)


async def _time_left(ctx: Context, asked: Card) -> timedelta | None:
    """From now until the deadline of a request that is about to be opened."""
    if asked.timeout_ms is None:
        return None
    if not asked.timeout_calendar:
        return timedelta(milliseconds=asked.timeout_ms)
    now = to_ms(await ctx.now())
    return timedelta(milliseconds=(asked.deadline_from(now) or now) - now)


def _answerer(ctx: Context) -> Answerer:
    found: Answerer | None = ctx.services.get("approvals")
    if found is None and not ctx.is_durable:
        raise WorkflowError(
            'Nobody here can answer an approval: run the workflow with services={"approvals": Humans(...)} '
            "from approvals.testing."
        )
    return found or DURABLE


approval = Approval()
