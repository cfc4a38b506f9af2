"""docs/reference, made of what the code says about itself: docstrings and signatures, the commands' own help, and the
comments in deploy/countersign.env. `./run reference` writes it; a test compares."""

from pathlib import Path

from config.programs import ROOT
from config.reference import commands, docstrings, environment

FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- Written by `./run reference`. Change what it is made of: the docstrings, the help, the comments. -->\n\n"

# Each page, and the modules whose public names it lists.
MODULES = {
    "workflows.md": (
        "Writing workflows, and following them",
        ["workflows", "workflows.executions", "workflows.schedules", "workflows.local", "workflows.errors"],
    ),
    "testing.md": ("Testing", ["workflows.testing", "approvals.testing"]),
    "approvals.md": ("Asking people", ["approvals"]),
}


def pages() -> dict[str, str]:
    """Each page's file name and text. Needs Django to be set up."""
    found = {name: docstrings.page(title, modules) for name, (title, modules) in MODULES.items()}
    found["commands.md"] = commands.page()
    found["settings.md"] = environment.page((ROOT / "deploy" / "countersign.env").read_text())
    return {name: NOTE + text for name, text in found.items()}


def write(folder: Path = FOLDER) -> None:
    """Write every page, and remove those that are none any more."""
    found = pages()
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.md"):
        if path.name not in found:
            path.unlink()
    for name, text in found.items():
        (folder / name).write_text(text)
