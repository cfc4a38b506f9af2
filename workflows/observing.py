"""Who looks on while the engine works: the place of the code that runs (for the lines of the log), and observers that
measure or trace it. With nobody looking it costs a step two microseconds."""

import logging
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from promises.records import Acquired

if TYPE_CHECKING:
    from workflows.attempts import Attempt
    from workflows.operations import Operation
    from workflows.replay import Activation

log = logging.getLogger(__name__)

S = TypeVar("S")
T = TypeVar("T")


class Place(NamedTuple):
    """Where code runs; a field that is not known is "". `attempt` counts attempts at a step within one activation, from
    1; of a workflow it is the version of its task, which counts activations."""

    execution: str
    promise: str
    function: str
    attempt: int

    @classmethod
    def of_task(cls, acquired: Acquired) -> "Place":
        """That of the function that a task executes."""
        promise = acquired.promise
        return cls(promise.tags.get("resonate:origin", promise.id), promise.id, promise.func, acquired.task.version)

    @classmethod
    def of_lease(cls, task_id: str, version: int) -> "Place":
        """That of an execution of which only the lease is known, not the function."""
        return cls(task_id.partition(":")[0], task_id, "", version)


# Set while an activation is driven, and in the contexts of its bodies and attempts.
PLACE: ContextVar[Place | None] = ContextVar("countersign_place", default=None)


@contextmanager
def at(place: Place) -> Iterator[None]:
    """What is logged inside is logged there."""
    before = PLACE.set(place)
    try:
        yield
    finally:
        PLACE.reset(before)


def place_merge(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor for structlog: adds the fields of the place where the line is written."""
    place = PLACE.get()
    if place is not None:
        for name, value in place._asdict().items():
            if value != "":
                event.setdefault(name, value)
    return event


# Called once, when what an observer was shown is over.
End = Callable[[T], None]


class Observer(Protocol):
    """Is shown what happens, in the thread where it happens and in the context that its code runs in; a context
    variable set here is seen by that code. One that raises is logged and misses the rest."""

    def activation(self, activation: "Activation") -> "End[str]":
        """A lease is held. The end is told the outcome: "fulfilled", "suspended", "released", "halted", "lost", or
        "failed" when the store or the engine broke; `activation.error` is why, or what the function raised."""

    def attempt(self, operation: "Operation") -> "End[Attempt | None]":
        """A step's function is about to be called. The end is told None when it was cut off without an outcome."""


def activation_begins(activation: "Activation") -> End[str]:
    """Show an activation to its observers."""
    return _each([activation.context.run(_begin, o.activation, activation) for o in activation.observers])


def attempt_begins(operation: "Operation") -> "End[Attempt | None]":
    """Show an attempt to the observers. Call it in a context that is the attempt's own."""
    activation = operation.frame.activation
    PLACE.set(Place(operation.frame.info.origin_id, operation.id, operation.func, operation.attempt))
    if not activation.observers:
        return _nobody
    return _each([_begin(observer.attempt, operation) for observer in activation.observers])


def _nobody(outcome: object) -> None:
    """The end that nobody waits for."""


def _begin(begin: Callable[[S], End[T]], shown: S) -> End[T]:
    """Whoever looks on must not break what he looks at."""
    try:
        return begin(shown)
    except Exception:
        log.exception("an observer failed; it misses this")
        return _nobody


def _each(ends: Sequence[End[T]]) -> End[T]:
    def end(outcome: T) -> None:
        for one in ends:
            try:
                one(outcome)
            except Exception:
                log.exception("an observer failed at the end")

    return end


def outcome_of(attempt: "Attempt | None") -> str:
    """What an attempt came to, in a word: a settled state, "retried", or "cut off" when it has no outcome."""
    if attempt is None:
        return "cut off"
    if attempt.retry_in is not None:
        return "retried"
    return str(attempt.known.state if attempt.known else attempt.state)
