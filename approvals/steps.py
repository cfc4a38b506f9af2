"""`await approval(ctx, ...)`: a workflow asks people and waits, for as long as it takes, without holding anything.

Built from the context's own primitives: a latent promise, a step that opens the request once the promise exists, and
a step that reads the answer. The answer is read from what `approval_decide` recorded, not believed from the promise's
value, which other holders of the promise could have written.

A runner without Django provides who answers as `services["approvals"]` (see `testing.py`).
"""

from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from approvals import proposals, schemas
from approvals.answerers import DURABLE, Answerer
from approvals.answers import Decision
from approvals.blocks import Block, blocks_check
from approvals.cards import Card, card, card_check
from approvals.durations import After
from approvals.errors import ApprovalError, InvalidCard, InvalidInput
from approvals.outcomes import Outcome, outcomes_of
from promises.times import to_ms
from workflows.context import Context
from workflows.errors import PromiseCanceled, PromiseTimeout, RemoteError, WorkflowError, portable
from workflows.operations import DurableFuture
from workflows.retries import Exponential
from workflows.terminal.answerers import answerers

TAG = "countersign:approval"
UNCHANGED: Any = object()  # what a revision does not mention

portable(InvalidCard)
answerers["approvals"] = "approvals.terminal.people:PeopleAtTerminal"

# A mistake in the request does not get better by itself.
_RETRY = Exponential(jitter=0.2, non_retryable=(ApprovalError,))


@dataclass(frozen=True, slots=True)
class Question:
    """What the author asked: the card, and what it does not hold, the types in which the answer comes back. `forms` are
    those of the outcomes, by name; `form` that of the request."""

    card: Card
    form: Any = None
    forms: Mapping[str, Any] | None = None
    propose: Any = None

    def typed(self, decision: Decision) -> Decision:
        """The decision with its value and input in the author's types, and so the ballots for its outcome. Errors:
        InvalidInput, when they refuse what the schema accepted."""
        ballots = tuple(
            replace(ballot, input=self._loaded(ballot.outcome, ballot.input))
            if ballot.outcome == decision.outcome
            else ballot
            for ballot in decision.ballots
        )
        input = self._loaded(decision.outcome, decision.input)
        return replace(decision, input=input, value=self.typed_value(decision), ballots=ballots)

    def typed_value(self, decision: Decision) -> Any:
        """The decided proposal as the author's own type. Errors: InvalidInput."""
        return None if decision.value is None else proposals.restored(decision.value, self.propose)

    def but(
        self, *, question: str | None = None, propose: Any = UNCHANGED, show: Any = UNCHANGED, **more: Any
    ) -> "Question":
        """The same, with what is given in its place. Errors: InvalidCard."""
        if question is not None:
            more["title"] = question
        if show is not UNCHANGED:
            more["blocks"] = tuple(blocks_check(list(show)))
        if propose is UNCHANGED:
            return replace(self, card=card_check(replace(self.card, **more)))
        editable = self.card.proposal.editable if self.card.proposal else ()
        more["proposal"] = proposals.proposal_of(propose, editable)
        return replace(self, card=card_check(replace(self.card, **more)), propose=propose)

    def _loaded(self, outcome: str, input: Any) -> Any:
        form = (self.forms or {}).get(outcome, self.form)
        return None if input is None else schemas.load(form, input)


