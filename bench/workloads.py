"""What is measured: the six workloads, and their sizes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """`sizes` are the n it is measured with, `quick` the one of a smoke run and of the warming up."""

    name: str
    about: str
    sizes: tuple[int, ...]
    quick: int


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("w1", "one workflow of n steps, one after the other", (200, 2000), 20),
        Workload("w2", "n workflows of five steps each", (500,), 10),
        Workload("w3", "one suspended workflow is resolved; n times, one after the other", (20,), 5),
        Workload("w4", "n suspended workflows are resolved at once", (2000,), 20),
        Workload("w5", "one workflow of n steps at the same time", (200,), 20),
        Workload("w6", "a workflow of n steps is suspended, the worker restarted, the workflow resolved", (500,), 20),
    )
}
