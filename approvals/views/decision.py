"""One request: read the card, decide. GET shows, only POST decides, and what was typed survives every refusal."""

import json
from dataclasses import dataclass, field, replace
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
from approvals.changes import changes_between
from approvals.decision_form import Answer, DecisionForm, Section, file_names, form_name
from approvals.differences import Difference, differences_of
from approvals.downloads import download
from approvals.drafts import draft_keep, draft_take
from approvals.errors import (
    ApprovalError,
    CommentRequired,
    InvalidInput,
    NotEligible,
    RequestChanged,
    RequestNotFound,
)
from approvals.fields.reading import row_removed
from approvals.fields.showing import Shower
from approvals.models import ApprovalRequest, Ballot
from approvals.views.inbox import inbox_context
from approvals.views.refusals import is_htmx, not_found, refused
from promises.times import now_ms

CHANNEL = "page"
NEIGHBOURS = 100


@dataclass
class Typed:
    """What stands in the form, and what is wrong with it."""

    comment: str = ""
    outcome: str = ""
    comment_error: str = ""
    trouble: str = ""  # why nothing was decided
    notice: str = ""
    data: QueryDict = field(default_factory=QueryDict)
    errors: dict[str, str] = field(default_factory=dict)  # by JSON pointer
    changes: list[Difference] = field(default_factory=list)  # since the version that was answered

    @classmethod
    def of(cls, data: QueryDict, **more: Any) -> "Typed":
        return cls(comment=data.get("comment", ""), outcome=data.get("outcome", ""), data=data, **more)


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
    typed = Typed.of(request.POST.copy())
    if csrf_reason(request):
        typed.trouble = _("This page was older than your sign-in, so nothing was decided. Read it, and send it again.")
        return page(request, approval, now, typed, status=409)
    if not form.is_valid():
        typed.comment_error = " ".join(str(error) for error in form.errors.get("comment", []))
        typed.trouble = "" if typed.comment_error else _("This is no answer that the request offers.")
        return page(request, approval, now, typed, status=422)
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
            kept = operations.file_add(
                approval.pk,
                actor=request.user,
                name=upload.name or "",
                content_type=upload.content_type or "",
                content=upload.read(),
                now=now,
            )
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
    elif isinstance(error, InvalidInput):
        typed.errors = {found.pointer: found.why for found in error.fields}
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


def context_of(request: HttpRequest, approval: ApprovalRequest, now: int, typed: Typed) -> dict[str, Any]:
    """What the page shows; a constant number of queries."""
    found = queries.eligibility(approval, request.user, now)
    everything = list(approval.ballots.all())
    ballots = [ballot for ballot in everything if ballot.version == approval.version]
    ids = queries.ids_of_requests(queries.inbox_rows(request.user, now), 0, NEIGHBOURS)
    at = ids.index(approval.pk) if approval.pk in ids else None
    timeout = approval.outcome_named(approval.timeout_outcome)
    return {
        "approval": approval,
        "now": now,
        "eligibility": found,
        "mine": next((b for b in ballots if b.actor == request.user.get_username()), None),
        "ballots": ballots,
        "stages": queries.stages(approval, ballots),
        "events": queries.timeline(approval),
        "decision": getattr(approval, "decision", None) if not approval.is_pending else None,
        "is_overdue": queries.is_overdue(approval, now),
        "timeout_label": timeout.label if timeout else "",
        "offered": [o for o in approval.thawed_outcomes if o.is_negative or not found.may_only_reject],
        "asks_comment": [o.label for o in approval.thawed_outcomes if o.needs_comment],
        "typed": typed,
        "raw": raw_json(approval),
        "can_see_run": queries.can_see_execution(request.user, approval.execution_id, approval.requester),
        "position": None if at is None else at + 1,
        "positions": len(ids),
        "inbox_count": len(ids),
        "before": ids[at - 1] if at else None,
        "after": ids[at + 1] if at is not None and at + 1 < len(ids) else None,
        "next": next((pk for pk in ids if pk != approval.pk), None),
        **form_context(approval, typed, is_open=found.allowed),
        **versions_context(request, approval, everything, typed),
    }


