"""One task: acquire it, replay its function, then fulfill, suspend or release it. The same for every store."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from promises.errors import BadRequest, Unprocessable
from promises.records import Acquired
from promises.states import PromiseState
from promises.values import Value
from workflows.errors import FunctionNotFound, Halt, InvalidArguments, LeaseLost, ShuttingDown, error_to_json
from workflows.observing import Observer, Place, activation_begins, at
from workflows.registry import Registry, Workflow, registry
from workflows.replay import Activation
from workflows.stores.base import Store

log = logging.getLogger(__name__)

NO_SERVICES: Mapping[str, Any] = {}
# Entered with a task's id and version while its lease is held.
Hold = Callable[[str, int], AbstractContextManager[None]]


def execute(
    store: Store,
    task_id: str,
    version: int | None = None,
    *,
    functions: Registry = registry,
    services: Mapping[str, Any] = NO_SERVICES,
    hold: Hold = lambda task_id, version: nullcontext(),
    is_interrupted: Callable[[], bool] = lambda: False,
    observers: Sequence[Observer] = (),
) -> str:
    """Carry an execution on as far as it goes now. Returns what became of it, for the log: "fulfilled", "suspended",
    "released", "halted", "refused" (somebody else has it, or it is done) or "lost" (the lease was, on the way).

    `hold(task_id, version)` is entered while the lease is held, to keep it alive; `is_interrupted` is asked between
    steps.
    """
    acquired = store.acquire(task_id, version)
    if acquired is None:
        return "refused"
    return execute_acquired(
        store,
        acquired,
        functions=functions,
        services=services,
        hold=hold,
        is_interrupted=is_interrupted,
        observers=observers,
    )


def execute_acquired(
    store: Store,
    acquired: Acquired,
    *,
    functions: Registry = registry,
    services: Mapping[str, Any] = NO_SERVICES,
    hold: Hold = lambda task_id, version: nullcontext(),
    is_interrupted: Callable[[], bool] = lambda: False,
    observers: Sequence[Observer] = (),
) -> str:
    """`execute`, once the lease is held."""
    task, outcome = acquired.task, "failed"
    with at(Place.of_task(acquired)):
        activation = Activation(store, acquired, services, is_interrupted, observers)
        end = activation_begins(activation)
        try:
            with hold(task.id, task.version):
                outcome = activate(activation, functions)
        except LeaseLost:
            log.warning("the lease of %s (version %d) was lost; another worker goes on", task.id, task.version)
            outcome = "lost"
        finally:
            end(outcome)
        if outcome == "halted":
            log.error("%s is halted: %s", task.id, activation.error)
        log.info("executed %s: %s", task.id, outcome)
    return outcome


def activate(activation: Activation, functions: Registry) -> str:
    """Run its function; returns what became of it, see `execute`. Raises LeaseLost."""
    store, lease = activation.store, activation.lease
    try:
        function, args, kwargs = invocation_of(activation.acquired, functions)
        return activation.run(function, args, kwargs)
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
