"""Lists as `{"results": [...], "next": url | null}`, by keyset: a page costs the same wherever it is, and rows
never come twice."""

import base64
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

DEFAULT_LIMIT, MAX_LIMIT = 50, 200


def limit_of(request: Request) -> int:
    """`?limit=`, 1 to MAX_LIMIT."""
    text = request.query_params.get("limit", "") or str(DEFAULT_LIMIT)
    if re.fullmatch(r"[1-9][0-9]{0,5}", text):
        return min(int(text), MAX_LIMIT)
    raise ValidationError({"limit": [_("A page holds 1 to %(limit)d rows.") % {"limit": MAX_LIMIT}]})


def cursor_of(request: Request, *kinds: type) -> list[Any] | None:
    """The key of the last row of the page before (values of `kinds`), or None on the first page."""
    text = request.query_params.get("cursor", "")
    if not text:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(text.encode("ascii")))
    except (ValueError, RecursionError):
        raise _bad_cursor() from None
    if not isinstance(key, list) or len(key) != len(kinds):
        raise _bad_cursor()
    if not all(type(part) is kind and _is_searchable(part) for part, kind in zip(key, kinds, strict=True)):
        raise _bad_cursor()
    return key


def before(at: int, id: Any, *, field: str = "created_at") -> Q:
    """Rows that come after the key (at, id) in a list that is newest first. The first half is the range of the
    index."""
    return Q(**{f"{field}__lte": at}) & (Q(**{f"{field}__lt": at}) | Q(id__lt=id))


def page_response(
    request: Request,
    rows: Iterable[Any],
    *,
    limit: int,
    key: Callable[[Any], list[Any]],
    show: Callable[[Any], Any],
) -> Response:
    """The answer for `rows`, of which one more than `limit` was fetched if there is a next page."""
    found = list(rows)
    following = None
    if len(found) > limit:
        cursor = base64.urlsafe_b64encode(json.dumps(key(found[limit - 1])).encode()).decode()
        following = replace_query_param(request.build_absolute_uri(), "cursor", cursor)
    return Response({"results": [show(row) for row in found[:limit]], "next": following})


def _is_searchable(part: Any) -> bool:
    if isinstance(part, int):
        return abs(part) < 2**63
    return "\x00" not in part and part.isprintable()


def _bad_cursor() -> ValidationError:
    return ValidationError({"cursor": [_("This cursor was not made by this server; start from the first page.")]})
