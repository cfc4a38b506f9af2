"""Keeps programs and the embedded database running until told to stop, and then leaves no process behind.

One thread waits for signals (also that of a child's end) and for the end of a database connection, so that an
idle supervisor costs nothing. Each program has a process group of its own: Ctrl-C reaches only the
supervisor, and what a killed program leaves behind is killed with its group.
"""

import contextlib
import ctypes
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg

from config import embedded_postgres
from config.programs import Program

STOP_SECONDS = 10
STEADY_SECONDS = 20
FIRST_DELAY = 0.2
LONGEST_DELAY = 30.0
PR_SET_PDEATHSIG = 1


class Child:
    """One program, started again whenever it ends, with growing pauses while it ends soon."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.due_at: float | None = 0.0
        self.delay = FIRST_DELAY

    def start(self) -> None:
        """Start the program in a process group of its own, which hears SIGTERM when the supervisor is
        killed (Linux)."""
        self.process = subprocess.Popen(
            self.program.command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_follow_parent,  # noqa: PLW1509  (the supervisor has one thread)
        )
        self.started_at = time.monotonic()
        self.due_at = None

    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def end_note(self) -> None:
        """The program ended: kill what is left of its group and set the time of the next start."""
        if self.process is None:
            return
        code = self.process.returncode
        self.signal(signal.SIGKILL)
        self.process = None
        now = time.monotonic()
        if now - self.started_at > STEADY_SECONDS:
            self.delay = FIRST_DELAY
        self.due_at = now + self.delay
        say(f"{self.program.name} ended ({_ending(code)}); starting it again in {self.delay:.1f} s.")
        self.delay = min(self.delay * 2, LONGEST_DELAY)

    def signal(self, number: int) -> None:
        """Send a signal to the whole process group, also after its leader has ended."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


class DatabaseWatch:
    """Notices at once when the embedded server dies (the end of an idle connection), and starts it again."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.delay = FIRST_DELAY
        self.due_at: float | None = None
        self.connection = self._connect()

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(embedded_postgres.url(self.state), autocommit=True)

    @property
    def file(self) -> int | None:
        """The descriptor that becomes readable when the server ends; None while there is no connection."""
        return None if self.connection.closed else self.connection.fileno()

    def look(self) -> None:
        """The connection has something to say: read it, and plan a restart when it is the end."""
        try:
            self.connection.pgconn.consume_input()
        except psycopg.OperationalError:
            self.connection.close()
            self.due_at = time.monotonic()
            say("The database ended; starting it again.")

    def heal(self) -> None:
        """Start the server, or plan another attempt."""
        try:
            embedded_postgres.ensure(self.state)
            self.connection = self._connect()
        except (embedded_postgres.DatabaseUnavailable, psycopg.Error) as error:
            say(f"{error}\nTrying again in {self.delay:.1f} s.")
            self.due_at = time.monotonic() + self.delay
            self.delay = min(self.delay * 2, LONGEST_DELAY)
        else:
            self.due_at, self.delay = None, FIRST_DELAY
            say("The database is back.")


class Supervisor:
    """Runs `programs`, and watches the embedded database of `state` unless that is None, until SIGINT or
    SIGTERM."""

    def __init__(self, programs: Sequence[Program], state: Path | None) -> None:
        self.children = [Child(program) for program in programs]
        self.state = state
        self.is_stopping = False
        self.is_impatient = False

    def run(self, when_started: Callable[[], bool] = lambda: True) -> int:
        """Start everything, call `when_started` (False: give up), and keep it running; the exit code."""
        watch = DatabaseWatch(self.state) if self.state else None
        with self._signals() as wakeup:
            try:
                self._start_due(watch)
                if not self.is_stopping and not when_started():
                    return 1
                while not self.is_stopping:
                    self._wait(wakeup, watch)
                    self._start_due(watch)
            finally:
                self._stop(wakeup)
                if watch:
                    watch.connection.close()
        return 0

    def _start_due(self, watch: DatabaseWatch | None) -> None:
        """Note what has ended and start what is due; programs wait for the database."""
        if watch and watch.due_at is not None and watch.due_at <= time.monotonic():
            watch.heal()
        for child in self.children:
            if child.has_ended():
                child.end_note()
            is_wanted = not self.is_stopping and (watch is None or watch.due_at is None)
            if is_wanted and child.due_at is not None and child.due_at <= time.monotonic():
                child.start()

    def _wait(self, wakeup: socket.socket, watch: DatabaseWatch | None) -> None:
        """Sleep until a signal, the end of the database, or the next planned start."""
        with selectors.DefaultSelector() as selector:
            selector.register(wakeup, selectors.EVENT_READ)
            file = watch.file if watch else None
            if file is not None:
                selector.register(file, selectors.EVENT_READ)
            is_database_down = watch is not None and watch.due_at is not None
            planned = [watch.due_at] if watch and is_database_down else [child.due_at for child in self.children]
            due = [moment for moment in planned if moment is not None]
            timeout = max(0.0, min(due) - time.monotonic()) if due else None
            for key, _ in selector.select(timeout):
                if key.fileobj is wakeup:
                    _drain(wakeup)
                elif watch:
                    watch.look()

    def _stop(self, wakeup: socket.socket) -> None:
        """Ask every group to end, wait, and kill what is left; a second Ctrl-C does not wait."""
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children:
            child.signal(signal.SIGTERM)
        while self._running() and time.monotonic() < deadline and not self.is_impatient:
            wakeup.settimeout(min(0.2, max(0.01, deadline - time.monotonic())))
            with contextlib.suppress(TimeoutError, BlockingIOError):
                wakeup.recv(4096)
        for child in self.children:
            child.signal(signal.SIGKILL)
        for child in self.children:
            if child.process is not None:
                child.process.wait()

    def _running(self) -> list[Child]:
        return [child for child in self.children if child.process is not None and child.process.poll() is None]

    @contextlib.contextmanager
    def _signals(self) -> Iterator[socket.socket]:
        """Turn signals into bytes on a socket while the supervisor runs."""
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        reader.setblocking(False)
        old = {
            number: signal.getsignal(number)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
        }
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        try:
            yield reader
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in old.items():
                signal.signal(number, handler)
            reader.close()
            writer.close()

    def _on_stop(self, number: int, frame: object) -> None:
        self.is_impatient = self.is_stopping
        self.is_stopping = True


def say(text: str) -> None:
    """A line of the supervisor's own on the terminal."""
    print(text, file=sys.stderr, flush=True)


def _follow_parent() -> None:
    """In the child, before it becomes the program: ask Linux for SIGTERM when the supervisor dies."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _drain(wakeup: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        wakeup.recv(4096)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
