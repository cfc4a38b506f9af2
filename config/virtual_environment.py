"""A script: make the virtual environment and install the lock file into it, with uv when it is there, else
with pip.

`virtual_environment.py FOLDER LOCK STAMP`, run by the Python that the environment is for; uses the standard
library only. Writes STAMP into the environment when all is done, so that an interrupted set-up is begun
again.
"""

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

STAMP = "countersign.stamp"


class SetupFailed(Exception):
    """The environment could not be made; the message says why and what to do."""


def main(folder: Path, lock: Path, stamp: str) -> int:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(folder.name + ".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # two commands may be started at once in a fresh checkout
        if (folder / STAMP).exists() and (folder / STAMP).read_text() == stamp and is_same_python(folder):
            return 0
        started = time.monotonic()
        try:
            environment_make(folder, lock)
        except SetupFailed as error:
            print(f"\n{error}", file=sys.stderr)
            return 1
        (folder / STAMP).write_text(stamp)
    print(f"The environment is ready ({time.monotonic() - started:.0f} s).", file=sys.stderr)
    return 0


def environment_make(folder: Path, lock: Path) -> None:
    """Create the environment unless it is one of this Python already, and install what the lock file
    lists."""
    print(
        f"Setting up {folder} with Python {sys.version.split()[0]}; once, and when dependencies change.",
        file=sys.stderr,
    )
    (folder / STAMP).unlink(missing_ok=True)
    uv = shutil.which("uv")
    if uv and uv_install(uv, folder, lock):
        return
    pip_install(folder, lock)


def uv_install(uv: str, folder: Path, lock: Path) -> bool:
    """Install with uv; False when it did not work, whatever the reason (an old uv, other settings): pip is
    next."""
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": str(folder)}
    commands = [
        [
            uv,
            "pip",
            "sync",
            "--compile-bytecode",
            "--require-hashes",
            "--python",
            str(folder / "bin" / "python"),
            str(lock),
        ]
    ]
    if not is_same_python(folder):
        commands.insert(0, [uv, "venv", "--clear", "--no-project", "--python", sys.executable, str(folder)])
    for command in commands:
        if subprocess.run(command, env=environment, check=False).returncode:
            print("uv did not manage; trying with pip.", file=sys.stderr)
            return False
    return True


def pip_install(folder: Path, lock: Path) -> None:
    """Install with the pip of a plain venv, showing how far it is."""
    python = str(folder / "bin" / "python")
    if not is_same_python(folder):
        venv_create(folder)
    elif not _runs(python, "-m", "pip", "--version") and not _runs(python, "-m", "ensurepip"):
        venv_create(folder)  # uv makes environments without pip
    count = len(re.findall(r"^[A-Za-z0-9]", lock.read_text(), re.MULTILINE))
    options = ["--require-hashes", "--no-deps", "--no-input", "--disable-pip-version-check"]
    command = [python, "-m", "pip", "install", *options, "-r", str(lock)]
    said: list[str] = []
    done = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            said.append(line)
            done += line.startswith(("Collecting", "Requirement already", "Ignoring"))
            progress_show(f"  {min(done, count)} of {count} packages" if done < count else "  installing the files")
    progress_show("", end=True)
    if pip.returncode:
        raise SetupFailed(
            "".join(said[-15:])
            + "\nThe packages could not be installed. Is there a network, or a package index that pip "
            "can reach? Then start ./run again."
        )


def venv_create(folder: Path) -> None:
    """A new environment of this Python, with pip. Raises SetupFailed naming the package that a
    distribution left out."""
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupFailed(
            f"This Python ({sys.executable}) comes without venv. Install it (Debian, Ubuntu: apt install "
            f"python{version}-venv), or install uv, or choose another interpreter by PYTHON."
        )
    done = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SetupFailed(f"{done.stdout}{done.stderr}\nThe virtual environment {folder} could not be made.")


def is_same_python(folder: Path) -> bool:
    """Whether the folder is an environment that runs, of the Python version that runs this."""
    command = [str(folder / "bin" / "python"), "-c", "import sys; print(sys.version)"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == sys.version
    except OSError:
        return False


def _runs(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def progress_show(text: str, *, end: bool = False) -> None:
    """One line that is written over; nothing where there is no terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif end:
        print("  packages installed", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]), sys.argv[3]))
