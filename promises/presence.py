"""Who is alive: each long-lived process writes its row every few seconds, and takes it away when it stops."""

import logging
import os
import socket
import threading
import uuid

from django.db import connection, connections

from promises.models import Process
from promises.times import now_ms

log = logging.getLogger(__name__)

BEAT_SECONDS = 5
# A process that has not been seen for this long counts as dead.
LIVE_MS = 15_000


class Presence:
    """A process of one kind ("worker", "clock"); `beat` by hand, or `start` a thread that does it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.id = f"{kind}:{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._stopped = threading.Event()

    def beat(self, now: int) -> None:
        """Write that this process is alive at `now`, and forget those that have been dead for an hour."""
        Process.objects.update_or_create(
            id=self.id,
            defaults={"kind": self.kind, "host": socket.gethostname(), "seen_at": now},
            create_defaults={"kind": self.kind, "host": socket.gethostname(), "seen_at": now, "started_at": now},
        )
        Process.objects.filter(seen_at__lt=now - 3_600_000).delete()

    def leave(self) -> None:
        """Take the row away: this process stops."""
        Process.objects.filter(id=self.id).delete()

    def start(self) -> None:
        """Beat in a thread of its own until `stop`."""
        self._stopped.clear()
        threading.Thread(target=self._run, name="presence", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.beat(now_ms())
            except Exception:
                log.warning("presence of %s not written; tried again soon", self.id, exc_info=True)
                connection.close()
            self._stopped.wait(BEAT_SECONDS)
        try:
            self.leave()
        except Exception:
            log.warning("presence of %s not taken away; it expires by itself", self.id, exc_info=True)
        connections.close_all()


def is_live(kind: str, now: int) -> bool:
    """Whether a process of this kind has been seen lately."""
    return Process.objects.filter(kind=kind, seen_at__gt=now - LIVE_MS).exists()
