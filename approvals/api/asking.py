"""What a program sends to ask people: JSON as the author's API takes it, made into a card and checked by it."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from approvals import policies
from approvals.cards import RISKS, Card, card
from approvals.durations import after
from approvals.outcomes import Outcome
from promises.api import inputs

LIST_LIMIT = 200

# The examples of the documentation.
REFUND = {
    "question": "Refund 12.50 to Mia?",
    "to": "group:finance",
    "show": [{"type": "facts", "items": [{"label": "Order", "value": "A-17"}]}],
    "risk": "low",
    "timeout": {"after": "24h", "then": "reject"},
}
MAINTENANCE = {
    "question": "When does the maintenance begin?",
    "to": ["user:dave", "group:sre"],
    "outcomes": ["plan", {"name": "skip", "label": "Not this week", "kind": "reject"}],
    "form": {"type": "object", "properties": {"day": {"type": "string", "format": "date"}}, "required": ["day"]},
}


@extend_schema_field(OpenApiTypes.ANY)
class AnyField(serializers.JSONField):
    """JSON of several shapes; the help text names them."""


class TimeoutSerializer(serializers.Serializer[Any]):
    """When the time to answer is over, and what happens then."""

    after = inputs.TextField(max_length=40, help_text='A duration: "90s", "24h", "7d".')
    then = inputs.TextField(max_length=40, help_text="The name of one of the outcomes.")
    calendar = inputs.TextField(max_length=100, required=False, default="", help_text="Only its working time passes.")


class AskSerializer(serializers.Serializer[Any]):
    """A question to people."""

    question = inputs.TextField(max_length=500)
    to = AnyField(
        help_text='"user:ana", "group:finance", "permission:app.codename", a list of them of which one is enough, '
        '"policy:NAME" for a registered policy, or a policy as the detail of an approval shows it.'
    )
    never = serializers.ListField(
        child=inputs.TextField(max_length=200), required=False, default=list, max_length=LIST_LIMIT,
        help_text='Whom not: "requester", or principals.',
    )  # fmt: skip
    show = serializers.ListField(
        child=serializers.JSONField(), required=False, default=list, max_length=LIST_LIMIT, help_text="Typed blocks."
    )
    outcomes = serializers.ListField(
        child=AnyField(), required=False, allow_null=True, default=None, max_length=LIST_LIMIT,
        help_text='Names, or objects with "name" and "label", "kind", "comment", "tone", "form". Approve and reject '
        "unless given.",
    )  # fmt: skip
    form = serializers.JSONField(required=False, allow_null=True, default=None, help_text="A JSON Schema.")
    propose = serializers.JSONField(required=False, allow_null=True, default=None, help_text="What is proposed.")
    editable = AnyField(required=False, help_text="The fields of the proposal that people may correct; true for all.")
    risk = serializers.ChoiceField(choices=RISKS, required=False, default="medium")
    timeout = TimeoutSerializer(required=False, allow_null=True, default=None)

    def card(self, requester: str) -> Card:
        """Errors: ValidationError, InvalidCard, InvalidPolicy."""
        sent = self.validated_data
        timeout = sent["timeout"]
        return card(
            sent["question"],
            to=_audience(sent["to"]),
            never=sent["never"],
            show=sent["show"],
            outcomes=None if sent["outcomes"] is None else [_outcome(item) for item in sent["outcomes"]],
            form=_schema(sent["form"]),
            propose=sent["propose"],
            editable=_editable(sent.get("editable", [])),
            risk=sent["risk"],
            timeout=after(timeout["after"], then=timeout["then"], calendar=timeout["calendar"]) if timeout else None,
            requester=requester,
        )


def _audience(to: Any) -> Any:
    if isinstance(to, Mapping):
        return policies.thaw({"name": "", "never": [], "veto": [], **to})
    if isinstance(to, str) or (isinstance(to, list) and all(isinstance(item, str) for item in to)):
        return to
    raise ValidationError({"to": [_("Name a principal, a list of principals, or a policy.")]})


def _outcome(item: Any) -> Outcome | str:
    if isinstance(item, str):
        return item
    names = {"name", "label", "kind", "comment", "tone", "form"}
    if isinstance(item, Mapping) and "name" in item and set(item) <= names:
        texts = all(isinstance(value, str) for key, value in item.items() if key != "form")
        if texts and isinstance(item.get("form"), Mapping | None):
            return Outcome(**item)
    raise ValidationError({"outcomes": [_("An outcome is a name, or an object with “name” and what it is like.")]})


def _schema(form: Any) -> Mapping[str, Any] | None:
    if form is None or isinstance(form, Mapping):
        return form
    raise ValidationError({"form": [_("A form is a JSON Schema.")]})


def _editable(editable: Any) -> Any:
    if isinstance(editable, bool) or (isinstance(editable, list) and all(isinstance(item, str) for item in editable)):
        return editable
    raise ValidationError({"editable": [_("Name the fields, or say true for all of them.")]})
