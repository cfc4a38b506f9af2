"""Plain Celery: tasks that do nothing, and an application as Celery's documentation sets it up."""

import os

import environ
from celery import Celery

from config.broker import broker_settings

QUEUE = os.environ["BENCH_QUEUE"]

broker = broker_settings(os.environ.get("CELERY_BROKER_URL", ""), environ.Env.db_url_config(os.environ["DATABASE_URL"]))
app = Celery("bench", broker=broker.url, backend=os.environ["BENCH_RESULTS"])
app.conf.update(
    broker_transport_options=broker.transport_options,
    broker_connection_retry_on_startup=True,
    task_default_queue=QUEUE,
    result_expires=600,
)


@app.task(ignore_result=True)
def step(number: int) -> int:
    return number


@app.task
def last(number: int) -> int:
    """A step whose result somebody waits for."""
    return number
