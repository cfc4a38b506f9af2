"""Addresses `celery://QUEUE`: an `execute` message is a Celery job on that queue."""

import re

from celery import current_app

SCHEME = "celery"
# The job that executes a task; whoever consumes the queue registers one under this name (see `workflows/jobs.py`).
JOB = "countersign.execute"
_queue = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def is_address(queue: str) -> bool:
    """Whether `queue` is a queue name: 1 to 100 letters, digits, dots, hyphens and underscores."""
    return _queue.fullmatch(queue) is not None


def send(queue: str, task_id: str, version: int) -> None:
    """Hand the message to the broker. It is a wake-up, never the truth: losing it costs a retry interval, a duplicate
    one refused acquire. Raises what the broker raises."""
    current_app.send_task(JOB, args=[task_id, version], queue=queue, ignore_result=True, retry=False)