class OpenRequest:
    """A request that people can see. Awaiting it gives the Decision, as often as one likes."""

    def __init__(
        self, ctx: Context, answerer: Answerer, promise: "DurableFuture[Any]", id: str, question: Question
    ) -> None:
        self._ctx, self._answerer, self._promise, self._question = ctx, answerer, promise, question
        self._revisions = 0
        self._decision: Decision | None = None
        self.id = id
        self.path = f"/approvals/{id}/"

    @property
    def url(self) -> str:
        """The address of its page."""
        return self._answerer.url(self.path)

    def __await__(self) -> Generator[Any, None, Decision]:
        return self._decide().__await__()

    async def revise(
        self, *, question: str | None = None, propose: Any = UNCHANGED, show: Iterable[Block] = UNCHANGED
    ) -> bool:
        """Ask something else instead, while it is open: a new version begins, the ballots of the old one are void, and
        who had read that one is shown what changed. False when the request was closed before; then awaiting it gives
        what was decided.

        Errors: InvalidCard.
        """
        revised = self._question.but(question=question, propose=propose, show=show)
        self._revisions += 1
        is_asked = await self._step(
            self._answerer.revise_request, self._promise.id, self._revisions, revised.card.to_json()
        )
        if is_asked:
            self._question = revised
        return bool(is_asked)

    async def withdraw(self, reason: str = "") -> bool:
        """Take the question back: its decision is `canceled`, with the reason as its comment. False when people, or the
        deadline, were faster."""
        return bool(await self._step(self._answerer.withdraw_request, self._promise.id, reason))

    async def resubmit(
        self,
        *,
        question: str | None = None,
        propose: Any = UNCHANGED,
        show: Iterable[Block] = UNCHANGED,
        note: str = "",
    ) -> "OpenRequest":
        """Ask again after a decision, most often after `request_changes`: a new request to the same people, that shows
        what changed since the one before. `note` is what the author has to say to it.

        Errors: InvalidCard.
        """
        revised = self._question.but(question=question, propose=propose, show=show, previous=self.id, note=note)
        return await open_request(self._ctx, revised)

    async def _decide(self) -> Decision:
        request = self
        while self._decision is None:
            decision = await request._answer()
            try:
                self._decision = request._question.typed(decision)
            except InvalidInput as refused:
                request = await request._ask_again(decision, refused)
        return self._decision

    async def _ask_again(self, decision: Decision, refused: InvalidInput) -> "OpenRequest":
        """What the form's own type refuses is no fault of the workflow: people are told, and asked once more."""
        propose = UNCHANGED
        with suppress(InvalidInput):
            propose = self._question.typed_value(decision)
        return await self.resubmit(propose=UNCHANGED if propose is None else propose, note=refused.sentence)

    async def _answer(self) -> Decision:
        # Whatever settled the promise, what counts is what was recorded.
        with suppress(PromiseTimeout, PromiseCanceled, RemoteError):
            await self._promise
        decision: Decision = await self._step(self._answerer.read_decision, self._promise.id)
        return decision

    def _step(self, fn: Any, *args: Any) -> "DurableFuture[Any]":
        return self._ctx.options(retry=_RETRY).run(fn, *args)


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
        form: Any = None,
        propose: Any = None,
        editable: Iterable[str] | bool = (),
        risk: str = "medium",
        timeout: After | None = None,  # noqa: ASYNC109 (of the request, not of this call)
        requester: str | None = None,
        never: Any = (),
    ) -> OpenRequest:
        """Ask people, and go on: the request is durable and visible when this returns. Await it for the decision.

        to: whom, as a principal ("user:ana", "group:finance", "permission:app.codename"), a list of them of which one
        is enough, a requirement (`n_of(2, "group:sre")`) or a Policy. never: whom not, although they belong to those
        (`requester()`, "user:ana"). requester: in whose name it is asked; who started the execution unless given.
        show: blocks. outcomes: approve and reject unless given. form: what to fill in, a pydantic model (or any type
        that pydantic knows) or a JSON Schema; a no does not need it. propose: what is proposed; editable: the fields of
        it that people may correct, True for all. timeout: `after("24h", then="reject")`; without it the request waits
        as long as the execution lives.

        Errors: InvalidCard, InvalidPolicy.
        """
        answers = outcomes_of(outcomes)
        asked = card(
            question,
            to=to,
            show=show,
            outcomes=answers,
            form=form,
            propose=propose,
            editable=editable,
            risk=risk,
            timeout=timeout,
            requester=ctx.info.requester if requester is None else requester,
            never=never,
        )
        forms = {outcome.name: outcome.form for outcome in answers if outcome.form is not None}
        return await open_request(ctx, Question(asked, form, forms, propose))


async def open_request(ctx: Context, question: Question) -> OpenRequest:
    """Make the promise, then the request."""
    asked, answerer = question.card, _answerer(ctx)
    deadline = None if answerer.keeps_deadlines else await _time_left(ctx, asked)
    promise = ctx.promise(timeout=deadline, data={"question": asked.title}, tags={TAG: "1"})
    answerer.bind(promise.activation.store)
    await promise.created()  # nobody can answer before the answer has a place
    origin, workflow = ctx.info.origin_id, ctx.info.func_name
    step = ctx.options(retry=_RETRY).run(answerer.open_request, promise.id, origin, workflow, asked.to_json())
    return OpenRequest(ctx, answerer, promise, await step, question)


async def _time_left(ctx: Context, asked: Card) -> timedelta | None:
    """From now until the deadline of a request that is about to be opened."""
    if asked.timeout_ms is None:
        return None
    if not asked.timeout_calendar:
        return timedelta(milliseconds=asked.timeout_ms)
    now = to_ms(await ctx.now())
    return timedelta(milliseconds=(asked.deadline_from(now) or now) - now)


def _answerer(ctx: Context) -> Answerer:
    """Those who sign in, for whatever is durable: what a runner brings along answers in its own memory only."""
    if ctx.is_durable:
        return DURABLE
    found: Answerer | None = ctx.services.get("approvals")
    if found is None:
        raise WorkflowError(
            'Nobody here can answer an approval: run the workflow with services={"approvals": Humans(...)} '
            "from approvals.testing."
        )
    return found


approval = Approval()
