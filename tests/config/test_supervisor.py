"""The supervisor: what dies is started again, what hangs is killed, and nothing is left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
# A program that ignores SIGTERM, has a child of its own, and notes the pids of both.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()} {child.pid}\\n")
time.sleep(600)
"""
SUPERVISE = """
import sys
from config import supervisor
from config.programs import Program
supervisor.STOP_SECONDS = 1
program = Program("stubborn", (sys.executable, "-c", sys.argv[1], sys.argv[2]))
sys.exit(supervisor.Supervisor([program], None).run())
"""


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def starts(notes: Path) -> list[list[int]]:
    """The pids of each start, oldest first."""
    return [[int(pid) for pid in line.split()] for line in notes.read_text().splitlines()] if notes.exists() else []


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "notes"
    yield path
    for pid in (pid for start in starts(path) for pid in start):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def supervisor(notes: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, STUBBORN, str(notes)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: len(starts(notes)) == 1)
        yield process
        process.kill()


def test_a_killed_program_is_started_again_and_its_children_are_not_left_over(supervisor, notes):
    first, child = starts(notes)[0]
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: len(starts(notes)) == 2)
    assert is_gone(child)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_no_process_even_when_one_ignores_it(supervisor, notes, number):
    pids = starts(notes)[0]
    supervisor.send_signal(number)
    assert supervisor.wait(10) == 0
    assert all(is_gone(pid) for pid in pids)


def test_a_second_ctrl_c_does_not_wait(supervisor, notes):
    started = time.monotonic()
    supervisor.send_signal(signal.SIGINT)
    time.sleep(0.2)
    supervisor.send_signal(signal.SIGINT)
    supervisor.wait(10)
    assert time.monotonic() - started < 1


def test_the_pauses_between_restarts_grow(supervisor, notes):
    for count in (1, 2, 3):
        os.kill(starts(notes)[-1][0], signal.SIGKILL)
        wait_for(lambda count=count: len(starts(notes)) == count + 1)
    supervisor.send_signal(signal.SIGTERM)
    said = supervisor.communicate(timeout=10)[1]
    pauses = [line.split(" in ")[1] for line in said.splitlines() if "starting it again" in line]
    assert pauses == ["0.2 s.", "0.4 s.", "0.8 s."]
