"""The Celery job that executes tasks, and what a worker process does when it starts and stops."""

import gc
from typing import Any

from celery import shared_task, signals
from django.conf import settings

from promises.exporter import metrics_serve
from promises.presence import Presence
from promises.store import limits_declare
from promises.transports.celery import JOB
from workflows.claims import Claims, turn
from workflows.leases import leases
from workflows.limits import declared
from workflows.registry import DEFAULT_QUEUE, registry

presence = Presence("worker")
claims: Claims | None = None


@shared_task(name=JOB, bind=True)
def execute_job(self: Any, task_id: str, version: int | None = None) -> None:
    """A task is ready in the queue that this message came by: execute whatever is first in line there."""
    turn([(self.request.delivery_info or {}).get("routing_key") or DEFAULT_QUEUE])


@signals.worker_init.connect
def freeze_garbage(**kwargs: Any) -> None:
    """What has been imported by now stays: the collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


@signals.worker_ready.connect
def start_claims(sender: Any, **kwargs: Any) -> None:
    """Say that a worker is alive (`/ready/` asks for one), and execute what is ready. The signal comes again when the
    broker is back; then there is nothing to do."""
    global claims  # noqa: PLW0603 (one worker a process)
    if claims is not None:
        return
    leases.start()
    presence.start()
    metrics_serve(settings.WORKFLOWS.get("WORKER_METRICS", ""))
    limits_declare(declared(registry))
    pool = sender.pool
    claims = Claims(
        list(sender.app.amqp.queues.consume_from),
        pool.limit,
        lambda take_turn, queues, when_over: pool.apply_async(take_turn, [queues], callback=when_over),
        hears=not settings.PROMISES.get("BROKER_WAKES", False),
    )
    claims.start()


@signals.worker_shutting_down.connect
def stop_executions(**kwargs: Any) -> None:
    """A clean shutdown gives the leases back at the next step, so that another worker goes on at once."""
    global claims  # noqa: PLW0603
    if claims is not None:
        claims.stop()
        claims = None
    leases.stop()
    presence.stop()
