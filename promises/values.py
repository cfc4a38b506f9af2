"""Values on the wire: what `data` holds, and how it becomes JSON and back."""

import base64
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Value:
    """A promise's param or value: optional string headers and `data`, an opaque string (by convention base64 of
    JSON)."""

    headers: dict[str, str] | None = None
    data: str | None = None

    @classmethod
    def of(cls, obj: Any) -> "Value":
        """A value that carries `obj` as JSON."""
        return cls(data=encode(obj))

    def decode(self) -> Any:
        """The JSON value inside; None when there is no data; raises ValueError when the data is not base64 of JSON."""
        return decode(self.data)


EMPTY = Value()
# The value of a promise that the function which made it has canceled; others cancel with another value, or none.
CANCELED_BY_CALLER = Value({"countersign:canceled-by": "caller"})


def encode(obj: Any) -> str:
    """The wire form of a JSON value: base64 (standard, padded) of its UTF-8 JSON text."""
    return base64.b64encode(json.dumps(obj, separators=(",", ":"), allow_nan=False).encode()).decode("ascii")


def decode(data: str | None) -> Any:
    """The JSON value in `data`; None for None and ''. Raises ValueError when it is not base64 of UTF-8 JSON."""
    if not data:
        return None
    return json.loads(base64.b64decode(data, validate=True))


def display(data: str | None) -> Any:
    """Like `decode`, for people: data that is no JSON of ours (encrypted, foreign) is shown as the string it is."""
    try:
        return decode(data)
    except ValueError:
        return data
