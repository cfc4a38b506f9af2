"""What an author's type checker says about calls of the public API, by mypy and by pyright, both strict.

A line of a sample program that must be refused ends with `# E: ` and the codes of the errors, of mypy and of pyright
(those begin with `report`). Every other line must pass.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SAMPLES = sorted(path for path in HERE.glob("*.py") if not path.name.startswith(("test_", "__")))
SCRIPTS = Path(sys.executable).parent

Errors = dict[str, set[str]]  # file:line -> codes

_marker = re.compile(r"  # E: (?P<codes>.+)$")
_mypy_error = re.compile(r"^(?P<file>.+?):(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$", re.MULTILINE)


def expected(*, of_pyright: bool) -> Errors:
    return {
        f"{sample.name}:{number}": codes
        for sample in SAMPLES
        for number, line in enumerate(sample.read_text().splitlines(), start=1)
        if (found := _marker.search(line))
        and (codes := {code for code in found["codes"].split() if code.startswith("report") == of_pyright})
    }


def said_by(program: str, *options: str | Path) -> str:
    """What the checker prints; it may find errors, but it must not fail itself."""
    done = subprocess.run(
        [SCRIPTS / program, *options], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_mypy(tmp_path: Path) -> None:
    strict = ["--config-file=", "--strict", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    found: Errors = defaultdict(set)
    for error in _mypy_error.finditer(said_by("mypy", *strict, *SAMPLES)):
        found[f"{Path(error['file']).name}:{error['line']}"].add(error["code"])
    assert found == expected(of_pyright=False)


def test_pyright() -> None:
    report = json.loads(said_by("basedpyright", "--project", HERE / "pyrightconfig.json", "--outputjson"))
    found: Errors = defaultdict(set)
    for error in report["generalDiagnostics"]:
        found[f"{Path(error['file']).name}:{error['range']['start']['line'] + 1}"].add(error["rule"])
    assert found == expected(of_pyright=True)


@pytest.mark.parametrize("of_pyright", [False, True])
def test_each_checker_has_something_to_refuse(of_pyright: bool) -> None:
    assert len(expected(of_pyright=of_pyright)) > 20
