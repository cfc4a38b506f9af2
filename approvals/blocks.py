"""The typed card: each builder makes one JSON block, frozen with the request. Browsers, mails and programs only render
it (`templates/approvals/blocks/`)."""

import base64
import json as jsonlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pydantic_core import to_jsonable_python

from approvals.errors import InvalidCard

Block = dict[str, Any]

CARD_LIMIT = 512 * 1024  # bytes of JSON: a card is read by a person
IMAGES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8", "image/webp": b"RIFF"}
SAFE_SCHEMES = ("http", "https", "mailto")


def facts(values: Mapping[str, Any] | None = None, /, **named: Any) -> Block:
    """Labelled values, the most important first: `facts(total="214.40", lines=2)` or `facts({"Paid by": "card"})`."""
    items = [{"label": label, "value": _text(value)} for label, value in (values or {}).items()]
    items += [{"label": _label(name), "value": _text(value)} for name, value in named.items()]
    return {"type": "facts", "items": items}


def markdown(text: str) -> Block:
    """CommonMark with tables; raw HTML is shown as text."""
    return {"type": "markdown", "text": text}


def table(
    rows: Iterable[Mapping[str, Any] | Sequence[Any]], columns: Sequence[str] | None = None, title: str = ""
) -> Block:
    """Rows that are mappings (their keys are the columns) or sequences (then `columns` gives the heads). Columns of
    numbers are set to the right."""
    listed = list(rows)
    keys: list[Any] = list(columns or [])
    if listed and isinstance(listed[0], Mapping):
        keys = keys or list(listed[0])
        cells = [[row.get(key) for key in keys] if isinstance(row, Mapping) else list(row) for row in listed]
    else:
        cells = [list(row) for row in listed]
        keys = keys or [""] * max((len(row) for row in cells), default=0)
    numeric = [bool(cells) and all(_is_number(row[i]) for row in cells if i < len(row)) for i in range(len(keys))]
    return {
        "type": "table",
        "title": title,
        "columns": [{"label": _label(str(key)), "numeric": n} for key, n in zip(keys, numeric, strict=True)],
        "rows": [[_text(value) for value in row] for row in cells],
    }


def diff(old: str, new: str, language: str = "", title: str = "") -> Block:
    """What changes, line by line."""
    return {"type": "diff", "old": old, "new": new, "language": language, "title": title}


def json(value: Any, title: str = "") -> Block:
    """A JSON value, indented."""
    return {"type": "json", "value": _plain(value), "title": title}


def code(text: str, language: str = "", title: str = "") -> Block:
    """Source text, in a fixed-width face."""
    return {"type": "code", "text": text, "language": language, "title": title}


def image(content: bytes, alt: str, title: str = "") -> Block:
    """A picture (PNG, JPEG, GIF or WebP), kept in the card itself: nothing can change what was seen. `alt` says in
    words what it shows. Errors: InvalidCard."""
    kind = next((kind for kind, begins in IMAGES.items() if content.startswith(begins)), None)
    if kind is None:
        raise InvalidCard("image() takes the content of a PNG, JPEG, GIF or WebP file.")
    data = base64.b64encode(content).decode()
    return {"type": "image", "media": kind, "data": data, "alt": alt, "title": title}


def link(label: str, url: str) -> Block:
    """A way to more: http, https or mailto, or a path on this site. Errors: InvalidCard."""
    return {"type": "link", "label": label, "url": url}


def metric(label: str, value: Any, unit: str = "", note: str = "") -> Block:
    """The number that matters, set large."""
    return {"type": "metric", "label": label, "value": _text(value), "unit": unit, "note": note}


def blocks_check(blocks: Any) -> list[Block]:
    """The blocks of a card, if each is well formed. Errors: InvalidCard, which names the block."""
    if not isinstance(blocks, list | tuple):
        raise InvalidCard("show= takes a list of blocks, such as [facts(total=1)].")
    for number, block in enumerate(blocks, 1):
        kind = block.get("type") if isinstance(block, Mapping) else None
        check = _CHECKS.get(kind) if isinstance(kind, str) else None
        if check is None:
            raise InvalidCard(f"Block {number} is of no known type; there are {', '.join(_CHECKS)}.")
        if not check(block):
            raise InvalidCard(f"Block {number} ({kind}) is not well formed.")
    found = [dict(block) for block in blocks]
    if len(jsonlib.dumps(found, ensure_ascii=False).encode("utf-8", "surrogatepass")) > CARD_LIMIT:
        raise InvalidCard(
            f"The card is larger than {CARD_LIMIT // 1024} kB; show what a person can read, link the rest."
        )
    return found


def is_safe_url(url: Any) -> bool:
    """Whether a person may be sent there: no `javascript:`, no address hidden by control characters."""
    if not isinstance(url, str) or re.search(r"[\x00-\x20\x7f\\]", url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme:
        return parts.scheme in SAFE_SCHEMES and bool(parts.netloc or parts.scheme == "mailto")
    return url.startswith("/") and not url.startswith("//")


def _texts(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda block: all(isinstance(block.get(name), str) for name in names)


def _is_facts(block: Mapping[str, Any]) -> bool:
    items = block.get("items")
    return isinstance(items, list) and all(
        isinstance(item, Mapping) and isinstance(item.get("label"), str) and isinstance(item.get("value"), str)
        for item in items
    )


def _is_table(block: Mapping[str, Any]) -> bool:
    columns, rows = block.get("columns"), block.get("rows")
    return (
        isinstance(columns, list)
        and isinstance(rows, list)
        and all(isinstance(c, Mapping) and isinstance(c.get("label"), str) for c in columns)
        and all(isinstance(row, list) and all(isinstance(cell, str) for cell in row) for row in rows)
    )


def _is_image(block: Mapping[str, Any]) -> bool:
    is_told = _texts("alt", "data")(block) and block["alt"].strip() != ""
    return is_told and block.get("media") in IMAGES and re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", block["data"]) is not None


_CHECKS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "facts": _is_facts,
    "markdown": _texts("text"),
    "table": _is_table,
    "diff": _texts("old", "new"),
    "json": lambda block: "value" in block,
    "code": _texts("text"),
    "image": _is_image,
    "link": lambda block: isinstance(block.get("label"), str) and is_safe_url(block.get("url")),
    "metric": _texts("label", "value"),
}


def _label(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or value is None:
        return False
    return re.fullmatch(r"[-+]?\d[\d ,.'\u00a0\u202f]*%?", str(value)) is not None


def _text(value: Any) -> str:
    """A value as people read it; nothing is lost by rounding."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    plain = _plain(value)
    if isinstance(plain, bool | int | float | str):
        return str(plain)
    if isinstance(plain, list) and all(isinstance(item, str | int | float) for item in plain):
        return ", ".join(str(item) for item in plain)
    return jsonlib.dumps(plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    try:
        return to_jsonable_python(value, inf_nan_mode="strings")
    except ValueError as error:
        raise InvalidCard(f"{type(value).__qualname__} cannot be shown on a card: {error}") from None
