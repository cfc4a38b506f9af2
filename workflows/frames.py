"""One function of an execution while it runs: where the ids, deadlines and tags of its calls come from."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from promises.records import NewPromise
from promises.times import NEVER
from promises.values import EMPTY, Value
from workflows import codec
from workflows.context import Info
from workflows.errors import EncodingError, FunctionNotFound, InvalidArguments, WorkflowError
from workflows.observing import Place
from workflows.operations import DurableFuture, Kind, Operation, Options
from workflows.registry import Workflow, registry
from workflows.steps import is_async, name_of
from workflows.strands import CURRENT, Strand

if TYPE_CHECKING:
    from workflows.replay import Activation


class Frame:
    """A function's body in one activation: the root's, or that of a nested workflow."""

    def __init__(self, activation: "Activation", info: Info, strand: Strand) -> None:
        self.activation = activation
        self.info = info
        self.strand = strand
        strand.frame = self
        self.open: set[Operation] = set()

    @classmethod
    def of_root(cls, activation: "Activation", function: Workflow[..., Any]) -> "Frame":
        """The frame of the task's own function."""
        promise = activation.acquired.promise
        info = Info(
            promise.id,
            promise.parent_id,
            promise.tags.get("resonate:origin", promise.id),
            function.name,
            function.version,
            promise.timeout_at,
            promise.tags,
            promise.tags.get("countersign:requester", ""),
        )
        return cls(activation, info, Strand(None, promise.id))

    @classmethod
    def below(cls, operation: Operation, function: Workflow[..., Any], activation: "Activation") -> "Frame":
        """The frame of a nested workflow: the child of the function that called it."""
        parent = operation.frame.info
        info = Info(
            operation.id,
            parent.id,
            parent.origin_id,
            function.name,
            function.version,
            operation.deadline,
            operation.promise.tags,
            parent.requester,
        )
        return cls(activation, info, Strand(None, operation.id))

    @property
    def place(self) -> Place:
        """Where its body runs, for the log."""
        return Place(self.info.origin_id, self.info.id, self.info.func_name, self.activation.lease.version)

    def is_over(self, *, failed: bool) -> bool:
        """Whether all children have settled. Those that a failed body leaves pending are canceled; others are waited
        for."""
        for operation in list(self.open):
            if operation.kind is Kind.REMOTE and not operation.is_detached:
                if failed:
                    self.activation.cancel_child(operation)
                else:
                    operation.is_awaited = True
        return all(operation.is_detached for operation in self.open)

    # -- calls -----------------------------------------------------------------------------------------------

    def call_leaf(
        self, fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], options: Options, name: str = ""
    ) -> DurableFuture[Any]:
        operation = self._operation(Kind.LEAF, name or name_of(fn), options, codec.result_type(fn))
        operation.call = partial(fn, *args, **kwargs)
        operation.is_async = is_async(fn)
        if operation.is_async and options.atomic:
            raise WorkflowError(
                f"{operation.func} is async; an atomic step must be a plain function, its ORM calls sync."
            )
        if options.atomic and not options.durable:
            raise WorkflowError(f"{operation.func} cannot be both atomic and durable=False: nothing would be recorded.")
        return self.activation.register(operation)

    def call_nested(
        self, fn: Workflow[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], options: Options
    ) -> DurableFuture[Any]:
        codec.check_call(fn.fn, fn.name, args, kwargs)
        operation = self._operation(Kind.NESTED, fn.name, options, codec.result_type(fn.fn))
        operation.function = fn
        future = self.activation.register(operation)
        if not future.done():
            self.activation.nested.append((operation, fn, args, kwargs))
        return future

    def call_remote(
        self,
        fn: Workflow[..., Any] | str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        options: Options,
        *,
        is_detached: bool = False,
    ) -> DurableFuture[Any]:
        function = fn if isinstance(fn, Workflow) else _registered(fn, options.version)
        name = function.name if function else str(fn)
        version = options.version or (function.version if function else 1)
        param = invocation(name, version, args, kwargs)
        operation = self._operation(
            Kind.REMOTE,
            name,
            options,
            codec.result_type(function.fn) if function else Any,
            param=param,
            extra={
                "resonate:target": options.target or (f"celery://{function.queue}" if function else "celery://default"),
                "resonate:scope": "global",
                "countersign:version": str(version),
                **priority_tag(
                    options.priority if options.priority is not None else function.priority if function else 0
                ),
                **({"countersign:requester": self.info.requester} if self.info.requester else {}),
            },
            own_branch=True,
            is_detached=is_detached,
        )
        operation.function = function
        return self.activation.register(operation)

    def call_sleep(self, duration: timedelta, wake_at: int | None, options: Options) -> DurableFuture[None]:
        options = options.but(timeout=duration)
        extra = {"resonate:timer": "true", "resonate:scope": "global"}
        operation = self._operation(Kind.REMOTE, "ctx.sleep", options, Any, extra=extra, wake_at=wake_at)
        return self.activation.register(operation)

    def call_latent(self, data: Any, tags: Mapping[str, str], options: Options) -> DurableFuture[Any]:
        extra = {"resonate:external": "true", "resonate:scope": "global", **tags}
        param = EMPTY if data is None else _value(data)
        operation = self._operation(Kind.REMOTE, "ctx.promise", options, Any, param=param, extra=extra)
        return self.activation.register(operation)

    def _operation(
        self,
        kind: Kind,
        func: str,
        options: Options,
        annotation: Any,
        *,
        param: Value = EMPTY,
        extra: Mapping[str, str] | None = None,
        own_branch: bool = False,
        wake_at: int | None = None,
        is_detached: bool = False,
    ) -> Operation:
        id = self._strand().next_id(options.id)
        detached = id if is_detached else self.info.tags.get("countersign:detached")
        tags = {
            "resonate:origin": self.info.origin_id,
            "resonate:branch": id if own_branch else self.activation.lease.task_id,
            "resonate:parent": self.info.id,
            "countersign:func": func,
            **({"countersign:detached": detached} if detached else {}),
            **options.tags,
            **(self.activation.remote_tags | dict(extra) if extra else {"resonate:scope": "local"}),
        }
        deadline = min(wake_at if wake_at is not None else self._deadline(options), self.info.timeout_at)
        promise = NewPromise(id, deadline, param, tags)
        return Operation(id, kind, func, self, options, deadline, annotation, promise, is_detached=is_detached)

    def _deadline(self, options: Options) -> int:
        if options.timeout is None:
            return self.info.timeout_at
        return min(self.activation.store.now() + int(options.timeout.total_seconds() * 1000), NEVER)

    def _strand(self) -> Strand:
        if self.activation.is_closed:
            return self.strand  # the call is refused, wherever it comes from
        strand = CURRENT.get()
        if strand is None or strand.frame is not self:
            raise WorkflowError(
                f"The context of {self.info.func_name} was used outside its body. Steps get values, not the context: "
                "a workflow that calls others passes them to ctx.run as a @workflow, which gets a context of its own."
            )
        return strand


