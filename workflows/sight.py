"""What executions are at in this process: the attempts at steps, and the nested functions, of which nothing is stored
before they end."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from workflows.attempts import Attempt
from workflows.observing import End
from workflows.operations import Operation
from workflows.replay import Activation
from workflows.tree import Node, ended, one_line


@dataclass
class Sight:
    """An observer that remembers the latest of each step and execution."""

    steps: dict[str, Node] = field(default_factory=dict)
    activations: dict[str, Activation] = field(default_factory=dict)

    def activation(self, activation: Activation) -> End[str]:
        self.activations[activation.lease.task_id] = activation
        return lambda outcome: None

    def attempt(self, operation: Operation) -> End[Attempt | None]:
        store = operation.frame.activation.store
        began = _node(operation, attempts=operation.attempt, started_at=operation.started_at or store.now())
        self.steps[operation.id] = began

        def end(attempt: Attempt | None) -> None:
            if attempt is None:
                del self.steps[operation.id]
                return
            detail = one_line(f"{type(attempt.error).__name__}: {attempt.error}") if attempt.error else ""
            now = store.now()
            if attempt.retry_in is not None:
                node = replace(began, state="failing", detail=detail, until=now + int(attempt.retry_in * 1000))
            else:
                node = replace(began, state=ended(attempt.state), detail=detail, settled_at=now)
            self.steps[operation.id] = node

        return end

    def nodes(self) -> Iterator[Node]:
        """All that is known here, stored or not."""
        yield from list(self.steps.values())
        for activation in list(self.activations.values()):
            for body in list(activation.bodies):
                if body.operation is not None:
                    yield _node(body.operation)


def _node(operation: Operation, attempts: int = 1, started_at: int | None = None) -> Node:
    parent = operation.frame.info.id
    return Node(operation.id, parent, operation.func, "running", attempts=attempts, started_at=started_at)
