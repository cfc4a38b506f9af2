"""How promises are shown: decoded JSON, lower-case states, ISO times in UTC."""

import math
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from promises.callback_urls import callback_url, is_latent
from promises.records import PromiseRecord
from promises.states import PromiseState
from promises.times import NEVER, to_datetime
from promises.values import Value, display


class PromiseSerializer(serializers.Serializer[Any]):
    """A durable promise. `param` and `value` are any JSON."""

    id = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in PromiseState])
    param = serializers.JSONField(allow_null=True)
    value = serializers.JSONField(allow_null=True)
    tags = serializers.DictField(child=serializers.CharField())
    timeout_at = serializers.DateTimeField(allow_null=True, help_text=_("Null: no deadline."))
    created_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)
    callback_url = serializers.URLField(
        allow_null=True,
        help_text=_(
            "Whoever has this address can settle the promise; shown while it is latent, to callers who may write."
        ),
    )


def promise_document(promise: PromiseRecord, *, now: int, may_write: bool) -> dict[str, Any]:
    """The JSON of PromiseSerializer. The callback URL is a right to write, so readers do not get it."""
    is_open = may_write and promise.is_pending and is_latent(promise)
    return {
        "id": promise.id,
        "state": str(promise.state),
        "param": shown_value(promise.param),
        "value": shown_value(promise.value),
        "tags": promise.tags,
        "timeout_at": iso(promise.timeout_at),
        "created_at": iso(promise.created_at),
        "settled_at": iso(promise.settled_at),
        "callback_url": callback_url(promise.id, promise.timeout_at, now=now) if is_open else None,
    }


def iso(ms: int | None) -> str | None:
    """2026-11-24T12:00:00.000Z; None for no time and for no deadline."""
    moment = None if ms is None or ms >= NEVER else to_datetime(ms)
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shown_value(value: Value) -> Any:
    """The JSON inside `value`; data of foreign clients that is no strict JSON is shown as the string it is."""
    shown = display(value.data)
    return value.data if has_nonfinite(shown) else shown


def has_nonfinite(value: Any) -> bool:
    """Whether NaN or an infinity hides in it: Python reads them, JSON has no word for them."""
    if isinstance(value, dict):
        return any(has_nonfinite(item) for item in value.values())
    if isinstance(value, list):
        return any(has_nonfinite(item) for item in value)
    return isinstance(value, float) and not math.isfinite(value)
