"""What a measurement runs on: a database of its own, a real broker and a real Celery worker."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator


@contextlib.contextmanager
def installation() -> Iterator[None]:
    """Django set up on the database of DATABASE_URL, or on a new embedded one in a temporary folder, migrated."""
    with contextlib.ExitStack() as stack:
        os.environ["COUNTERSIGN_APPS"] = ",".join(filter(None, [os.environ.get("COUNTERSIGN_APPS"), "bench"]))
        os.environ.setdefault("LOG_LEVEL", "WARNING")
        os.environ.setdefault("SECRET_KEY", "measuring-only-" + os.urandom(16).hex())
        if not os.environ.get("DATABASE_URL"):
            temporary = tempfile.TemporaryDirectory(prefix="countersign-bench-", ignore_cleanup_errors=True)
            folder = stack.enter_context(temporary)
            os.environ["COUNTERSIGN_VAR"] = folder
            start_database(stack, folder)
        prepare_database()
        yield


def start_database(stack: contextlib.ExitStack, folder: str) -> None:
    """Start the embedded PostgreSQL and stop it at the end."""
    from pathlib import Path

    from config import embedded_postgres

    embedded_postgres.ensure(Path(folder))
    stack.callback(embedded_postgres.stop, Path(folder))


def prepare_database() -> None:
    """Tables, functions and the queue, as `./run` makes them."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("prepare", verbosity=0)


@contextlib.contextmanager
def worker() -> Iterator[None]:
    """A Celery worker as `./run worker` starts it, alive while inside."""
    from config.programs import worker as program
    from promises.models import Process
    from promises.times import now_ms

    started_at = now_ms()
    process = subprocess.Popen(program().command, stdout=sys.stderr, start_new_session=True)
    try:
        give_up_at = time.monotonic() + 60
        while not Process.objects.filter(kind="worker", started_at__gte=started_at).exists():
            if process.poll() is not None or time.monotonic() > give_up_at:
                raise SystemExit("The worker did not start; its output above says why.")
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
