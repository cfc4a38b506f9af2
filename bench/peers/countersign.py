"""Countersign in durable mode, with one worker as `./run worker` starts it."""

import time
import uuid

import django
from django.core.management import call_command

from bench import watching
from bench.engine import Engine
from bench.processes import START_SECONDS, PeerFailed, Worker
from config import programs


class Peer(Engine):
    IS_RUNNING = "SELECT EXISTS (SELECT FROM promises_promise WHERE id = ANY(%s) AND state = 'pending')"
    IS_AWAKE = "SELECT EXISTS (SELECT FROM promises_task WHERE id = ANY(%s) AND state <> 'suspended')"

    def start(self) -> None:
        django.setup()
        call_command("prepare", verbosity=0)
        self.observer = watching.connect()
        self.worker_start()

    def worker_start(self) -> None:
        from promises.models import Process
        from promises.times import now_ms

        started_at = now_ms()
        self.worker = Worker(*programs.worker().command)
        give_up_at = time.monotonic() + START_SECONDS
        while not Process.objects.filter(kind="worker", started_at__gte=started_at).exists():
            self.worker.check()
            if time.monotonic() > give_up_at:
                raise PeerFailed("its worker did not start")
            time.sleep(0.02)

    def begin(self, workflow: str, steps: int, count: int = 1) -> list[str]:
        from bench import workflows

        function = getattr(workflows, workflow)
        run = uuid.uuid4().hex[:12]
        return [function.start(steps, id=f"bench-{run}-{number}").id for number in range(count)]

    def resolve(self, id: str) -> None:
        """What the outside world does at the promise's address."""
        from promises import store
        from promises.times import now_ms
        from promises.values import Value

        store.promise_settle(f"{id}:answer", "resolved", Value.of("yes"), now=now_ms())
