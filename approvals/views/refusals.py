"""Pages that say no: who may not decide learns which rule stands in the way."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from approvals.rules import Eligibility


def is_htmx(request: HttpRequest) -> bool:
    """Whether htmx asks, which wants only the part that changes."""
    return request.headers.get("HX-Request") == "true"


def refused(request: HttpRequest, eligibility: Eligibility) -> HttpResponse:
    """403, with every rule. Nothing of the request's content is shown."""
    response = render(request, "approvals/refused.html", {"eligibility": eligibility}, status=403)
    if is_htmx(request):
        response["HX-Retarget"] = "body"
    return response


def not_found(request: HttpRequest, message: str) -> HttpResponse:
    """404, saying what is missing."""
    return render(request, "404.html", {"message": message}, status=404)
