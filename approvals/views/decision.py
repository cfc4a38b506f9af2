"""One request: read the card, decide. GET shows, only POST decides, and what was typed survives every refusal."""

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, QueryDict
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from approvals import operations, queries, wording
from approvals.channels import PAGE
from approvals.confirming import confirm, confirmed_at
from approvals.decision_form import Answer, DecisionForm, file_names
from approvals.differences import differences_of
from approvals.downloads import download
from approvals.drafts import draft_keep, draft_take
from approvals.errors import (
    ApprovalError,
    CommentRequired,
    ConfirmationNeeded,
    InvalidInput,
    NotEligible,
    RequestChanged,
    RequestNotFound,
)
from approvals.fields.reading import row_removed
from approvals.models import ApprovalRequest
from approvals.views.decision_context import Typed, context_of
from approvals.views.inbox import inbox_context
from approvals.views.refusals import is_htmx, not_found, refused
from promises.times import now_ms

CHANNEL = PAGE.name


@csrf_exempt  # checked below, so that a comment typed before somebody signed in again is not lost
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def decision(request: HttpRequest, id: str) -> HttpResponse:
    """The page of one request, and what its form does."""
    if not request.user.is_authenticated:
        return sign_in_first(request)
    now = now_ms()
    try:
        approval = queries.request_get(id)
    except RequestNotFound:
        return not_found(request, _("There is no such request for approval."))
    if request.method == "POST":
        return decide(request, approval, now)
    if not queries.can_see(request.user, approval, now):
        return refused(request, queries.eligibility(approval, request.user, now))
    if request.GET.get("part") == "rail":
        return render(request, "approvals/decision.html#rail", context_of(request, approval, now, Typed()))
    return render(request, "approvals/decision.html", context_of(request, approval, now, typed_of(request)))


@never_cache
@require_http_methods(["GET", "HEAD"])
def file(request: HttpRequest, id: str, file_id: str) -> HttpResponse:
    """A file of the request, as an attachment, for those who may see it."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.path)
    try:
        approval = queries.request_get(id)
        if not queries.can_see(request.user, approval, now_ms()):
            raise RequestNotFound
        return download(operations.file_of(approval, file_id, request.user))
    except RequestNotFound:
        return not_found(request, _("There is no such file."))


def decide(request: HttpRequest, approval: ApprovalRequest, now: int) -> HttpResponse:
    """Cast the reader's ballot. Answers the page (or its part) with what became of it."""
    form = DecisionForm(request.POST)
    data = request.POST.copy()
    data.pop("password", None)  # never given back
    typed = Typed.of(data)
    if csrf_reason(request):
        typed.trouble = _("This page was older than your sign-in, so nothing was decided. Read it, and send it again.")
        return page(request, approval, now, typed, status=409)
    if not form.is_valid():
        typed.comment_error = " ".join(str(error) for error in form.errors.get("comment", []))
        typed.trouble = "" if typed.comment_error else _("This is no answer that the request offers.")
        return page(request, approval, now, typed, status=422)
    if not confirm(request, request.POST.get("password", ""), now):
        typed.password_error = _("This is not your password.")
        return page(request, approval, now, typed, status=403)
    try:
        files_keep(request, approval, typed, now)
        if form.cleaned_data["change"]:
            return changed(request, approval, now, typed)
        answer = Answer(approval.card, typed.data)
        vote = operations.approval_decide(
            approval.pk,
            actor=request.user,
            outcome=form.cleaned_data["outcome"],
            comment=form.cleaned_data["comment"],
            input=answer.input(),
            value=answer.value(),
            channel=CHANNEL,
            now=now,
            digest=form.cleaned_data["digest"] or None,
            stage=form.cleaned_data["stage"],
            confirmed_at=confirmed_at(request),
        )
    except ApprovalError as error:
        return not_taken(request, approval, now, typed, error)
    return answered(request, vote, now)


