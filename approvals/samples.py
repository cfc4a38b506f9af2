"""Sample files that an app ships for its workflows: `samples/<workflow>.csv` and `samples/<workflow>-*.csv` beside the
module that registers the workflow, for its parameter named `csv`."""

from pathlib import Path
from typing import Any

from django.apps import apps

from approvals.start_form import TEXT_FILES
from workflows.registry import Workflow


def samples_of(workflow: Workflow[..., Any]) -> dict[str, list[str]]:
    """The names of the sample files for each parameter that takes a text file; the plain one first."""
    folder = _folder(workflow)
    parameters = [name for name in workflow.signature.parameters if name in TEXT_FILES]
    if folder is None or not folder.is_dir():
        return {name: [] for name in parameters}
    return {name: _names(folder, workflow.name, name) for name in parameters}


def sample_read(workflow: Workflow[..., Any], name: str) -> str | None:
    """The text of one of them; None for any other name."""
    folder = _folder(workflow)
    if folder is None or not any(name in names for names in samples_of(workflow).values()):
        return None
    return (folder / name).read_text(encoding="utf-8")


def _names(folder: Path, workflow: str, extension: str) -> list[str]:
    plain = f"{workflow}.{extension}"
    found = sorted(path.name for path in folder.glob(f"*.{extension}"))
    return [name for name in found if name == plain] + [name for name in found if name.startswith(f"{workflow}-")]


def _folder(workflow: Workflow[..., Any]) -> Path | None:
    app = apps.get_containing_app_config(workflow.__module__)
    return Path(app.path) / "samples" if app else None
