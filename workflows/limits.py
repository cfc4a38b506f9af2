"""The limits that the code declares: of workflows by their decorator, of queues by the setting WORKFLOWS["QUEUES"]."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from promises.limits import Limits
from workflows.registry import Registry


def declared(functions: Registry) -> dict[str, Limits]:
    """Key -> limits, of every registered workflow and every queue in the settings: {"name": {"concurrency": 20, "rate":
    "100/s"}}. Errors: BadRequest, TypeError (an unknown key)."""
    queues: Mapping[str, Mapping[str, Any]] = settings.WORKFLOWS.get("QUEUES", {})
    found = {f"queue:{name}": Limits.of(**limits) for name, limits in queues.items()}
    return found | {f"workflow:{function.name}": function.limits for function in functions.all()}
