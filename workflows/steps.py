"""What the engine asks of the plain functions that are called as steps: the name they are recorded under, and whether
they are async."""

from collections.abc import Callable
from functools import lru_cache, partial
from inspect import iscoroutinefunction
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def step(*, name: str) -> Callable[[F], F]:
    """Decorator of a function that is recorded under `name` whatever it is called: so that it can be renamed while
    executions run that have called it. Steps that keep their names need none."""

    def named(fn: F) -> F:
        fn.__step_name__ = name  # type: ignore[attr-defined]
        return fn

    return named


def name_of(fn: Callable[..., Any]) -> str:
    """The name a step is recorded under: it must stay the same as long as executions run that called it."""
    while isinstance(fn, partial):
        fn = fn.func
    return str(getattr(fn, "__step_name__", None) or getattr(fn, "__name__", None) or type(fn).__name__)


@lru_cache(maxsize=4096)
def is_async(fn: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine; also for objects whose `__call__` is async."""
    return iscoroutinefunction(fn) or iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004
