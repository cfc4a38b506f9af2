"""Calls that a body itself cancels: the losers of `ctx.first`, the siblings of a failed task in a TaskGroup, a future
that it cancels, what a failed body leaves behind.

Such a call is recorded as canceled by its caller. On a replay it stays unanswered until the body cancels it again: the
body must see the same at the same point, and at that point it was still pending.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from promises.records import PromiseRecord
from promises.states import PromiseState
from promises.values import CANCELED_BY_CALLER
from workflows.attempts import Attempt
from workflows.operations import Kind, Operation

if TYPE_CHECKING:
    from workflows.replay import Activation


def is_by_caller(promise: PromiseRecord) -> bool:
    """Whether the body that made this call has canceled it."""
    return promise.state == PromiseState.REJECTED_CANCELED and promise.value == CANCELED_BY_CALLER


@dataclass(eq=False)
class Cancellation:
    """What the bodies of an activation cancel. They ask while they run; it is carried out between turns."""

    activation: "Activation"
    asked: list[Operation] = field(default_factory=list)
    recorded: dict[str, PromiseRecord] = field(default_factory=dict)

    def remember(self, operation: Operation, known: PromiseRecord) -> None:
        """An earlier activation has recorded this call as canceled by its caller."""
        operation.is_stored = operation.is_canceled = True
        self.recorded[operation.id] = known
        operation.frame.open.discard(operation)

    def ask(self, operation: Operation) -> None:
        """The body wants this call no more. One that is detached goes on."""
        if not self.activation.is_closed and not operation.is_detached:
            self.asked.append(operation)

    def carry_out(self) -> bool:
        """Cancel what was asked for; False when that was nothing."""
        asked, self.asked = self.asked, []
        for operation in asked:
            if known := self.recorded.pop(operation.id, None):
                self.activation.answer(operation, known)
            elif not operation.is_canceled and operation in operation.frame.open:
                operation.is_canceled = True
                self._cancel(operation)
        return bool(asked)

    def _cancel(self, operation: Operation) -> None:
        if operation.kind is Kind.REMOTE:
            self.activation.cancel_child(operation)
        elif operation.running is None or operation.kind is Kind.LEAF:
            # A thread cannot be stopped: it goes on, and its outcome is dropped.
            self.activation.drop(operation)
            self.activation.steps.ended.append(Attempt(operation, PromiseState.REJECTED_CANCELED, CANCELED_BY_CALLER))
        if operation.running is not None:
            operation.running.cancel()
