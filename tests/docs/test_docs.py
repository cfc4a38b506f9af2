"""The documentation tells the truth: its snippets run as shown, and its links lead somewhere.

A fenced block opened by ```python file=PATH is a file of the reader's; ```python run is a program, run in local mode
with those files, without Django settings; ```text output after it is exactly what it prints.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])

_block = re.compile(r"^```(?P<kind>\w+) (?P<mark>file=\S+|run|output)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_code = re.compile(r"^```.*?^```$|^    .*?$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_link = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_heading = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)

WITH_SNIPPETS = [str(page.relative_to(ROOT)) for page in PAGES if _block.search(page.read_text())]


@dataclass(frozen=True)
class Block:
    """A marked fenced block of a page."""

    mark: str
    text: str


def blocks_of(page: str) -> list[Block]:
    return [Block(found["mark"], found["text"]) for found in _block.finditer((ROOT / page).read_text())]


@pytest.mark.parametrize("page", WITH_SNIPPETS)
def test_the_snippets_of_a_page_run_as_shown(page: str, tmp_path: Path) -> None:
    printed = ""
    for block in blocks_of(page):
        if block.mark.startswith("file="):
            write_file(tmp_path / block.mark.removeprefix("file="), block.text)
        elif block.mark == "run":
            printed = run(block.text, tmp_path)
        else:
            assert printed == block.text, f"{page} shows another output than its snippet prints"


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_the_app_of_a_page_fits_into_the_product(page: str, tmp_path: Path) -> None:
    apps = {write_app_file(block, tmp_path) for block in blocks_of(page) if block.mark.startswith("file=")}
    environment = {
        **environment_of(tmp_path),
        "COUNTERSIGN_APPS": ",".join(apps),
        "COUNTERSIGN_VAR": str(tmp_path / "var"),
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = _code.sub("", page.read_text())
    dead = [found["target"] for found in _link.finditer(text) if not leads_somewhere(page, found["target"])]
    assert not dead


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    text = index.read_text()
    named = {(index.parent / unquote(found["target"])).resolve() for found in _link.finditer(text)}
    pages = [page for page in PAGES if page.is_relative_to(index.parent) and page != index]
    assert [str(page.relative_to(ROOT)) for page in pages if page not in named] == []


def leads_somewhere(page: Path, target: str) -> bool:
    """Whether a relative link names an existing file (and heading); others are not followed."""
    if re.match(r"[a-z]+:", target):
        return True
    path, _, anchor = target.partition("#")
    found = (page.parent / unquote(path)).resolve() if path else page
    if not found.exists():
        return False
    return not anchor or anchor in anchors_of(found)


def anchors_of(page: Path) -> set[str]:
    headings = (found["text"].strip().lower() for found in _heading.finditer(page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def write_app_file(block: Block, folder: Path) -> str:
    """Write the file; returns the app it belongs to."""
    name = block.mark.removeprefix("file=")
    write_file(folder / name, block.text)
    return name.partition("/")[0]


def write_file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.write_text(text)


def run(program: str, folder: Path) -> str:
    """What a program prints, with the reader's folder and the repository importable and nothing configured."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-B", "-c", program],
        cwd=folder,
        env=environment_of(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{program}\n{done.stderr}"
    return done.stdout


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of a reader: nothing of the test run's own settings."""
    mine = ("DJANGO_", "CELERY_", "COUNTERSIGN_", "DATABASE_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    return {**kept, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
