"""`manage.py prepare`: everything a release needs before its processes start. Repeating it changes
nothing."""

import hashlib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection

from config import broker

LOCK = "countersign.prepare"


class Command(BaseCommand):
    help = "Migrate the database, install the queue on it when it is the broker, and collect the static files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--demo", action="store_true", help="also make the demo's people and groups")

    def handle(self, *args: Any, demo: bool, **options: Any) -> None:
        connection.ensure_connection()
        with connection.cursor() as cursor:  # one at a time, when several machines start together
            cursor.execute("select pg_advisory_lock(hashtext(%s))", [LOCK])
            try:
                call_command("migrate", interactive=False, verbosity=options["verbosity"])
                if settings.CELERY_BROKER_URL == broker.OWN_DATABASE:
                    broker.pgmq_install(connection.connection)
                if demo:
                    call_command("demo", verbosity=options["verbosity"])
            finally:
                cursor.execute("select pg_advisory_unlock(hashtext(%s))", [LOCK])
        static_collect()


def static_collect() -> None:
    """Collect, hash and compress the static files, unless they are those of the last time."""
    if settings.DEBUG:
        return
    root = Path(settings.STATIC_ROOT)
    stamp, wanted = root / ".collected", static_digest()
    if not stamp.exists() or stamp.read_text() != wanted:
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)
        stamp.write_text(wanted)


def static_digest() -> str:
    """A digest of every static file's path, size and time of change."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = Path(storage.path(path)).stat()
            digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
