"""Plain Celery, which keeps nothing: what it costs to pass messages, without durable execution.

Results come by Redis or RabbitMQ where that is the broker, and by files beside the pgmq queue, for which Celery has no
result backend.
"""

import os
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from celery import chain, group
from celery.result import AsyncResult

from bench.engine import STEPS_OF_MANY
from bench.processes import START_SECONDS, NotMeasured, PeerFailed, Samples, Worker
from config.broker import pgmq_install

WAIT_SECONDS = 100
# How often files are looked at; the other result backends push.
LOOK_SECONDS = 0.001
LONGEST_CHAIN = 500


class Peer:
    worker: Worker | None = None

    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="countersign-bench-", ignore_cleanup_errors=True)
        broker_url = os.environ.get("CELERY_BROKER_URL", "")
        os.environ["BENCH_QUEUE"] = f"bench-{secrets.token_hex(4)}"
        os.environ["BENCH_RESULTS"] = results_url(broker_url, self.folder.name)
        if not broker_url:
            with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
                pgmq_install(connection)
        from bench.peers import celery_application

        self.application = celery_application
        self.worker_start()

    def worker_start(self) -> None:
        quiet = ["-W", "ignore:You're running the worker with superuser"]  # in a container that is normal
        options = ["--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
        options += os.environ.get("BENCH_OPTIONS", "").split()
        application = self.application.__name__
        self.worker = Worker(sys.executable, *quiet, "-m", "celery", "--quiet", "-A", application, "worker", *options)
        first = self.application.last.delay(0)
        give_up_at = time.monotonic() + START_SECONDS
        while not first.ready():
            self.worker.check()
            if time.monotonic() > give_up_at:
                raise PeerFailed("its worker did not start")
            time.sleep(0.05)

    def stop(self) -> None:
        if self.worker:
            self.worker.stop()
            with self.application.app.connection_for_write() as connection:
                connection.default_channel.queue_delete(self.application.QUEUE)
        self.folder.cleanup()

    def w1(self, n: int) -> Samples:
        """A chain of tasks."""
        if n > LONGEST_CHAIN:
            raise NotMeasured(f"{n} steps take minutes, as each message of a chain carries the whole rest of it")
        started_at = time.perf_counter()
        wait([self.chain(n)])
        return {"steps_s": [n / (time.perf_counter() - started_at)]}

    def w2(self, n: int) -> Samples:
        """Chains of tasks."""
        started_at = time.perf_counter()
        wait([self.chain(STEPS_OF_MANY) for _ in range(n)])
        return {"steps_s": [n * STEPS_OF_MANY / (time.perf_counter() - started_at)]}

    def w3(self, n: int) -> Samples:
        """Nothing is suspended: a task takes the answer and sends the next one."""
        wakes = [self.wake_ms() for _ in range(n)]
        return {"ms": [whole for whole, _ in wakes], "ms_from_return": [rest for _, rest in wakes]}

    def w4(self, n: int) -> Samples:
        raise NotMeasured("a Celery task cannot be suspended")

    def w5(self, n: int) -> Samples:
        """A group of tasks and all their results."""
        started_at = time.perf_counter()
        wait(group(self.application.last.s(number) for number in range(n)).apply_async().results)
        return {"steps_s": [n / (time.perf_counter() - started_at)]}

    def w6(self, n: int) -> Samples:
        raise NotMeasured("a Celery task has no steps that outlive its worker")

    def chain(self, n: int) -> AsyncResult[Any]:
        steps = [self.application.step.si(number) for number in range(n - 1)]
        return chain(*steps, self.application.last.si(n)).apply_async()

    def wake_ms(self) -> tuple[float, float]:
        time.sleep(0.02)
        started_at = time.perf_counter()
        result = self.chain(2)
        returned_at = time.perf_counter()
        wait([result])
        seen_at = time.perf_counter()
        return (seen_at - started_at) * 1000, (seen_at - returned_at) * 1000


def wait(results: Sequence[AsyncResult[Any]]) -> None:
    for result in results:
        result.get(timeout=WAIT_SECONDS, interval=LOOK_SECONDS)


def results_url(broker_url: str, folder: str) -> str:
    """Where results are kept."""
    if broker_url.startswith("redis"):
        return broker_url
    return "rpc://" if broker_url else f"file://{folder}"
