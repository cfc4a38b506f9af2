"""What a worker measures of the engine for Prometheus. Labels are names from the code, never ids; what the database
knows better (queues, how many are suspended) is measured there, in `promises/metrics.py`."""

from functools import lru_cache
from time import perf_counter

from prometheus_client import Counter, Histogram

from workflows.attempts import Attempt
from workflows.observing import End, outcome_of
from workflows.operations import Operation
from workflows.registry import Registry, registry
from workflows.replay import Activation

STEP = Histogram(
    "countersign_step_seconds",
    "Attempts at steps: what the function took, without recording its outcome.",
    ["function", "outcome"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
ACTIVATION = Histogram(
    "countersign_activation_seconds",
    "Activations: from the lease to its end, with all steps in between.",
    ["workflow", "outcome"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
WAKE = Histogram(
    "countersign_wake_seconds",
    "From the moment a task was ready (started, woken, its lease lapsed) until a worker went on with it.",
    ["queue"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
RETRIES = Counter(
    "countersign_step_retries", "Attempts at steps that failed and are followed by another.", ["function"]
)
LEASE_LOSSES = Counter(
    "countersign_lease_losses", "Activations whose lease was lost on the way: another worker goes on.", ["workflow"]
)
HALTS = Counter("countersign_halts", "Activations that halted their execution.", ["workflow"])


# Looking a child up takes as long as observing a value.
_step = lru_cache(maxsize=4096)(STEP.labels)


class Metrics:
    """See `workflows.observing.Observer`."""

    def __init__(self, functions: Registry = registry) -> None:
        self._functions = functions

    def activation(self, activation: Activation) -> End[str]:
        began, acquired = perf_counter(), activation.acquired
        workflow = self._label(acquired.promise.func)
        if acquired.ready_at is not None:
            queue = acquired.promise.tags["resonate:target"].partition("://")[2]
            WAKE.labels(queue).observe(max(activation.store.now() - acquired.ready_at, 0) / 1000)

        def end(outcome: str) -> None:
            ACTIVATION.labels(workflow, outcome).observe(perf_counter() - began)
            if outcome == "lost":
                LEASE_LOSSES.labels(workflow).inc()
            elif outcome == "halted":
                HALTS.labels(workflow).inc()

        return end

    def attempt(self, operation: Operation) -> "End[Attempt | None]":
        began = perf_counter()

        def end(attempt: Attempt | None) -> None:
            outcome = outcome_of(attempt)
            _step(operation.func, outcome).observe(perf_counter() - began)
            if outcome == "retried":
                RETRIES.labels(operation.func).inc()

        return end

    def _label(self, name: str) -> str:
        """Anybody may create a promise for any function: those that are not registered share one label."""
        return name if name in self._functions else "unknown"
