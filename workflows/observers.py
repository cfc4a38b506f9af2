"""The observers of a worker."""

from functools import cache

from workflows.metrics import Metrics
from workflows.observing import Observer


@cache
def observers() -> tuple[Observer, ...]:
    """What looks on while this process executes."""
    return (Metrics(),)
