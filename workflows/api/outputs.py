"""How executions are shown: what was asked, how it stands, and the call graph of its promises."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from promises.api.outputs import iso, shown_value
from promises.records import PromiseRecord
from promises.states import PromiseState
from promises.values import Value
from workflows.errors import PromiseCanceled, PromiseTimeout
from workflows.kinds import KINDS, kind_of

STATES = [state.value for state in PromiseState]


class ErrorSerializer(serializers.Serializer[Any]):
    """Why an execution or a step was rejected."""

    name = serializers.CharField(help_text=gettext_lazy("The class of the error."))
    message = serializers.CharField()


class NodeSerializer(serializers.Serializer[Any]):
    """One promise of the call graph."""

    id = serializers.CharField()
    parent_id = serializers.CharField(allow_null=True)
    func = serializers.CharField()
    kind = serializers.ChoiceField(choices=KINDS)
    state = serializers.ChoiceField(choices=STATES)
    value = serializers.JSONField(allow_null=True)
    error = ErrorSerializer(allow_null=True)
    created_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)
    timeout_at = serializers.DateTimeField(allow_null=True, help_text=gettext_lazy("Null: no deadline."))


class ExecutionSummarySerializer(serializers.Serializer[Any]):
    """An execution, without its call graph."""

    id = serializers.CharField()
    workflow = serializers.CharField()
    version = serializers.IntegerField(allow_null=True)
    state = serializers.ChoiceField(choices=STATES)
    value = serializers.JSONField(allow_null=True, help_text=gettext_lazy("The result, once resolved."))
    error = ErrorSerializer(allow_null=True)
    requester = serializers.CharField(help_text=gettext_lazy("Who started it; empty for a machine."))
    created_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)
    timeout_at = serializers.DateTimeField(allow_null=True, help_text=gettext_lazy("Null: no deadline."))
    halted = serializers.CharField(
        allow_null=True, help_text=gettext_lazy("Why it, or a call that it made, is halted.")
    )


class ExecutionSerializer(ExecutionSummarySerializer):
    """An execution with its call graph."""

    args = serializers.ListField(child=serializers.JSONField())
    kwargs = serializers.DictField(child=serializers.JSONField())
    nodes = NodeSerializer(many=True)


def summary_document(root: PromiseRecord, halted: str) -> dict[str, Any]:
    """The JSON of ExecutionSummarySerializer; `halted` is "" when nothing of it is."""
    return {
        "id": root.id,
        "workflow": root.func or call_of(root.param).get("func", ""),
        "version": version_of(root.tags),
        "state": str(root.state),
        "value": shown_value(root.value) if root.state == PromiseState.RESOLVED else None,
        "error": error_document(root),
        "requester": requester_of(root),
        "created_at": iso(root.created_at),
        "settled_at": iso(root.settled_at),
        "timeout_at": iso(root.timeout_at),
        "halted": halted or None,
    }


def execution_document(graph: list[PromiseRecord], halted: str) -> dict[str, Any]:
    """The JSON of ExecutionSerializer, from the call graph with the root first."""
    return summary_document(graph[0], halted) | {
        **arguments_document(graph[0].param),
        "nodes": [node_document(promise) for promise in graph],
    }


def node_document(promise: PromiseRecord) -> dict[str, Any]:
    """The JSON of NodeSerializer."""
    return {
        "id": promise.id,
        "parent_id": promise.parent_id,
        "func": promise.func,
        "kind": kind_of(promise),
        "state": str(promise.state),
        "value": shown_value(promise.value) if promise.state == PromiseState.RESOLVED else None,
        "error": error_document(promise),
        "created_at": iso(promise.created_at),
        "settled_at": iso(promise.settled_at),
        "timeout_at": iso(promise.timeout_at),
    }


def error_document(promise: PromiseRecord) -> dict[str, str] | None:
    """{"name", "message"} for each way of being rejected; None otherwise."""
    match promise.state:
        case PromiseState.REJECTED_CANCELED:
            return {"name": PromiseCanceled.__name__, "message": _("It was canceled.")}
        case PromiseState.REJECTED_TIMEDOUT:
            return {"name": PromiseTimeout.__name__, "message": _("Its deadline passed.")}
        case PromiseState.REJECTED:
            value = shown_value(promise.value)
            if isinstance(value, dict):
                return {"name": str(value.get("name", "")), "message": str(value.get("message", ""))}
            return {"name": "", "message": "" if value is None else str(value)}
    return None


def version_of(tags: Mapping[str, str]) -> int | None:
    """The version of the workflow that a promise runs, if its tags say one."""
    version = tags.get("countersign:version", "")
    return int(version) if version.isascii() and version.isdigit() else None


def arguments_document(param: Value) -> dict[str, Any]:
    """{"args", "kwargs"} of what is called, empty where the param does not say them."""
    call = call_of(param)
    args, kwargs = call.get("args"), call.get("kwargs")
    return {"args": args if isinstance(args, list) else [], "kwargs": kwargs if isinstance(kwargs, dict) else {}}


def call_of(param: Value) -> dict[str, Any]:
    """What is called: {"func", "args", "kwargs", "version"}, as far as the param says."""
    call = shown_value(param)
    return call if isinstance(call, dict) else {}


def requester_of(root: PromiseRecord) -> str:
    return root.tags.get("countersign:requester", "")
