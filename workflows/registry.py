"""(name, version) -> function. An execution keeps the version it started with; nothing here ever picks another for
it, unless a function says that it replaces that version."""

import copy
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from inspect import Signature, iscoroutinefunction
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from promises.limits import Limits
from workflows import codec
from workflows.errors import FunctionNotFound

if TYPE_CHECKING:
    from workflows.context import Context
    from workflows.executions import Handle

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_QUEUE = "default"
NO_LIMITS = Limits()


class Workflow(Generic[P, R]):
    """A registered workflow function. Calling it calls the plain function, with a context that the caller provides."""

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str,
        version: int = 1,
        queue: str = DEFAULT_QUEUE,
        *,
        priority: int = 0,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self.fn = fn
        self.name = name
        self.version = version
        self.queue = queue
        self.priority = priority
        self.limits = limits
        self.names = {name}  # and those of what it replaces: what its promises may be recorded as
        self.replaced_by: Workflow[P, R] | None = None
        self.__doc__ = fn.__doc__
        self.__name__ = name
        self.__module__ = fn.__module__
        self.__wrapped__ = fn

    def __call__(self, ctx: "Context", *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        coroutine: Coroutine[Any, Any, R] = self.fn(ctx, *args, **kwargs)
        return coroutine

    def __repr__(self) -> str:
        return f"<workflow {self.name} v{self.version}>"

    @property
    def source(self) -> str:
        """Where the function is defined."""
        return f"{self.fn.__module__}.{self.fn.__qualname__}"

    def replaces(self, name: str, version: int = 1) -> "Workflow[P, R]":
        """Executions recorded as this name and version go on with this function, which must be able to replay what they
        have recorded (`assert_replays` proves it). They keep their version: `ctx.info.version` tells. Returns itself.

        Errors: ValueError, while another function is registered so.
        """
        past = copy.copy(self)
        past.name, past.version, past.replaced_by = name, version, self
        registry.add(past)
        self.names.add(name)
        return self

    @property
    def signature(self) -> Signature:
        """The signature without the context: what a caller passes."""
        full = codec.signature_of(self.fn)
        return full.replace(parameters=list(full.parameters.values())[1:])

    def bind(self, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """JSON arguments as the function's types. Errors: InvalidArguments, naming the parameter."""
        return codec.bind(self.signature, self.name, args, kwargs)

    # There is no type for "its own parameters and these too": beside an option the arguments are not type-checked.
    @overload
    def start(self, *args: P.args, **kwargs: P.kwargs) -> "Handle[R]": ...

    @overload
    def start(
        self,
        *args: Any,
        id: str | None,
        requester: str = "",
        timeout: timedelta | None = None,
        priority: int | None = None,
        **kwargs: Any,
    ) -> "Handle[R]": ...

    @overload
    def start(
        self, *args: Any, requester: str, timeout: timedelta | None = None, priority: int | None = None, **kwargs: Any
    ) -> "Handle[R]": ...

    @overload
    def start(
        self, *args: Any, timeout: timedelta | None, priority: int | None = None, **kwargs: Any
    ) -> "Handle[R]": ...

    @overload
    def start(self, *args: Any, priority: int | None, **kwargs: Any) -> "Handle[R]": ...

    def start(
        self, *args: Any, id: Any = None, requester: Any = "", timeout: Any = None, priority: Any = None, **kwargs: Any
    ) -> "Handle[R]":
        """Start an execution, or attach to the one that has this `id`. Inside `transaction.atomic()` it starts if and
        only if the transaction commits. `requester` is the name of the person or machine on whose behalf it runs;
        without `timeout` it has no deadline; `priority` (-99 to 99) replaces the workflow's.

        Errors: InvalidArguments, InvalidId, EncodingError.
        """
        options = self.options(id=id, requester=requester, timeout=timeout, priority=priority)
        return options.start(*args, **kwargs)

    def options(
        self,
        *,
        id: str | None = None,
        requester: str = "",
        timeout: timedelta | None = None,
        priority: int | None = None,
    ) -> "Start[P, R]":
        """The same options apart from the arguments: `expense.options(id="expense-42").start(42)`. Type checkers see
        all of that call, and the function may have parameters of these names."""
        return Start(self, {"id": id, "requester": requester, "timeout": timeout, "priority": priority})


@dataclass(frozen=True)
class Start(Generic[P, R]):
    """A workflow with the options of its next start; see `Workflow.start`."""

    workflow: Workflow[P, R]
    options: Mapping[str, Any]

    def start(self, *args: P.args, **kwargs: P.kwargs) -> "Handle[R]":
        """Start an execution, or attach to it."""
        from workflows import executions

        return executions.start(self.workflow, args, kwargs, **self.options)[0]


class Registry:
    """The functions this process can execute."""

    def __init__(self) -> None:
        self._functions: dict[tuple[str, int], Workflow[..., Any]] = {}

    def add(self, function: Workflow[..., Any]) -> None:
        """Register it; the same source registering again replaces itself (a reload), another function under its name
        is refused."""
        known = self._functions.get((function.name, function.version))
        is_past = function.replaced_by is not None
        if known and (known.source, known.replaced_by is not None) != (function.source, is_past):
            raise ValueError(
                f"{function.source} {'replaces' if is_past else 'registers'} {function!r}, which {known.source} is "
                "already; give one of them another name or version, or remove it."
            )
        self._functions[function.name, function.version] = function

    def __contains__(self, name: str) -> bool:
        """Whether there is a function of this name, in any version."""
        return any(known == name for known, _ in self._functions)

    def get(self, name: str, version: int | None = None) -> Workflow[..., Any]:
        """The function; without `version` the highest there is (for starting: afterwards the execution keeps it).

        Errors: FunctionNotFound, telling what there is.
        """
        found = self._functions.get((name, version)) if version is not None else self._newest(name)
        if found is None:
            raise FunctionNotFound(self._explain(name, version))
        return found

    def all(self) -> list[Workflow[..., Any]]:
        """The newest version of every function, by name."""
        return [self.get(name) for name in self.names()]

    def names(self) -> list[str]:
        return sorted({name for (name, _), function in self._functions.items() if function.replaced_by is None})

    def has(self, name: str) -> bool:
        """Whether any version goes by this name, or went by it before it was replaced."""
        return bool(self._versions(name))

    def _versions(self, name: str) -> list[int]:
        return sorted(version for known, version in self._functions if known == name)

    def _newest(self, name: str) -> Workflow[..., Any] | None:
        """The one to start; under a name of the past, the function that replaces it."""
        found = [self._functions[name, version] for version in self._versions(name)]
        current = [function for function in found if function.replaced_by is None]
        return current[-1] if current else found[-1].replaced_by if found else None

    def _explain(self, name: str, version: int | None) -> str:
        if versions := self._versions(name):
            return f"Workflow {name!r} has no version {version}; registered: {', '.join(map(str, versions))}."
        return f"No workflow is registered as {name!r}. Registered: {', '.join(self.names()) or 'none'}."


registry = Registry()


@overload
def workflow(fn: "Callable[Concatenate[Context, P], Coroutine[Any, Any, R]]") -> Workflow[P, R]: ...


@overload
def workflow(
    *,
    name: str | None = None,
    version: int = 1,
    queue: str = DEFAULT_QUEUE,
    priority: int = 0,
    concurrency: int | None = None,
    rate: str | None = None,
) -> "Callable[[Callable[Concatenate[Context, P], Coroutine[Any, Any, R]]], Workflow[P, R]]": ...


def workflow(
    fn: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    version: int = 1,
    queue: str = DEFAULT_QUEUE,
    priority: int = 0,
    concurrency: int | None = None,
    rate: str | None = None,
) -> Any:
    """Register an async function `fn(ctx, ...)` as a workflow, under its own name unless `name` is given.

    queue: the workers that execute it. priority: -99 to 99; each step is worth a minute of waiting, so what is urgent
    comes first and nothing waits for ever. concurrency: how many of them workers execute at a time (one that is
    suspended is not executed); 0 pauses it. rate: how many are started in a time, "10/s", "100/m", "5/2h". Limits hold
    for all workers together, and for all versions of a name: the newest says them.
    """
    limits = Limits.of(concurrency, rate)

    def register(function: Callable[..., Any]) -> Workflow[..., Any]:
        if not iscoroutinefunction(function):
            raise TypeError(f"@workflow needs an async function; {function.__qualname__} is not one.")
        found: Workflow[..., Any] = Workflow(
            function, name or function.__name__, version, queue, priority=priority, limits=limits
        )
        registry.add(found)
        return found

    return register if fn is None else register(fn)
