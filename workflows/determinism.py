"""Whether a call that a body makes is the one that is recorded in its place, and whether it has made all of them; what
to tell whoever has to mend it."""

from collections.abc import Collection, Iterator, Mapping

from promises.records import PromiseRecord
from workflows.operations import Kind, Operation


def difference(operation: Operation, known: PromiseRecord) -> str:
    """What was recorded and what is asked now; '' when it is the same call, whatever its arguments."""
    recorded, asked = known.tags.get("resonate:scope"), operation.promise.tags["resonate:scope"]
    if not _is_named_so(operation, known.func):
        return (
            f"{operation.id} is recorded as {known.func or 'another kind of promise'!r}, but the code now asks for "
            f"{operation.func!r}. The function changed under a running execution, or is not deterministic."
            f"{_renamed(operation, known.func)}"
        )
    if recorded not in (None, asked):
        return (
            f"{operation.id} is recorded as a {recorded} call of {known.func!r}, but the code now makes it a {asked} "
            f"one (ctx.run is local, ctx.rpc global)."
        )
    return ""


def unasked(recorded: Mapping[str, PromiseRecord], asked: Collection[str]) -> str:
    """What is recorded of functions that have run again, and was not asked for by them, as a message; '' for nothing.

    What a settled function had called is not asked for again, and what another execution has called not here.
    """
    missing = [
        f"{id} ({promise.func})"
        for id, promise in recorded.items()
        if id not in asked and promise.func and not any(_keeps_its_own(recorded.get(above)) for above in _above(id))
    ]
    if not missing:
        return ""
    shown = ", ".join(sorted(missing)[:5])
    return f"The function no longer asks for what is recorded: {shown}."


def _above(id: str) -> Iterator[str]:
    """The ids that this one is below: `r:1.2.3` -> `r:1.2`, `r:1`."""
    while "." in id:
        id = id.rpartition(".")[0]
        yield id


def _keeps_its_own(promise: PromiseRecord | None) -> bool:
    return promise is not None and (not promise.is_pending or "resonate:target" in promise.tags)


def _is_named_so(operation: Operation, func: str) -> bool:
    return func == operation.func or (operation.function is not None and func in operation.function.names)


def _renamed(operation: Operation, old: str) -> str:
    new = operation.func
    if not old or old.startswith("ctx.") or new.startswith("ctx."):
        return ""
    keep = f"@step(name={old!r})" if operation.kind is Kind.LEAF else f"{new}.replaces({old!r})"
    return f" If {old!r} was only renamed, say so: {keep}."
