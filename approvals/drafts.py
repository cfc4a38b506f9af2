"""What somebody typed into a form whose session had ended: kept through the sign-in, and given back once."""

import json
from typing import Any

from django.http import HttpRequest

KEY = "drafts"
LIMIT = 256 * 1024  # characters of JSON, all drafts together


def draft_keep(request: HttpRequest, name: str, content: dict[str, Any]) -> bool:
    """Keep what was typed into the form `name` (a path). False when it is too long to be kept."""
    drafts = {**request.session.get(KEY, {}), name: content}
    if len(json.dumps(drafts)) > LIMIT:
        return False
    request.session[KEY] = drafts
    return True


def draft_take(request: HttpRequest, name: str) -> dict[str, Any] | None:
    """What was kept for this form, and forget it."""
    drafts = request.session.get(KEY)
    if not drafts or name not in drafts:
        return None
    found: dict[str, Any] = drafts.pop(name)
    request.session[KEY] = drafts
    return found