def form_context(approval: ApprovalRequest, typed: Typed, *, is_open: bool) -> dict[str, Any]:
    """What is proposed, and the forms of whoever can decide. Where there is an answer for each item of the proposal,
    the item is shown beside it."""
    previous = queries.request_before(approval)
    card = approval.card
    if not is_open and card.proposal:
        card = replace(card, proposal=card.proposal.fixed)
    answer = Answer(card, typed.data, typed.errors, initial_of(previous))
    sections, proposal = answer.sections() if is_open else [], answer.proposal()
    for section in sections:
        if proposal and section.root.kind == "tuple" and len(section.root.fields) == len(proposal.fields):
            for given, item in zip(section.root.fields, proposal.fields, strict=True):
                given.about = item
            proposal = None
            break
    kept = Answer(card, typed.data).input() if not is_open else None
    return {
        "sections": sections,
        "proposal": proposal,
        "typed_input": json.dumps(kept, indent=2, ensure_ascii=False) if kept is not None else "",
        "given": given_of(approval),
        "since_before": differences_of(changes_between(previous.content, approval.content)) if previous else [],
        "has_files": any(section.root.has_files for section in sections),
        "previous": previous,
    }


def given_of(approval: ApprovalRequest) -> Section | None:
    """The input of the decision, to be read."""
    decision = None if approval.is_pending else getattr(approval, "decision", None)
    outcome = approval.outcome_named(decision.outcome) if decision else None
    schema = approval.card.form_for(outcome) if outcome else None
    if decision is None or schema is None or decision.input is None:
        return None
    return Section(Shower({}, {}, ()).show(schema, decision.input, "given", "/input", label="input"), [])


def initial_of(previous: ApprovalRequest | None) -> dict[str, Any]:
    """What was answered the last time, where it is asked again."""
    decision = getattr(previous, "decision", None)
    outcome = previous.outcome_named(decision.outcome) if previous and decision else None
    return {form_name(outcome): decision.input} if outcome and decision and decision.input is not None else {}


def versions_context(
    request: HttpRequest, approval: ApprovalRequest, ballots: list[Ballot], typed: Typed
) -> dict[str, Any]:
    """The older versions with their ballots, and what has changed since the one that the reader answered."""
    versions = queries.versions_of(approval)
    me = request.user.get_username()
    answered = [b.digest for b in ballots if b.actor == me and b.version < approval.version]
    changes = typed.changes
    if not changes and answered:
        changes = differences_of(operations.changes_since(approval, answered[-1]) or [])
    return {
        "changes": changes,
        "versions": [
            {
                "number": version.number,
                "by": version.replaced_by,
                "at": version.replaced_at,
                "differences": differences_of(version.changes),
                "ballots": [ballot for ballot in ballots if ballot.version == version.number],
            }
            for version in versions
        ],
    }


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
        typed.pop("csrfmiddlewaretoken", None)
        draft_keep(request, request.path, {"form": typed.urlencode()})
    return redirect_to_login(request.path)


def raw_json(approval: ApprovalRequest) -> str:
    """The card as it is stored."""
    return json.dumps(
        {
            "id": str(approval.pk),
            "promise_id": approval.promise_id,
            "version": approval.version,
            "title": approval.title,
            "risk": approval.risk,
            "policy": approval.policy,
            "outcomes": approval.outcomes,
            "timeout_outcome": approval.timeout_outcome,
            "blocks": approval.blocks,
            "form": approval.form,
            "proposal": approval.proposal,
        },
        indent=2,
        ensure_ascii=False,
    )


class _Check(CsrfViewMiddleware):
    """Says why instead of answering."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def csrf_reason(request: HttpRequest) -> Any:
    """Why the POST cannot be trusted to come from one of our pages; None when it does."""
    check = _Check(lambda _request: HttpResponse())
    check.process_request(request)
    return check.process_view(request, HttpResponse, (), {})
