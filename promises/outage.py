"""What a caller is told while the database is away: 503 and when to come back, never a trace and never a
bare 500."""

import sys
from collections.abc import Callable
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template import loader
from django.utils.translation import gettext as _

from promises import error_views
from promises.problems import Refusal, problem_response

RETRY_AFTER_SECONDS = 2

logger = structlog.get_logger(__name__)


class DatabaseOutageMiddleware:
    """Translates a lost database in a view; `server_error` does the same for whatever happens outside of
    views."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        return outage_response(request, exception) if is_outage(exception) else None


def is_outage(error: BaseException | None) -> bool:
    """Whether `error` says that the database cannot be reached, as opposed to a statement that it refused.

    A lock timeout or a deadlock is an OperationalError too, but comes with an SQLSTATE of another class than
    08 (connection), 57P (shutdown) or 53 (out of resources).
    """
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    state = getattr(error.__cause__, "sqlstate", None)
    return state is None or state.startswith(("08", "57P", "53"))


def outage_response(request: HttpRequest, error: BaseException | None) -> HttpResponseBase:
    """A problem document or a page with status 503 and Retry-After. Rendering it asks the database for
    nothing."""
    logger.error("database_unavailable", path=request.path, reason=str(error).strip())
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS), "Cache-Control": "no-store"}
    if error_views.is_for_machines(request):
        detail = _("The database cannot be reached at the moment; nothing was changed. Try again shortly.")
        return problem_response(request, Refusal(503, "ServiceUnavailable", detail, headers=headers))
    return HttpResponse(loader.render_to_string("503.html"), status=503, headers=headers)


def server_error(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    """handler500: an outage met by a middleware (loading or saving the session) is told as one."""
    error = sys.exc_info()[1]
    if is_outage(error):
        return outage_response(request, error)
    return error_views.server_error(request, *args, **kwargs)
