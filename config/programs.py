"""The programs that make up an installation: how each is started, and what they find in their environment."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANAGE = ROOT / "manage.py"


@dataclass(frozen=True)
class Program:
    """Something the supervisor keeps running."""

    name: str
    command: tuple[str, ...]


def web(host: str, port: int) -> Program:
    """Pages, API and event streams on one port; 2,000 idle event streams need the larger queues."""
    options = ["--interface", "asgi", "--host", host, "--port", str(port), "--workers", "1", "--no-ws"]
    options += [
        "--backlog",
        "4096",
        "--backpressure",
        "4096",
        "--respawn-failed-workers",
        "--workers-kill-timeout",
        "5",
    ]
    options += ["--log-level", "warning", "--no-access-log"]  # its lines would carry the tokens of callback addresses
    return Program("web", (sys.executable, "-m", "granian", *options, "config.asgi:application"))


def worker(*options: str) -> Program:
    """A Celery worker; pool, concurrency and prefetch are settings."""
    own = ["--without-gossip", "--without-mingle", "--hostname", f"countersign-{os.getpid()}@%h"]
    own += ["--loglevel", os.environ.get("LOG_LEVEL", "INFO")]
    quiet = ["-W", "ignore:You're running the worker with superuser"]  # in a container that is normal
    return Program(
        "worker",
        (sys.executable, *quiet, "-m", "celery", "--quiet", "-A", "config.celery", "worker", *own, *options),
    )


def clock(*options: str) -> Program:
    """Deadlines, lost leases, lost messages and schedules."""
    return Program("clock", (sys.executable, str(MANAGE), "clock", *options))


def manage(*arguments: str) -> tuple[str, ...]:
    """The command line of a Django command."""
    return (sys.executable, str(MANAGE), *arguments)
