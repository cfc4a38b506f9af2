"""What must be true of the code before it is merged: `./run test`, `./run lint` and, both and more, `./run
check`."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from config import programs
from config.supervisor import say

SCRIPTS = Path(sys.executable).parent
LINTERS = {
    "ruff": (SCRIPTS / "ruff", "check", "."),
    "format": (SCRIPTS / "ruff", "format", "--check", "."),
    "types": (SCRIPTS / "mypy",),
    "imports": (SCRIPTS / "lint-imports",),
    "templates": (SCRIPTS / "djlint", "templates", "--lint", "--quiet"),
}
MOST_WORKERS = 4


def test(options: list[str]) -> int:
    """Every test, in parallel and in random order."""
    is_serial = any(
        option.startswith(("-n", "--numprocesses", "--pdb", "--collect-only", "--co")) for option in options
    )
    parallel = [] if is_serial else ["-n", str(min(MOST_WORKERS, os.cpu_count() or 1))]
    return _run("pytest", *parallel, *options)


def lint(options: list[str]) -> int:
    """Every linter, so that one run shows all there is to mend."""
    return _all_of({name: partial(_run_command, [*command]) for name, command in LINTERS.items()})


def check(options: list[str]) -> int:
    """All that CI runs."""
    os.environ.setdefault("COUNTERSIGN_DEMO", "1")  # no signing key of the installation is needed to look at code
    return _all_of({"lint": lambda: lint([]), "migrations": migrations, "test": lambda: test(options)})


def migrations() -> int:
    """Whether every change of a model has its migration."""
    return _run_command([*programs.manage("makemigrations", "--check", "--dry-run")])


def _all_of(steps: dict[str, Callable[[], int]]) -> int:
    """Run every step, then name those that failed."""
    failed = [name for name, step in steps.items() if step() != 0]
    if failed:
        say(f"Failed: {', '.join(failed)}")
    return 1 if failed else 0


def _run(module: str, *arguments: str) -> int:
    return _run_command([sys.executable, "-m", module, *arguments])


def _run_command(command: Sequence[str | Path]) -> int:
    return subprocess.run(command, cwd=programs.ROOT, check=False).returncode
