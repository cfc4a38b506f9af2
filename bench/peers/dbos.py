"""DBOS, as its documentation sets it up: a library in the application, all on one PostgreSQL, a client outside."""

import json
import os
import subprocess
import sys
import uuid

from dbos import DBOSClient

from bench import watching
from bench.engine import Engine
from bench.processes import PeerFailed, Worker


class Peer(Engine):
    IS_RUNNING = "SELECT EXISTS (SELECT FROM dbos.workflow_status WHERE workflow_uuid = ANY(%s) AND status = 'PENDING')"
    # The last thing it writes before it waits is until when.
    IS_AWAKE = """SELECT EXISTS (SELECT FROM unnest(%s::text[]) AS id WHERE NOT EXISTS (
        SELECT FROM dbos.operation_outputs WHERE workflow_uuid = id AND function_name = 'DBOS.sleep'))"""

    def start(self) -> None:
        self.worker_start()
        self.observer = watching.connect()
        self.client = DBOSClient(system_database_url=os.environ["DATABASE_URL"])

    def worker_start(self) -> None:
        command = [sys.executable, "-m", "bench.peers.dbos_application"]
        self.worker = Worker(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answered()

    def begin(self, workflow: str, steps: int, count: int = 1) -> list[str]:
        run = uuid.uuid4().hex[:12]
        ids = [f"bench-{run}-{number}" for number in range(count)]
        self.worker.process.stdin.write(json.dumps([workflow, steps, ids]).encode() + b"\n")
        self.worker.process.stdin.flush()
        self._answered()
        return ids

    def resolve(self, id: str) -> None:
        self.client.send(id, "yes", "answer")

    def _answered(self) -> None:
        if not self.worker.process.stdout.readline():
            raise PeerFailed("its application has ended; the output above says why")
