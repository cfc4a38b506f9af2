"""Django's own error pages (handler400 to handler500, CSRF): problem documents for machines' addresses, pages for
people's."""

import sys
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponsePermanentRedirect
from django.template import loader
from django.urls import Resolver404, resolve
from django.utils.translation import gettext as _
from django.views import csrf, defaults
from django.views.decorators.csrf import csrf_exempt

from promises.problems import Refusal, problem_response, refusal_for

MACHINE_PREFIXES = ("/api/", "/callbacks/", "/metrics")


def is_for_machines(request: HttpRequest) -> bool:
    """Whether whoever asks expects JSON rather than a page."""
    return request.path_info.startswith(MACHINE_PREFIXES)


def bad_request(request: HttpRequest, exception: Exception, *args: Any, **kwargs: Any) -> HttpResponseBase:
    """handler400; a body over the limit is a 413."""
    if is_for_machines(request):
        return problem_response(request, refusal_for(exception))
    if isinstance(exception, RequestDataTooBig):
        return HttpResponse(too_large_page(), status=413)
    return defaults.bad_request(request, exception, *args, **kwargs)


def too_large_page() -> str:
    """The page of a 413. Rendering it asks the database for nothing, and needs no request."""
    return loader.render_to_string("413.html")


def permission_denied(request: HttpRequest, exception: Exception, *args: Any, **kwargs: Any) -> HttpResponseBase:
    """handler403."""
    if is_for_machines(request):
        return problem_response(request, refusal_for(exception))
    return defaults.permission_denied(request, exception, *args, **kwargs)


def page_not_found(request: HttpRequest, exception: Exception, *args: Any, **kwargs: Any) -> HttpResponseBase:
    """handler404."""
    if is_for_machines(request):
        return problem_response(request, refusal_for(exception))
    return defaults.page_not_found(request, exception, *args, **kwargs)


def server_error(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    """handler500; Django calls it inside the except block, so a database that is away can be told from a fault of
    ours."""
    if is_for_machines(request):
        return problem_response(request, refusal_for(sys.exc_info()[1]))
    return defaults.server_error(request, *args, **kwargs)


def csrf_failure(request: HttpRequest, reason: str = "", *args: Any, **kwargs: Any) -> HttpResponseBase:
    """CSRF_FAILURE_VIEW."""
    if is_for_machines(request):
        detail = _("The CSRF token is missing or wrong: %(reason)s") % {"reason": reason}
        return problem_response(request, Refusal(403, "PermissionDenied", detail))
    return csrf.csrf_failure(request, reason, *args, **kwargs)


@csrf_exempt  # it changes nothing, and a program that forgot a slash deserves to hear of the slash
def unknown_address(request: HttpRequest, rest: str = "") -> HttpResponseBase:
    """The last route under /api/: a forgotten final slash is redirected with method and body kept (308), the rest
    is a 404."""
    if not request.path_info.endswith("/") and _is_route(request.path_info + "/"):
        query = request.META.get("QUERY_STRING", "")
        response = HttpResponsePermanentRedirect(f"{request.path}/{'?' + query if query else ''}")
        response.status_code = 308
        return response
    detail = _("There is nothing at this address; the routes are listed at /api/docs/.")
    return problem_response(request, Refusal(404, "NotFound", detail))


def _is_route(path: str) -> bool:
    try:
        return resolve(path).func is not unknown_address
    except Resolver404:
        return False