def files_keep(request: HttpRequest, approval: ApprovalRequest, typed: Typed, now: int) -> None:
    """Keep the files that came with the form, so that nobody has to choose them twice."""
    if not request.FILES:
        return
    answer = Answer(approval.card, typed.data)
    for name in {name for section in answer.sections() for name in file_names(section.root)}:
        if upload := request.FILES.get(name):
            try:
                kept = operations.file_add(
                    approval.pk,
                    actor=request.user,
                    name=upload.name or "",
                    content_type=upload.content_type or "",
                    content=upload.read(),
                    now=now,
                )
            except InvalidInput as wrong:
                typed.errors_in, _slash, path = name.partition("/")
                raise InvalidInput([replace(found, pointer=f"/input/{path}") for found in wrong.fields]) from None
            typed.data[name] = kept.id


def changed(request: HttpRequest, approval: ApprovalRequest, now: int, typed: Typed) -> HttpResponse:
    """The page with a row more or less in one of its lists, and all that was typed."""
    verb, _colon, name = request.POST.get("change", "").partition(":")
    if verb == "remove":
        typed.data = row_removed(typed.data, name)
    if verb == "add":
        typed.data[f"{name}/{request.POST.get(f'rows {name}', '0')}"] = ""
    return page(request, approval, now, typed)


def not_taken(
    request: HttpRequest, approval: ApprovalRequest, now: int, typed: Typed, error: ApprovalError
) -> HttpResponse:
    """The page with why the answer was refused; what was typed is still in it."""
    if isinstance(error, NotEligible) and error.status == 403:
        return refused(request, error.eligibility or queries.eligibility(approval, request.user, now))
    if isinstance(error, CommentRequired):
        typed.comment_error = _("Say why, in a word or two: it is what the person who asked will read.")
    elif isinstance(error, ConfirmationNeeded):
        typed.password_error = _("Enter your password: much is at risk here.")
    elif isinstance(error, InvalidInput):
        typed.errors = {found.pointer: wording.of_field(found) for found in error.fields}
        typed.comment_error = typed.errors.get("/comment", "")
        typed.trouble = _("Nothing was decided. Mend what is marked below.")
    else:
        typed.trouble = str(error)
    if isinstance(error, RequestChanged):
        typed.changes = differences_of(error.changes)
    return page(request, approval, now, typed, status=error.status)


def answered(request: HttpRequest, vote: operations.Vote, now: int) -> HttpResponse:
    """After an answer: the list goes on with the next row, the page shows the answer."""
    told = wording.of_vote(vote.request, vote.ballot.outcome)
    recorded = _("Your answer is recorded.")
    if request.POST.get("from") == "list":
        messages.success(request, told)
        if is_htmx(request):
            return render(request, "approvals/inbox.html#lists", {**inbox_context(request, now), "is_part": True})
        return redirect("approvals:inbox")
    if is_htmx(request):
        return page(request, vote.request, now, Typed(notice=recorded))
    messages.success(request, recorded)
    return redirect(vote.request)


def page(request: HttpRequest, approval: ApprovalRequest, now: int, typed: Typed, status: int = 200) -> HttpResponse:
    """The whole page, or for htmx the part that changes."""
    if status >= 400 and not queries.can_see(request.user, approval, now):
        return refused(request, queries.eligibility(approval, request.user, now))
    approval.refresh_from_db()
    name = "approvals/decision.html#decision" if is_htmx(request) else "approvals/decision.html"
    return render(request, name, context_of(request, approval, now, typed), status=status)


def typed_of(request: HttpRequest) -> Typed:
    """What was kept from before the sign-in."""
    kept = draft_take(request, request.path)
    if not kept:
        return Typed(outcome=request.GET.get("outcome", ""))
    notice = _("You had been signed out, so nothing was decided. What you typed is still here.")
    return Typed.of(QueryDict(str(kept.get("form", ""))), notice=notice)


def sign_in_first(request: HttpRequest) -> HttpResponse:
    """To the sign-in and back. What was typed is kept, if the form was one of this browser's."""
    if request.method == "POST" and not csrf_reason(request):
        typed = request.POST.copy()
        for secret in ("csrfmiddlewaretoken", "password"):
            typed.pop(secret, None)
        draft_keep(request, request.path, {"form": typed.urlencode()})
    return redirect_to_login(request.path)


class _Check(CsrfViewMiddleware):
    """Says why instead of answering."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def csrf_reason(request: HttpRequest) -> Any:
    """Why the POST cannot be trusted to come from one of our pages; None when it does."""
    check = _Check(lambda _request: HttpResponse())
    check.process_request(request)
    return check.process_view(request, HttpResponse, (), {})
