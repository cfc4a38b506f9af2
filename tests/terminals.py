"""The command `python -m workflows` as people use it: in a process of its own, with an empty environment, its input
piped or typed into a terminal."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import workflows

ROOT = Path(workflows.__file__).parent.parent
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "TZ": "UTC", "LANG": "C.UTF-8", "TERM": "xterm", "LOGNAME": "ana"}
SECONDS = 60

_escape = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_duration = re.compile(r", \d+(\.\d+)? m?s\b")
_moment = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}")


@dataclass(frozen=True)
class Run:
    """What came of it. `out` and `err` are without times, which are different each time; `raw` is all of err."""

    code: int
    out: str
    raw: str

    @property
    def err(self) -> str:
        return steady(self.raw)


def steady(text: str) -> str:
    """The text without escape sequences, durations and moments."""
    return _moment.sub("TIME", _duration.sub("", _escape.sub("", text))).replace("\r\n", "\n")


def run(folder: Path, *words: str, typed: str = "") -> Run:
    """`python -m workflows WORDS`, with this input piped to it."""
    done = subprocess.run(
        command(*words),
        cwd=folder,
        env=ENVIRONMENT,
        input=typed,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def run_in_terminal(folder: Path, *words: str, dialogue: Sequence[tuple[str, str]] = ()) -> Run:
    """The same in a terminal of 80 x 30, where stdout is too. `dialogue`: when the first text is shown, the second is
    typed."""
    process, terminal = pty.fork()
    if not process:
        os.chdir(folder)
        os.execve(sys.executable, command(*words), ENVIRONMENT | {"COLUMNS": "80", "LINES": "30"})
    shown, seen, left = b"", 0, [(wait.encode(), typed.encode()) for wait, typed in dialogue]
    give_up_at = time.monotonic() + SECONDS
    while time.monotonic() < give_up_at and (read := _read(terminal)) is not None:
        shown += read
        if left and left[0][0] in shown[seen:]:
            seen = len(shown)
            os.write(terminal, left.pop(0)[1])
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return Run(code, "", shown.decode())


def _read(terminal: int) -> bytes | None:
    """What is shown next; None when the other side has closed."""
    if not select.select([terminal], [], [], 0.2)[0]:
        return b""
    try:
        return os.read(terminal, 65536) or None
    except OSError:
        return None


def command(*words: str) -> list[str]:
    return [sys.executable, "-B", "-W", "error", "-m", "workflows", *words]
