"""The audit as a file: one event a line (JSON Lines), and a last line that signs all lines before it. Such a file can
be verified where there is no database."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from approvals import keys, signing
from approvals.chains import Break, Link, first_break, link_content
from approvals.signing import NotGenuine

FORMAT = "countersign-audit/1"


@dataclass
class Line:
    """An event as a line of the file tells it."""

    stream: str
    number: int
    kind: str
    actor: str
    channel: str
    data: Any
    happened_at: int
    previous_hash: str
    hash: str


def export_lines(events: Iterable[Link], *, now: int) -> Iterator[str]:
    """The lines of the file, each with its newline: {"stream", "number", "kind", "actor", "channel", "data", "at",
    "previous", "hash"}, then {"end": {"format", "events", "sha256", "at"}, "signature"}. Times are ms since the epoch;
    the signature is null when the installation has no key."""
    digest, count = hashlib.sha256(), 0
    for event in events:
        line = _text({**link_content(event), "hash": event.hash})
        digest.update(line.encode())
        count += 1
        yield line
    end = {"format": FORMAT, "events": count, "sha256": digest.hexdigest(), "at": now}
    yield _text({"end": end, "signature": keys.signed(end)})


def export_verify(lines: Iterable[str], public_keys: Sequence[Ed25519PublicKey]) -> tuple[int, list[Break]]:
    """How many events the file has, and the first break of every stream that has one. Errors: NotGenuine, when the file
    as a whole is not what was exported."""
    digest = hashlib.sha256()
    streams: dict[str, list[Line]] = {}
    count, end = 0, None
    for text in lines:
        if end is not None:
            raise NotGenuine("Something follows the line that ends it.")
        line = _parsed(text)
        if "end" in line:
            end = line
            continue
        digest.update(text.encode())
        count += 1
        event = _line(line)
        streams.setdefault(event.stream, []).append(event)
    _end_verify(end, count, digest.hexdigest(), public_keys)
    found = [first_break(events, after=None if events[0].number > 1 else (0, "")) for events in streams.values()]
    return count, [item for item in found if item]


def _end_verify(end: Any, count: int, sha256: str, public_keys: Sequence[Ed25519PublicKey]) -> None:
    if end is None:
        raise NotGenuine("The line that ends it is missing.")
    content = end["end"]
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise NotGenuine(f"This is no export in the format {FORMAT}.")
    signing.verify(content, end.get("signature"), public_keys)
    if (content.get("events"), content.get("sha256")) != (count, sha256):
        raise NotGenuine("It was altered after it was signed.")


def _line(line: dict[str, Any]) -> Line:
    try:
        names = {"at": "happened_at", "previous": "previous_hash"}
        return Line(**{names.get(key, key): value for key, value in line.items()})
    except TypeError:
        raise NotGenuine("A line of it is no event.") from None


def _parsed(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        line = None
    if not isinstance(line, dict):
        raise NotGenuine("A line of it is no JSON object.")
    return line


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
