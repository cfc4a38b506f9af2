"""What a request body may be: one JSON object in UTF-8, of bounded size and depth, that PostgreSQL and every JSON
reader can hold."""

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from promises.problems import Problem

MAX_DEPTH = 64
FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


class StrictJSONParser(BaseParser):
    """Parses an object; 400 for anything else, 413 beyond DATA_UPLOAD_MAX_MEMORY_SIZE bytes."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        meta = parser_context["request"].META if parser_context else {}
        return json_object(read_limited(stream, meta.get("CONTENT_LENGTH")))


def read_limited(stream: IO[Any], content_length: str | None) -> bytes:
    """The whole body, unless it is over the limit: then nothing is kept and the error says what the limit is."""
    limit: int | None = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if limit is None:
        return bytes(stream.read())
    announced = int(content_length) if content_length and content_length.isdecimal() else 0
    body = b"" if announced > limit else bytes(stream.read(limit + 1))
    if max(announced, len(body)) > limit:
        detail = _("The body is larger than the %(limit)d bytes that this server accepts.") % {"limit": limit}
        raise Problem(413, "PayloadTooLarge", detail)
    return body


def json_object(body: bytes) -> dict[str, Any]:
    """The object in `body`; ParseError names what is wrong with it."""
    try:
        parsed = json.loads(body.decode(), parse_float=_finite, parse_constant=_finite)
    except UnicodeDecodeError:
        raise ParseError(_("The body is not UTF-8.")) from None
    except json.JSONDecodeError as error:
        raise ParseError(_("The body is not JSON: %(reason)s") % {"reason": error}) from None
    except RecursionError:
        raise ParseError(_depth_message()) from None
    except ValueError:  # an integer of thousands of digits
        raise ParseError(_("The body holds a number that is too large.")) from None
    if not isinstance(parsed, dict):
        raise ParseError(_("The body must be a JSON object."))
    check_storable(parsed)
    return parsed


def check_storable(value: Any) -> None:
    """Refuse (ParseError) what is nested too deeply and strings with NUL or half a surrogate pair, which no text
    column holds."""
    level: list[Any] = [value]
    for _depth in range(MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.keys()
                inner += item.values()
            elif isinstance(item, list):
                inner += item
            elif isinstance(item, str) and FORBIDDEN.search(item):
                raise ParseError(_("The body holds a NUL character or half a surrogate pair, which cannot be stored."))
        if not inner:
            return
        level = inner
    raise ParseError(_depth_message())


def _depth_message() -> str:
    return _("The body is nested more than %(depth)d levels deep.") % {"depth": MAX_DEPTH}


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ParseError(_("The body holds a number that JSON cannot express: %(number)s") % {"number": text[:40]})
    return number
