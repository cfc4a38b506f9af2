"""Functions and clocks for tests of the programming model, in local mode unless they say otherwise."""

from collections.abc import Callable

import pytest

from tests.workflows.playground import Playground
from workflows.registry import registry


@pytest.fixture
def play() -> Playground:
    """Local mode on a virtual clock."""
    return Playground()


@pytest.fixture(autouse=True)
def own_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workflows that a test defines are registered for that test alone."""
    monkeypatch.setattr(registry, "_functions", dict(registry._functions))


@pytest.fixture
def flaky() -> Callable[[int], Callable[[], str]]:
    """`flaky(n)` makes a step that fails n times and then answers "done"; `.calls` counts."""

    def make(failures: int) -> Callable[[], str]:
        def step() -> str:
            step.calls += 1  # type: ignore[attr-defined]
            if step.calls <= failures:  # type: ignore[attr-defined]
                raise OSError(f"failure {step.calls}")  # type: ignore[attr-defined]
            return "done"

        step.calls = 0  # type: ignore[attr-defined]
        return step

    return make
