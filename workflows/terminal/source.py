"""From what was typed to the workflow: `path/to/file.py::function` or `package.module::function`."""

import importlib
import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from workflows.registry import Workflow
from workflows.terminal.errors import CannotRun

EXAMPLE = "refunds.py::refund, or shop.workflows::refund for a module"
NEEDS_DJANGO = ("ImproperlyConfigured", "AppRegistryNotReady")


def workflow_at(address: str) -> Workflow[..., Any]:
    """The workflow at this address, with its module imported. Errors: CannotRun."""
    place, _, name = address.partition("::")
    if not place:
        raise CannotRun(f"Name a file and a workflow in it: {EXAMPLE}.")
    module = _load_file(Path(place)) if place.endswith(".py") or "/" in place else _load_module(place)
    found = _workflows_in(module)
    if name in found:
        return found[name]
    raise CannotRun(_explain(place, name, vars(module).get(name), sorted(found)))


def _load_file(path: Path) -> ModuleType:
    """Import a file as Python would from the folder that its outermost package is in, so that its imports work."""
    if path.suffix != ".py":
        raise CannotRun(f"{path} is no Python file (.py).")
    if not path.is_file():
        raise CannotRun(f"There is no file {path}.")
    path = path.resolve()
    folder, names = path.parent, [path.stem]
    while (folder / "__init__.py").exists():
        names.insert(0, folder.name)
        folder = folder.parent
    sys.path.insert(0, str(folder))
    module = _imported(_shown(path), ".".join(names)) if len(names) > 1 else _loaded_alone(path)
    if Path(module.__file__ or "").resolve() != path:
        raise CannotRun(f"{_shown(path)} is hidden by {module.__file__}, which has the same name; rename one of them.")
    return module


def _load_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise CannotRun(f"{name!r} is neither a Python file (.py) nor the name of a module.")
    return _imported(name, name)


def _imported(place: object, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise CannotRun(f"There is no module {error.name} (looked for from {Path.cwd()}).") from error
        raise CannotRun(_import_failure(place, error)) from error
    except Exception as error:
        raise CannotRun(_import_failure(place, error)) from error


def _loaded_alone(path: Path) -> ModuleType:
    """A file outside any package. It may have the name of a module that is imported already, as `workflows.py` has."""
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_file"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise CannotRun(_import_failure(_shown(path), error)) from error
    return module


def _workflows_in(module: ModuleType) -> dict[str, Workflow[..., Any]]:
    """The workflows that a module defines or imports, by the names that they have there and that they are registered
    under."""
    found = {name: value for name, value in vars(module).items() if isinstance(value, Workflow)}
    return {workflow.name: workflow for workflow in found.values()} | found


def _explain(place: str, name: str, value: object, there_are: list[str]) -> str:
    if inspect.iscoroutinefunction(value):
        return f"{name} in {place} is no workflow yet: write @workflow above it."
    if callable(value):
        return (
            f"{name} in {place} is no workflow; that is an async function with @workflow above it: {_known(there_are)}"
        )
    wanted = f"There is no {name!r} in {place}" if name else f"Name a workflow in {place}"
    return f"{wanted}: {_known(there_are)}"


def _known(there_are: list[str]) -> str:
    return f"it has {', '.join(there_are)}." if there_are else "it has no workflows."


def _import_failure(place: object, error: Exception) -> str:
    if type(error).__name__ in NEEDS_DJANGO:
        return (
            f"{place} needs Django, which local mode does not set up ({_where(error)}). Import models inside the steps "
            "that use them, or run the workflow in durable mode, started by the pages, REST or `.start()`."
        )
    reason = error.msg if isinstance(error, SyntaxError) else error
    return f"{place} cannot be imported: {type(error).__name__}: {reason} ({_where(error)})"


def _where(error: Exception) -> str:
    """The place in the files of the user's own, as far as it can be told: file and line."""
    if isinstance(error, SyntaxError):
        return f"{_shown(error.filename or '')}, line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename)]
    return f"{_shown(frames[-1].filename)}, line {frames[-1].lineno}" if frames else "in no file of yours"


def _is_own(filename: str) -> bool:
    return not filename.startswith("<") and "site-packages" not in filename and filename != __file__


def _shown(path: str | Path) -> str:
    """The path, from here if it is below."""
    found, here = Path(path), Path.cwd()
    return str(found.relative_to(here) if found.is_relative_to(here) else found)
