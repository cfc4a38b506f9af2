"""Values <-> JSON, by the annotations of the functions they pass through. Never pickle."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from workflows.errors import EncodingError, InvalidArguments

_PLAIN = (str, int, bool, type(None))


def to_json(value: Any) -> Any:
    """The value as JSON: dataclasses, pydantic models, dates, decimals, UUIDs and enums by their standard form.

    Errors: EncodingError, which names the type that has no JSON form.
    """
    if type(value) in _PLAIN:
        return value
    try:
        return to_jsonable_python(value, bytes_mode="base64", inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError) as error:
        raise EncodingError(f"{type(value).__qualname__} cannot be stored as JSON: {error}{_hint(error)}") from None


def from_json(value: Any, annotation: Any) -> Any:
    """The JSON value as the annotated type; as it is where there is no annotation. Errors: EncodingError."""
    if annotation is Any or annotation is Parameter.empty or type(value) is annotation:
        return value
    try:
        adapter = _adapter(annotation)
        if adapter.holds_bytes:
            return adapter.types.validate_json(json.dumps([value]))[0]
        return adapter.types.validate_python([value])[0]
    except ValidationError as error:
        raise EncodingError(f"{value!r:.100} is no {annotation!r}: {error.errors()[0]['msg']}") from None
    except PydanticUserError as error:  # of the annotation, whatever the value
        raise EncodingError(f"{annotation!r} cannot be read from JSON: {error.message}") from None


def _hint(error: Exception) -> str:
    if "codec can't decode" not in str(error):
        return ""
    return " (bytes of a pydantic model: give it ConfigDict(ser_json_bytes='base64', val_json_bytes='base64'))"


@dataclass(frozen=True, slots=True)
class _Adapter:
    types: TypeAdapter[Any]
    holds_bytes: bool


@lru_cache(maxsize=4096)
def _adapter(annotation: Any) -> _Adapter:
    """Reads the annotation in a list of one, since a model of its own takes no configuration; bytes are base64, which
    pydantic undoes only when it reads JSON text."""
    adapter: TypeAdapter[Any] = TypeAdapter(list[annotation], config=ConfigDict(val_json_bytes="base64"))
    return _Adapter(adapter, "'bytes'" in repr(adapter.core_schema))


@lru_cache(maxsize=4096)
def signature_of(fn: Callable[..., Any]) -> Signature:
    """The function's signature with its annotations evaluated (strings become types where they can be found)."""
    try:
        plain = signature(fn)
    except (TypeError, ValueError):  # builtins without one
        return Signature([Parameter("args", Parameter.VAR_POSITIONAL), Parameter("kwargs", Parameter.VAR_KEYWORD)])
    try:
        hints = get_type_hints(fn, include_extras=True)
    except (NameError, TypeError, AttributeError):
        hints = {}
    parameters = [p.replace(annotation=hints.get(p.name, _known(p.annotation))) for p in plain.parameters.values()]
    return plain.replace(parameters=parameters, return_annotation=hints.get("return", _known(plain.return_annotation)))


def result_type(fn: Callable[..., Any]) -> Any:
    """The annotation of what the function returns; Any when there is none."""
    annotation = signature_of(fn).return_annotation
    return Any if annotation is Signature.empty else annotation


def check_call(fn: Callable[..., Any], name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Whether a workflow function, which gets its context first, can be called with these. Errors: InvalidArguments."""
    sig = signature_of(fn)
    try:
        sig.bind(None, *args, **kwargs)
    except TypeError as error:
        shown = _shown(sig.replace(parameters=list(sig.parameters.values())[1:]))
        raise InvalidArguments(f"{name}{shown}: {error}") from None


def bind(sig: Signature, name: str, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """JSON arguments as the signature's types: (args, kwargs). Errors: InvalidArguments, naming the parameter."""
    try:
        bound = sig.bind(*args, **kwargs)
    except TypeError as error:
        raise InvalidArguments(f"{name}{_shown(sig)}: {error}") from None
    for parameter_name, value in bound.arguments.items():
        bound.arguments[parameter_name] = _convert(sig.parameters[parameter_name], name, value)
    return list(bound.args), bound.kwargs


def _convert(parameter: Parameter, function: str, value: Any) -> Any:
    try:
        if parameter.kind is Parameter.VAR_POSITIONAL:
            return tuple(from_json(item, parameter.annotation) for item in value)
        if parameter.kind is Parameter.VAR_KEYWORD:
            return {key: from_json(item, parameter.annotation) for key, item in value.items()}
        return from_json(value, parameter.annotation)
    except EncodingError as error:
        raise InvalidArguments(f"{function}: argument {parameter.name!r}: {error}") from None


def _known(annotation: Any) -> Any:
    return Parameter.empty if isinstance(annotation, str) else annotation


def _shown(sig: Signature) -> str:
    return str(sig.replace(return_annotation=Signature.empty))
