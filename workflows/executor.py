"""One task: acquire it, replay its function, then fulfill, suspend or release it. The same for every store."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypedDict, Unpack

from promises.errors import BadRequest, Unprocessable
from promises.records import Acquired
from promises.states import PromiseState
from promises.values import Value
from workflows.errors import FunctionNotFound, Halt, InvalidArguments, LeaseLost, ShuttingDown, error_to_json
from workflows.observing import Observer, Place, activation_begins, at
from workflows.registry import Registry, Workflow, registry
from workflows.replay import Activation, Progress
from workflows.stores.base import Store

log = logging.getLogger(__name__)

NO_SERVICES: Mapping[str, Any] = {}
# Entered with a task's id and version while its lease is held.
Hold = Callable[[str, int], AbstractContextManager[None]]


class Options(TypedDict, total=False):
    """What an execution is given: see `carry_on`."""

    functions: Registry
    services: Mapping[str, Any]
    hold: Hold
    is_interrupted: Callable[[], bool]
    observers: Sequence[Observer]


def execute(store: Store, task_id: str, version: int | None = None, **options: Unpack[Options]) -> str:
    """Carry an execution on as far as it goes now. Returns what became of it, for the log: "fulfilled", "suspended",
    "released", "halted", "refused" (somebody else has it, or it is done) or "lost" (the lease was, on the way)."""
    acquired = store.acquire(task_id, version)
    return "refused" if acquired is None else execute_acquired(store, acquired, **options)


def execute_acquired(store: Store, acquired: Acquired, **options: Unpack[Options]) -> str:
    """`execute`, once the lease is held."""
    return finish(carry_on(store, acquired, **options))


def finish(progress: Progress) -> str:
    """Drive it to its end, waiting here whenever it waits."""
    while True:
        try:
            next(progress)
        except StopIteration as end:
            return str(end.value)


def carry_on(store: Store, acquired: Acquired, **options: Unpack[Options]) -> Progress:
    """`execute_acquired`, for a caller that has something else to do meanwhile, or a clock of its own: whenever nothing
    can happen before a failed step is tried again, it yields that time (ms). Driven on before, it waits for the rest.

    `hold(task_id, version)` is entered while the lease is held, to keep it alive; `is_interrupted` is asked between
    steps.
    """
    place = Place.of_task(acquired)
    progress = _carry_on(store, acquired, **options)
    try:
        while True:
            with at(place):  # only while it runs: between two attempts this thread does something else
                try:
                    until = next(progress)
                except StopIteration as end:
                    return str(end.value)
            yield until
    finally:
        progress.close()


def _carry_on(
    store: Store,
    acquired: Acquired,
    *,
    functions: Registry = registry,
    services: Mapping[str, Any] = NO_SERVICES,
    hold: Hold = lambda task_id, version: nullcontext(),
    is_interrupted: Callable[[], bool] = lambda: False,
    observers: Sequence[Observer] = (),
) -> Progress:
    task, outcome = acquired.task, "failed"
    activation = Activation(store, acquired, services, is_interrupted, observers)
    end = activation_begins(activation)
    try:
        with hold(task.id, task.version):
            outcome = yield from activate(activation, functions)
    except LeaseLost:
        log.warning("the lease of %s (version %d) was lost; another worker goes on", task.id, task.version)
        outcome = "lost"
    finally:
        end(outcome)
    if outcome == "halted":
        log.error("%s is halted: %s", task.id, activation.error)
    log.info("executed %s: %s", task.id, outcome)
    return outcome


def activate(activation: Activation, functions: Registry) -> Progress:
    """Run its function; what became of it is as `execute` says. Raises LeaseLost."""
    store, lease = activation.store, activation.lease
    try:
        function, args, kwargs = invocation_of(activation.acquired, functions)
        return (yield from activation.run(function, args, kwargs))
    except InvalidArguments as error:
        activation.error = error
        store.fulfill(lease, PromiseState.REJECTED, Value.of(error_to_json(error)))
        return "fulfilled"
    except (
        Halt,
        FunctionNotFound,
        BadRequest,
        Unprocessable,
    ) as reason:  # the last two: a call the store will never take
        activation.error = reason
        store.halt(lease, f"{type(reason).__name__}: {reason}")
        return "halted"
    except ShuttingDown:
        store.release(lease)
        return "released"


def invocation_of(acquired: Acquired, functions: Registry) -> tuple[Workflow[..., Any], list[Any], dict[str, Any]]:
    """The function that a promise's param names ({"func", "args", "kwargs"?, "version"?}), and its arguments.

    Errors: FunctionNotFound (this version is not registered here), InvalidArguments.
    """
    try:
        call = acquired.promise.param.decode() or {}
        name, version = str(call["func"]), int(call.get("version", 1))
        args, kwargs = list(call.get("args", [])), dict(call.get("kwargs", {}))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidArguments('The promise\'s param does not name a function: {"func", "args", "version"}.') from None
    try:
        function = functions.get(name, version)
    except FunctionNotFound as missing:
        raise FunctionNotFound(
            f"{missing} A function that can replay its record may take over: .replaces({name!r}, version={version})."
        ) from None
    args, kwargs = function.bind(args, kwargs)
    return function, args, kwargs
