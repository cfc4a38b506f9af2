"""The Celery job that executes a task, and what a worker process does when it starts and stops."""

import gc
import logging
from typing import Any

from celery import shared_task, signals
from django.db import close_old_connections

from promises.presence import Presence
from promises.transports.celery import JOB
from workflows.executor import execute
from workflows.leases import leases
from workflows.stores.durable import DurableStore

log = logging.getLogger(__name__)
presence = Presence("worker")


@shared_task(name=JOB)
def execute_job(task_id: str, version: int | None = None) -> str:
    """Carry an execution on as far as it goes now."""
    close_old_connections()
    outcome = execute(DurableStore(), task_id, version, hold=leases.held, is_interrupted=leases.is_stopping.is_set)
    log.info("executed %s: %s", task_id, outcome)
    return outcome


@signals.worker_init.connect
def freeze_garbage(**kwargs: Any) -> None:
    """What has been imported by now stays: the collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


@signals.worker_ready.connect
def start_presence(**kwargs: Any) -> None:
    """Say that a worker is alive; `/ready/` asks for one."""
    leases.is_stopping.clear()
    presence.start()


@signals.worker_shutting_down.connect
def stop_executions(**kwargs: Any) -> None:
    """A clean shutdown gives the leases back at the next step, so that another worker goes on at once."""
    leases.stop()
    presence.stop()
