"""Claiming a request from a list, and giving it back; the list goes on where it was."""

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from approvals import operations
from approvals.errors import ApprovalError
from approvals.models import ApprovalRequest
from approvals.views.inbox import inbox_context
from approvals.views.refusals import is_htmx
from promises.times import now_ms

CHANNEL = "page"


@require_POST
def claim(request: HttpRequest, id: str) -> HttpResponse:
    """Keep a request for the reader."""
    return listed(request, id, operations.approval_claim, _("You have claimed: %(title)s"))


@require_POST
def release(request: HttpRequest, id: str) -> HttpResponse:
    """Give a claim back to the team."""
    return listed(request, id, operations.approval_release, _("Released: %(title)s"))


def listed(request: HttpRequest, id: str, work: Callable[..., ApprovalRequest], told: str) -> HttpResponse:
    """Do the work, and show the list of the address (`list`, `page`) with what became of it."""
    if not request.user.is_authenticated:
        return redirect_to_login(reverse("approvals:inbox"))
    now = now_ms()
    try:
        found = work(id, actor=request.user, channel=CHANNEL, now=now)
        messages.success(request, told % {"title": found.title})
    except ApprovalError as error:
        messages.error(request, str(error))
    if is_htmx(request):
        return render(request, "approvals/inbox.html#lists", {**inbox_context(request, now), "is_part": True})
    return redirect(f"{reverse('approvals:inbox')}?{request.GET.urlencode()}")
