"""The processes that are killed: workers, the clock, PostgreSQL and, where redis-server is installed, a broker.

Everything is started by this run, and ended by its process id."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from config import embedded_postgres, programs
from config import postgres_binaries as binaries


class Machine:
    """An installation in a folder of its own. Call `prepare` once, then `start`."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.state = folder / "var"
        self.log = (folder / "processes.log").open("wb")
        self.redis_port = _free_port() if shutil.which("redis-server") else None
        self.redis: subprocess.Popen[bytes] | None = None
        self.clock: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes] | None] = [None] * workers
        os.environ.update(
            COUNTERSIGN_VAR=str(self.state),
            COUNTERSIGN_APPS="bench.chaos",
            COUNTERSIGN_LEASE_MS="2000",
            COUNTERSIGN_RETRY_INTERVAL_MS="1000",
            COUNTERSIGN_WORKER_CONCURRENCY="4",
            COUNTERSIGN_BROKER_WAKES="1",
            LOG_LEVEL="ERROR",
            SECRET_KEY="chaos-only-" + os.urandom(16).hex(),
        )
        os.environ.pop("DATABASE_URL", None)
        os.environ.pop("CELERY_BROKER_URL", None)
        if self.redis_port:
            os.environ["CELERY_BROKER_URL"] = f"redis://127.0.0.1:{self.redis_port}/0"

    @property
    def broker(self) -> str:
        return "redis of its own" if self.redis_port else "the queue in the database"

    def start_database(self) -> None:
        embedded_postgres.ensure(self.state)

    def start(self) -> None:
        """The broker, the clock and the workers. Half of the workers hear by NOTIFY, the others by broker messages."""
        self.start_redis()
        self.start_clock()
        for number in range(len(self.workers)):
            self.start_worker(number)

    def start_worker(self, number: int) -> None:
        environment = {**os.environ, "COUNTERSIGN_BROKER_WAKES": str(number % 2)}
        self.workers[number] = self._spawn(programs.worker().command, environment)

    def start_clock(self) -> None:
        self.clock = self._spawn(programs.clock().command)

    def start_redis(self) -> None:
        if self.redis_port:
            options = ("--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
            self.redis = self._spawn(("redis-server", *options))

    # -- accidents -------------------------------------------------------------------------------------------

    def kill_worker(self) -> None:
        """kill -9 of one worker, in the middle of whatever it does; another takes its place."""
        self._replace_worker(signal.SIGKILL)

    def stop_worker(self) -> None:
        """A rolling deploy: one worker is asked to stop, another takes its place at once."""
        self._replace_worker(signal.SIGTERM)

    def kill_clock(self) -> None:
        _end(self.clock, signal.SIGKILL)
        self.start_clock()

    def crash_database(self) -> None:
        """PostgreSQL stops without a word to anybody, and recovers from its log."""
        data = embedded_postgres.data_folder(self.state)
        binaries.run(self.state, "pg_ctl", "stop", "-D", data, "-m", "immediate", "-w", "-t", 30)
        embedded_postgres.ensure(self.state)

    def restart_broker(self) -> None:
        """The broker forgets every message."""
        _end(self.redis, signal.SIGKILL)
        self.start_redis()

    def stop(self) -> None:
        for process in (*self.workers, self.clock, self.redis):
            _end(process, signal.SIGKILL)
        embedded_postgres.stop(self.state)
        self.log.close()

    def _replace_worker(self, how: int) -> None:
        number = random.randrange(len(self.workers))
        leaving = self.workers[number]
        if how == signal.SIGKILL:
            _end(leaving, how)
            self.start_worker(number)
        else:
            self.start_worker(number)
            _end(leaving, how)

    def _spawn(self, command: tuple[str, ...], environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            env=environment or dict(os.environ),
            cwd=programs.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes] | None, how: int) -> None:
    """Signal a process and wait for its end; one that does not go within ten seconds is killed."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_for(is_so: Callable[[], bool], seconds: float) -> bool:
    """Look until it is so, at most so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.05)
    return False
