"""Public names of Python modules as Markdown: signatures as they are written, and docstrings. Read from the source,
which is the same under every version of Python."""

import ast
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

Function = ast.FunctionDef | ast.AsyncFunctionDef

OURS = {"promises", "workflows", "approvals"}

# Classes that the reader gets and does not make.
NOT_MADE = {"Context", "DurableFuture", "Handle", "OpenRequest", "Start", "Workflow"}
WIDE = 100


@dataclass(frozen=True)
class Source:
    """The text of a module and its syntax tree."""

    text: str
    tree: ast.Module

    def of(self, node: ast.AST) -> str:
        """The node as it is written, in one line."""
        return " ".join((ast.get_source_segment(self.text, node) or "").split())


def page(title: str, modules: Iterable[str]) -> str:
    """All public names of the modules, in the order of the alphabet."""
    return f"# {title}\n" + "".join(_module(import_module(name)) for name in modules)


def _module(module: ModuleType) -> str:
    entries = [_entry(module, name) for name in _public(module)]
    return f"\n## {module.__name__}\n\n{inspect.getdoc(module)}\n" + "".join(entries)


def _public(module: ModuleType) -> list[str]:
    """What `__all__` lists; else the classes and functions that the module itself defines."""
    listed: list[str] | None = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(listed, key=str.lower)
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return sorted((name for name in own if not name.startswith("_") and _nodes(module.__name__, name)), key=str.lower)


def _entry(module: ModuleType, name: str) -> str:
    value = getattr(module, name)
    text = f"\n### {name}\n"
    described = value if inspect.isclass(value) or inspect.isfunction(value) else type(value)
    if described.__module__.partition(".")[0] not in OURS:
        return text + _code(f"{name} = {value!r}")
    source, nodes = _source(described.__module__), _nodes(described.__module__, described.__name__)
    if isinstance(nodes[0], ast.ClassDef):
        head = _code(_class_head(source, nodes[0])) if described is value else ""
        return text + head + _docstring(nodes[0]) + "".join(_members(source, nodes[0], name))
    return text + _function(source, name, [node for node in nodes if isinstance(node, Function)])


def _class_head(source: Source, node: ast.ClassDef) -> str:
    """How it is made: its constructor's signature, else `class Name(Base):` with its fields."""
    constructors = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
    if constructors and node.name not in NOT_MADE:
        return _signature(source, node.name, constructors[0], "class")
    bases = ", ".join(source.of(base) for base in node.bases)
    head = f"class {node.name}({bases})" if bases else f"class {node.name}"
    fields = [source.of(item) for item in node.body if isinstance(item, ast.AnnAssign) and _is_public(item.target)]
    if not fields or node.name in NOT_MADE:
        return head
    return f"{head}:" + "".join(f"\n    {field}" for field in fields)


def _members(source: Source, node: ast.ClassDef, name: str) -> Iterator[str]:
    """Public methods and properties in the order they are written, each with its overloads, if they say something."""
    found: dict[str, list[Function]] = {}
    for item in node.body:
        if isinstance(item, Function) and (not item.name.startswith("_") or item.name == "__call__"):
            found.setdefault(item.name, []).append(item)
    for member, functions in found.items():
        shown = name if member == "__call__" else member
        if any(map(ast.get_docstring, functions)):
            yield f"\n#### {name}.{member}\n" + _function(source, shown, functions)


def _function(source: Source, name: str, nodes: list[Function]) -> str:
    """The signatures (those of the overloads, where there are any) and the docstring."""
    shown = nodes[:-1] or nodes
    return _code("\n".join(_signature(source, name, node) for node in shown)) + "".join(map(_docstring, nodes))


def _signature(source: Source, name: str, node: Function, kind: str = "") -> str:
    if any(source.of(decorator).endswith(("property", ".setter")) for decorator in node.decorator_list):
        return f"{name}: {_annotation(source, node.returns)}"
    kind = kind or ("async def" if isinstance(node, ast.AsyncFunctionDef) else "def")
    returns = "" if kind == "class" else f" -> {_annotation(source, node.returns)}"
    parameters = _parameters(source, node.args)
    line = f"{kind} {name}({', '.join(parameters)}){returns}"
    if len(line) <= WIDE:
        return line
    return f"{kind} {name}(\n" + "".join(f"    {parameter},\n" for parameter in parameters) + f"){returns}"


def _parameters(source: Source, args: ast.arguments) -> list[str]:
    plain = [*args.posonlyargs, *args.args]
    defaults: list[ast.expr | None] = [*[None] * (len(plain) - len(args.defaults)), *args.defaults]
    found = [_parameter(source, arg, default) for arg, default in zip(plain, defaults, strict=True)]
    if plain and plain[0].arg in ("self", "cls"):
        found = found[1:]
    if args.vararg:
        found.append("*" + _parameter(source, args.vararg, None))
    elif args.kwonlyargs:
        found.append("*")
    found += [_parameter(source, arg, default) for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    if args.kwarg:
        found.append("**" + _parameter(source, args.kwarg, None))
    return found


def _parameter(source: Source, arg: ast.arg, default: ast.expr | None) -> str:
    text = arg.arg + (f": {_annotation(source, arg.annotation)}" if arg.annotation else "")
    if default is None:
        return text
    shown = source.of(default)
    return f"{text} = {'...' if shown.startswith('_') else shown}"


def _annotation(source: Source, node: ast.expr | None) -> str:
    """An annotation, also one that is quoted because of what it names."""
    if node is None:
        return "None"
    return str(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, str) else source.of(node)


def _docstring(node: ast.ClassDef | Function) -> str:
    text = ast.get_docstring(node)
    return f"\n{text}\n" if text else ""


def _code(text: str) -> str:
    return f"\n```python\n{text}\n```\n"


def _is_public(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and not target.id.startswith("_")


def _nodes(module: str, name: str) -> list[ast.ClassDef | Function]:
    """Where a name is defined at a module's top level; a function may have overloads before it."""
    definitions = [item for item in _source(module).tree.body if isinstance(item, ast.ClassDef | Function)]
    return [item for item in definitions if item.name == name]


@lru_cache
def _source(module: str) -> Source:
    text = Path(inspect.getfile(import_module(module))).read_text()
    return Source(text, ast.parse(text))
