"""What the database says of the installation, as gauges for Prometheus."""

from collections.abc import Iterable

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from promises import queries


class Installation:
    """A collector for one scrape: three queries, each of them on a partial index."""

    def __init__(self, now: int) -> None:
        self.now = now

    def collect(self) -> Iterable[Metric]:
        yield from self._tasks()
        yield self._processes()
        yield GaugeMetricFamily(
            "countersign_deadline_lag_seconds",
            "How long ago the oldest deadline passed that the clock has not applied yet; 0 when there is none.",
            queries.deadline_lag(self.now) / 1000,
        )

    def _tasks(self) -> Iterable[Metric]:
        tasks = GaugeMetricFamily("countersign_tasks", "Tasks that are not fulfilled.", labels=["queue", "state"])
        age = GaugeMetricFamily(
            "countersign_queue_age_seconds", "How long the oldest ready task of a queue waits.", labels=["queue"]
        )
        for load in queries.queue_loads(self.now):
            for state in ("ready", "acquired", "suspended", "halted"):
                tasks.add_metric([load.queue, state], getattr(load, state))
            age.add_metric([load.queue], load.age / 1000)
        return tasks, age

    def _processes(self) -> Metric:
        alive = queries.processes_alive(self.now)
        processes = GaugeMetricFamily(
            "countersign_processes", "Processes that have reported in the last 15 seconds.", labels=["kind"]
        )
        for kind in ("worker", "clock"):
            processes.add_metric([kind], alive.get(kind, 0))
        return processes
