"""The processes of a run: each peer is measured by a process of its own (`bench.measuring`), which has its worker.

They share a process group: whatever happens to the measuring process, the group is ended with it.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Samples = dict[str, list[float]]

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 90
STOP_SECONDS = 20


class PeerFailed(Exception):
    """The peer cannot be measured (any more); the message says why."""


class NotMeasured(Exception):
    """The workload has no meaning for this peer; the message says why."""


def say(text: str) -> None:
    """Tell whoever watches the run."""
    print(text, file=sys.stderr, flush=True)


class PeerProcess:
    """A peer, seen from the run: it is asked for a workload and answers with samples."""

    def __init__(self, name: str, python: str, environment: Mapping[str, str]) -> None:
        """Start it and wait until it is ready. Errors: PeerFailed."""
        self.name = name
        self._process = subprocess.Popen(
            [python, "-m", "bench.measuring", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            start_new_session=True,
        )
        try:
            self._answer(START_SECONDS)
        except BaseException:
            self.stop()
            raise

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def ask(self, workload: str, n: int, *, seconds: float) -> Samples:
        """Run a workload once. Errors: NotMeasured, PeerFailed."""
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps([workload, n]).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise PeerFailed("its process has ended; the output above says why") from None
        answer = self._answer(seconds)
        if "not_measured" in answer:
            raise NotMeasured(answer["not_measured"])
        samples: Samples = answer["samples"]
        return samples

    def stop(self) -> None:
        """End the process, which ends its worker, and whatever is left of its group."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"{self.name} does not stop; it is killed")
        finally:
            self._kill()
            self._process.wait()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _answer(self, seconds: float) -> dict[str, Any]:
        output = self._process.stdout
        assert output
        if not select.select([output], [], [], seconds)[0]:
            self._kill()
            raise PeerFailed(f"it took longer than {seconds:.0f} s")
        line = output.readline()
        if not line:
            raise PeerFailed("its process has ended; the output above says why")
        answer: dict[str, Any] = json.loads(line)
        if "failure" in answer:
            raise PeerFailed(answer["failure"])
        return answer


class Worker:
    """A peer's worker, a process beside the measuring one."""

    def __init__(self, *command: str, stdin: int = subprocess.DEVNULL, stdout: int | None = None) -> None:
        self.process = subprocess.Popen(command, stdin=stdin, stdout=sys.stderr if stdout is None else stdout)

    def check(self) -> None:
        """Errors: PeerFailed when it has ended by itself."""
        if self.process.poll() is not None:
            raise PeerFailed("its worker did not start; the output above says why")

    def stop(self) -> None:
        """Ask it to stop, and kill it when it does not."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS / 2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
