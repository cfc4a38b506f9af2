"""What the promises of a call graph stand for, told from their tags."""

from promises.records import PromiseRecord

KINDS = ["workflow", "remote", "step", "sleep", "approval", "promise"]


def kind_of(promise: PromiseRecord) -> str:
    """What a promise of a call graph stands for (one of KINDS)."""
    tags = promise.tags
    if "resonate:target" in tags:
        return "workflow" if promise.parent_id is None else "remote"
    if tags.get("countersign:approval"):
        return "approval"
    if tags.get("resonate:timer") == "true":
        return "sleep"
    return "step" if tags.get("resonate:scope") == "local" else "promise"
