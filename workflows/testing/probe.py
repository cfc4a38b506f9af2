"""What stands beside the engine in a test: it sees every activation and attempt, and lets steps fail when told to."""

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Any

from workflows.attempts import Attempt
from workflows.observing import End
from workflows.operations import Operation
from workflows.sight import Sight


@dataclass
class Probe(Sight):
    """`attempted`: the names of the steps that were attempted, in order."""

    attempted: list[str] = field(default_factory=list)
    planned: dict[str, tuple[Container[int], Exception]] = field(default_factory=dict)

    def plan(self, step: str, attempts: Container[int], error: Exception) -> None:
        """These attempts at a step (its name, or a promise's id) raise the error. The last plan for a step counts."""
        self.planned[step] = attempts, error

    def attempt(self, operation: Operation) -> End[Attempt | None]:
        self.attempted.append(operation.func)
        end, call = super().attempt(operation), operation.call
        for step in (operation.func, operation.id):
            attempts, error = self.planned.get(step, ((), None))
            if error is not None and operation.attempt in attempts:
                operation.call = raising(error)

        def restore(attempt: Attempt | None) -> None:
            operation.call = call
            end(attempt)

        return restore


def raising(error: Exception) -> Callable[[], Any]:
    def fail() -> None:
        raise error

    return fail
