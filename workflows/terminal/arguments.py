"""From the words on a command line to the arguments of a workflow: JSON where they are JSON and the function takes it,
else texts."""

import json
from collections.abc import Sequence
from inspect import Parameter
from typing import Any

from workflows import codec
from workflows.errors import EncodingError, InvalidArguments
from workflows.registry import Workflow
from workflows.terminal.errors import CannotRun


def arguments_of(
    function: Workflow[..., Any], words: Sequence[str], named: Sequence[str]
) -> tuple[list[Any], dict[str, Any]]:
    """The positional arguments, and those of the form NAME=VALUE, as JSON values that fit the function. Errors:
    CannotRun."""
    parameters = list(function.signature.parameters.values())
    args = [value_of(word, _annotation_at(parameters, place)) for place, word in enumerate(words)]
    kwargs: dict[str, Any] = {}
    for text in named:
        name, equals, word = text.partition("=")
        if not equals or name in kwargs:
            raise CannotRun(f"--kw takes NAME=VALUE, each name once, not {text!r}.")
        kwargs[name] = value_of(word, _annotation_of(parameters, name))
    try:
        function.bind(list(args), dict(kwargs))
    except InvalidArguments as error:
        raise CannotRun(str(error)) from None
    return args, kwargs


def value_of(word: str, annotation: Any = Any) -> Any:
    """What was typed, as JSON: the value that the text is, or the text itself, whichever the annotation takes. A number
    with a decimal point stays a text where that becomes a Decimal, which keeps its digits."""
    value = _json(word)
    is_exact = isinstance(value, float) and _becomes_exact(word, annotation)
    candidates = [word, value] if is_exact else [value, word]
    return next((candidate for candidate in candidates if _fits(candidate, annotation)), value)


def _json(word: str) -> Any:
    try:
        return json.loads(word, parse_constant=_refuse)
    except ValueError:
        return word


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _fits(value: Any, annotation: Any) -> bool:
    try:
        codec.from_json(value, annotation)
    except EncodingError:
        return False
    return True


def _becomes_exact(word: str, annotation: Any) -> bool:
    try:
        return not isinstance(codec.from_json(word, annotation), str | float)
    except EncodingError:
        return False


def _annotation_at(parameters: Sequence[Parameter], place: int) -> Any:
    """What the positional argument at this place may be; anything, when there is none."""
    positional = [p for p in parameters if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    if place < len(positional):
        return positional[place].annotation
    return next((p.annotation for p in parameters if p.kind is Parameter.VAR_POSITIONAL), Any)


def _annotation_of(parameters: Sequence[Parameter], name: str) -> Any:
    found = {p.name: p.annotation for p in parameters}
    return found.get(name, next((p.annotation for p in parameters if p.kind is Parameter.VAR_KEYWORD), Any))
