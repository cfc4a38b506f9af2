"""A form made from a workflow's signature: one field for each parameter, by its annotation. What the form cannot know
is checked by the signature itself when the execution starts."""

import re
import types
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from inspect import Parameter
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import uuid4

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from workflows.errors import InvalidArguments
from workflows.registry import Workflow

ID_FIELD = "execution-id"  # no parameter can be called so
FILE_SUFFIX = "-file"
TEXT_FILES = ("csv",)  # parameters of these names take a text file
OWN_NAMES = ("claimant", "requester")  # parameters of these names are the person who starts

_argument = re.compile(r"argument '(?P<name>\w+)': (?P<why>.*)", re.DOTALL)


class LinesField(forms.CharField):
    """Several texts, one in each line; empty lines do not count."""

    widget = forms.Textarea(attrs={"rows": 4})

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in (value or "").splitlines() if line.strip()]

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value

    def run_validators(self, value: Any) -> None:
        for line in value:
            super().run_validators(line)


class TextOrFile(forms.Textarea):
    """A text that a file beside it may stand for: the browser must not insist on the text."""

    def use_required_attribute(self, initial: Any) -> bool:
        return False


class StartForm(forms.Form):
    """The parameters of one workflow, and the id of the execution: it is made up when the form is shown, so that
    sending the form twice starts once."""

    def __init__(self, workflow: Workflow[..., Any], username: str, *, may_name_others: bool, **given: Any) -> None:
        super().__init__(**given)
        self.workflow = workflow
        for parameter in parameters_of(workflow):
            self.fields[parameter.name] = field = field_of(parameter)
            field.label = _words(parameter.name)
            if parameter.name in OWN_NAMES:
                field.initial = username
                if not may_name_others:
                    field.widget.attrs["readonly"] = True
        self.fields[ID_FIELD] = forms.CharField(
            label=_("Id of the run"),
            max_length=200,
            initial=lambda: f"{workflow.name}-{uuid4().hex[:12]}",
            help_text=_("Sending the same id again finds the same run; nothing starts twice."),
        )

    @property
    def arguments(self) -> dict[str, Any]:
        """What to call the workflow with; an optional parameter that was left empty keeps its default."""
        found = {}
        for parameter in parameters_of(self.workflow):
            value = self.cleaned_data[parameter.name]
            if parameter.default is Parameter.empty or value not in (None, "", []):
                found[parameter.name] = value
        return found

    def add_refusal(self, error: InvalidArguments) -> None:
        """Put the signature's objection on the field that it names."""
        named = _argument.search(str(error))
        if named and named["name"] in self.fields:
            self.add_error(named["name"], named["why"])
        else:
            self.add_error(None, str(error))


def parameters_of(workflow: Workflow[..., Any]) -> list[Parameter]:
    """The parameters that a form can ask for: those that have a name of their own."""
    variadic = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return [found for found in workflow.signature.parameters.values() if found.kind not in variadic]


def field_of(parameter: Parameter) -> forms.Field:
    """The form field of a parameter. An annotation that has none of its own is asked for as JSON."""
    annotation, is_optional = _plain(parameter.annotation)
    has_default = parameter.default is not Parameter.empty
    given: dict[str, Any] = {"required": not (is_optional or has_default)}
    if has_default and parameter.default is not None:
        given["initial"] = parameter.default
    if is_text_file(parameter):
        widget = TextOrFile(attrs={"rows": 10, "class": "mono", "spellcheck": "false"})
        return forms.CharField(widget=widget, strip=False, **given)
    if get_origin(annotation) is Literal and all(isinstance(choice, str) for choice in get_args(annotation)):
        return forms.ChoiceField(choices=[(choice, choice) for choice in get_args(annotation)], **given)
    make: Callable[..., forms.Field] = _FIELDS.get(annotation, _json_field)
    return make(**given)


def is_text_file(parameter: Parameter) -> bool:
    """Whether a file may be chosen for it."""
    return parameter.name in TEXT_FILES and _plain(parameter.annotation)[0] is str


def _plain(annotation: Any) -> tuple[Any, bool]:
    """The annotation without its extras, and whether None is allowed."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        others = [item for item in get_args(annotation) if item is not type(None)]
        if len(others) == 1:
            return _plain(others[0])[0], True
    return annotation, False


def _flag_field(**given: Any) -> forms.Field:
    return forms.BooleanField(**{**given, "required": False})


def _date_field(**given: Any) -> forms.Field:
    return forms.DateField(widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **given)


def _moment_field(**given: Any) -> forms.Field:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    return forms.DateTimeField(widget=widget, **given)


def _lines_field(**given: Any) -> forms.Field:
    return LinesField(help_text=gettext_lazy("One in each line."), **given)


def _number_field(**given: Any) -> forms.Field:
    return forms.FloatField(widget=forms.NumberInput(attrs={"step": "any"}), **given)


def _decimal_field(**given: Any) -> forms.Field:
    return forms.DecimalField(widget=forms.TextInput(attrs={"inputmode": "decimal"}), **given)


def _json_field(**given: Any) -> forms.Field:
    widget = forms.Textarea(attrs={"rows": 4, "class": "mono", "spellcheck": "false"})
    return forms.JSONField(widget=widget, help_text=gettext_lazy("As JSON."), **given)


_FIELDS: Mapping[Any, Callable[..., forms.Field]] = {
    str: forms.CharField,
    int: forms.IntegerField,
    float: _number_field,
    bool: _flag_field,
    date: _date_field,
    datetime: _moment_field,
    Decimal: _decimal_field,
    list[str]: _lines_field,
}


def _words(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words.upper() if name in TEXT_FILES else words[:1].upper() + words[1:]
