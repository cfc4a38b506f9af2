"""`@needs_approval`: a function that runs only after people have approved the call, with the arguments they saw."""

import copy
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature
from typing import Any, ParamSpec, TypeVar, overload

from approvals.answers import Decision
from approvals.blocks import Block
from approvals.durations import After
from approvals.errors import NotApproved
from approvals.steps import approval
from workflows import codec
from workflows.context import Context
from workflows.errors import portable
from workflows.registry import Workflow, registry
from workflows.steps import name_of

P = ParamSpec("P")
R = TypeVar("R")

portable(NotApproved)


@dataclass(frozen=True)
class Guard:
    """The decorator that `needs_approval` makes."""

    question: str | Callable[..., str]
    show: Iterable[Block] | Callable[..., Iterable[Block]]
    options: Mapping[str, Any]
    asked: Mapping[str, Any]

    @overload
    def __call__(self, fn: Workflow[P, R]) -> Workflow[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, Awaitable[R]]) -> Workflow[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R]) -> Workflow[P, R]: ...

    def __call__(self, fn: Any) -> Any:
        return self._workflow(fn) if isinstance(fn, Workflow) else self._step(fn)

    def _workflow(self, fn: Workflow[..., Any]) -> Workflow[..., Any]:
        @wraps(fn.fn)
        async def guarded(ctx: Context, *args: Any, **kwargs: Any) -> Any:
            args, kwargs = await self._approved(ctx, fn.name, fn.signature, args, kwargs)
            return await fn.fn(ctx, *args, **kwargs)

        found = copy.copy(fn)
        found.fn = found.__wrapped__ = guarded
        registry.add(found)  # in the place of the unguarded one: no way leads around the question
        return found

    def _step(self, fn: Callable[..., Any]) -> Workflow[..., Any]:
        name, signature = name_of(fn), codec.signature_of(fn)
        parameters = list(signature.parameters.values())
        if parameters and parameters[0].annotation is Context:
            raise TypeError(f"{fn.__qualname__} takes a context: write @needs_approval above its @workflow.")

        @wraps(fn)
        async def guarded(ctx: Context, *args: Any, **kwargs: Any) -> Any:
            args, kwargs = await self._approved(ctx, name, signature, args, kwargs)
            return await ctx.options(**self.options).run(fn, *args, **kwargs)

        context = Parameter("ctx", Parameter.POSITIONAL_ONLY, annotation=Context)
        guarded.__signature__ = signature.replace(parameters=[context, *parameters])  # type: ignore[attr-defined]
        return Workflow(guarded, name)

    async def _approved(
        self, ctx: Context, name: str, signature: Signature, args: Any, kwargs: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments as they were approved. Errors: NotApproved."""
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        template = self.question or f"Run {name}?"
        question = template.format(**call.arguments) if isinstance(template, str) else template(*args, **kwargs)
        show = self.show(*args, **kwargs) if callable(self.show) else self.show
        decision = await approval(ctx, question, show=show, propose=dict(call.arguments) or None, **self.asked)
        if not decision:
            raise NotApproved(_refusal(name, decision))
        call.arguments.update(decision.value or {})
        return call.args, call.kwargs


def needs_approval(
    *,
    to: Any,
    question: str | Callable[..., str] = "",
    show: Iterable[Block] | Callable[..., Iterable[Block]] = (),
    editable: Iterable[str] | bool = (),
    options: Mapping[str, Any] | None = None,
    timeout: After | None = None,
    **asked: Any,
) -> Guard:
    """A decorator for a step or (above `@workflow`) for a workflow: people are asked first, and it runs when they have
    approved; else the call raises NotApproved. What they see, and may correct if `editable` names it, are the
    arguments, by name; with those that were approved the function is called.

    question: a text with the arguments in braces ("Pay {amount} to {payee}?"), or a function of the arguments; show:
    blocks, or a function of the arguments. options: those of the step itself, as for `ctx.options(...)`. The other
    arguments are those of `approval.open`.
    """
    return Guard(question, show, options or {}, {"to": to, "editable": editable, "timeout": timeout, **asked})


def _refusal(name: str, decision: Decision) -> str:
    said = decision.comment or decision.outcome or "closed without an answer"
    return f"{name} was not approved: {said}" + (f" ({decision.by})" if decision.by else "")
