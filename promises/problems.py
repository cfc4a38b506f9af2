"""Every refusal of the HTTP interfaces as an RFC 9457 problem document: one translation for REST, callbacks and
Django itself.

The error families of the apps are recognised by their shape (`status`, `code`, `str(error)`), so this module knows
none of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse, UnreadablePostError
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

PROBLEM_JSON = "application/problem+json"
TYPE_PREFIX = "urn:countersign:problem:"

logger = structlog.get_logger(__name__)


class Problem(Exception):
    """A refusal raised by a view itself. `members` become extension members of the document."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.errors = dict(errors or {})
        self.headers = dict(headers or {})
        self.members = members


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a problem document is made of. `errors` maps a field (dotted path) to its messages."""

    status: int
    code: str
    detail: str
    title: str = ""
    errors: dict[str, list[str]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    members: dict[str, Any] = field(default_factory=dict)

    def document(self, instance: str) -> dict[str, Any]:
        """The JSON object: `type`, `title`, `status`, `detail`, `code`, `instance`, and `errors` when fields are
        to blame."""
        document: dict[str, Any] = {
            "type": TYPE_PREFIX + self.code,
            "title": self.title or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "instance": instance,
        }
        if self.errors:
            document["errors"] = self.errors
        return document | self.members


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler: any exception becomes a problem; what nobody expected is logged and answered as a
    bare 500."""
    set_rollback()
    refusal = refusal_for(error)
    request = context.get("request")
    return Response(
        refusal.document(request.path if request is not None else ""),
        status=refusal.status,
        headers=refusal.headers,
        content_type=PROBLEM_JSON,
    )


def refusal_for(error: BaseException | None) -> Refusal:
    """The refusal that tells a caller about `error`, without a word about our insides."""
    if isinstance(error, exceptions.APIException):
        return _from_rest_framework(error)
    if isinstance(error, OperationalError | InterfaceError):
        logger.error("database_unavailable", exc_info=error)
        detail = _("The database cannot be reached at the moment; nothing was changed. Try again shortly.")
        return Refusal(503, "ServiceUnavailable", detail, headers={"Retry-After": "2"})
    if error is not None and _is_family(error):
        return _from_family(error)
    return _from_django(error)


def _is_family(error: BaseException) -> bool:
    status = getattr(error, "status", None)
    return isinstance(status, int) and 400 <= status < 500 and isinstance(getattr(error, "code", None), str)


def _from_family(error: Any) -> Refusal:
    """From one of the apps' own errors; its docstring, when it has one, is the title."""
    doc = "" if isinstance(error, Problem) else (type(error).__doc__ or "").strip().split("\n")[0]
    return Refusal(
        error.status,
        error.code,
        str(error),
        title=doc.rstrip("."),
        errors=dict(getattr(error, "errors", None) or {}),
        headers=dict(getattr(error, "headers", None) or {}),
        members=dict(getattr(error, "members", None) or {}),
    )


def _from_rest_framework(error: exceptions.APIException) -> Refusal:
    headers: dict[str, str] = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = str(challenge)
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    code = type(error).__name__
    if isinstance(error, exceptions.ValidationError):
        errors = flatten_errors(error.detail)
        detail = "; ".join(f"{name}: {messages[0]}" for name, messages in errors.items())
        return Refusal(error.status_code, code, detail, errors=errors, headers=headers)
    return Refusal(error.status_code, code, str(error.detail), headers=headers)


def flatten_errors(detail: Any, path: str = "") -> dict[str, list[str]]:
    """DRF's nested error details as {"dotted.path": [message, ...]}; what belongs to no field is under "body"."""
    if isinstance(detail, dict):
        flat: dict[str, list[str]] = {}
        for key, value in detail.items():
            name = "" if key == "non_field_errors" else str(key)
            flat |= flatten_errors(value, ".".join(part for part in (path, name) if part))
        return flat
    if isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        return flatten_errors({str(i): item for i, item in enumerate(detail) if item}, path)
    messages = detail if isinstance(detail, list) else [detail]
    return {path or "body": [str(message) for message in messages]}


def _from_django(error: BaseException | None) -> Refusal:
    """From Django's own exceptions; a 500 is the answer to everything that has no name."""
    match error:
        case Http404():
            return Refusal(404, "NotFound", _("There is nothing at this address."))
        case PermissionDenied():
            return Refusal(403, "PermissionDenied", str(error) or _("You may not do this."))
        case RequestDataTooBig():
            return Refusal(413, "PayloadTooLarge", _("The body is larger than this server accepts."))
        case UnreadablePostError():
            return Refusal(400, "ParseError", _("The body could not be read to its end."))
        case SuspiciousOperation():
            return Refusal(400, "BadRequest", _("The request is not well formed."))
    logger.error("unexpected_error", exc_info=error)
    return Refusal(500, "InternalServerError", _("Something went wrong on our side. It has been logged."))


def problem_response(request: HttpRequest, refusal: Refusal) -> HttpResponseBase:
    """The refusal as a plain Django response, for what never reaches a REST view."""
    return JsonResponse(
        refusal.document(request.path),
        status=refusal.status,
        headers=refusal.headers | {"Cache-Control": "no-store"},
        content_type=PROBLEM_JSON,
    )