def invocation(name: str, version: int, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Value:
    """The param of a promise that executes a function. Errors: EncodingError."""
    call: dict[str, Any] = {"func": name, "args": [codec.to_json(arg) for arg in args]}
    if kwargs:
        call["kwargs"] = {key: codec.to_json(value) for key, value in kwargs.items()}
    call["version"] = version
    return _value(call)


def checked_invocation(function: Workflow[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Value:
    """`invocation`, of arguments that fit the function's signature. Errors: also InvalidArguments."""
    param = invocation(function.name, function.version, args, kwargs)
    call = param.decode()
    function.bind(call["args"], call.get("kwargs", {}))
    return param


def root_tags(id: str, function: Workflow[..., Any], requester: str, priority: int | None = None) -> dict[str, str]:
    """The tags of an execution's root promise. Errors: InvalidArguments (the priority)."""
    lineage = {f"resonate:{name}": id for name in ("origin", "branch", "parent")}
    return lineage | call_tags(function, requester, priority)


def call_tags(function: Workflow[..., Any], requester: str, priority: int | None = None) -> dict[str, str]:
    """Those that do not depend on its id. Errors: InvalidArguments (the priority)."""
    tags = {
        "resonate:target": f"celery://{function.queue}",
        "resonate:scope": "global",
        "countersign:func": function.name,
        "countersign:version": str(function.version),
    }
    if requester:
        tags["countersign:requester"] = requester
    return tags | priority_tag(function.priority if priority is None else priority)


def priority_tag(priority: int) -> dict[str, str]:
    """How a promise with a target says its task's priority. Errors: InvalidArguments."""
    if type(priority) is not int or not -99 <= priority <= 99:
        raise InvalidArguments(f"A priority is a whole number from -99 to 99, not {priority!r}.")
    return {"countersign:priority": str(priority)} if priority else {}


def _value(obj: Any) -> Value:
    try:
        return Value.of(codec.to_json(obj))
    except ValueError as error:
        raise EncodingError(f"The value cannot be stored as JSON: {error}") from None


def _registered(name: str, version: int | None) -> Workflow[..., Any] | None:
    try:
        return registry.get(name, version)
    except FunctionNotFound:  # it lives on another worker
        return None
