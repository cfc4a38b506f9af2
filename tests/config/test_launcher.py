"""`./run`: help, mistakes, and a port that is taken."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from config import launcher

ROOT = Path(__file__).resolve().parents[2]


def test_help_lists_every_command(capsys):
    assert launcher.main(["--help"]) == 0
    said = capsys.readouterr().out
    for command in (
        "test",
        "lint",
        "check",
        "bench",
        "web",
        "worker",
        "clock",
        "manage",
        "--port",
        "--no-demo",
    ):
        assert command in said


def test_an_unknown_command_is_named(capsys):
    assert launcher.main(["tset"]) == 2
    assert "'tset'" in capsys.readouterr().err


def test_a_taken_port_is_named_before_anything_starts(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERSIGN_VAR", str(tmp_path))
    for name in ("COUNTERSIGN_DEMO", "COUNTERSIGN_PUBLIC_URL", "LOG_LEVEL", "LOG_FORMAT"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert launcher.main(["--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert f"Port {port}" in said
    assert "--port" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", [70000, -1])
def test_a_port_that_does_not_exist_is_refused(port):
    with pytest.raises(launcher.CannotStart, match=str(port)):
        launcher.port_check("127.0.0.1", port)


def test_a_database_that_does_not_answer_is_reported_without_its_password():
    environment = {
        **os.environ,
        "DATABASE_URL": "postgresql://someone:hushhush@127.0.0.1:1/nothing",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-m", "config.launcher", "--no-demo", "--port", "0"],
        env={**environment, "SECRET_KEY": "k" * 50},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "DATABASE_URL" in done.stderr
    assert "hushhush" not in done.stderr


def test_a_python_that_is_too_old_or_broken_is_not_used(tmp_path):
    fake = tmp_path / "python3"
    fake.write_text("#!/bin/sh\necho 'pyenv: python3: command not found' >&2\nexit 127\n")
    fake.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(fake), "COUNTERSIGN_VENV": str(tmp_path / "venv")}
    done = subprocess.run([ROOT / "run", "--help"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no Python 3.11 or newer" in done.stderr
