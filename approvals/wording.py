"""Sentences about rules, outcomes and closings, in the reader's language."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from approvals.errors import ApprovalError, FieldError, InvalidInput, NotEligible
from approvals.policies import Policy
from approvals.rules import Rule
from approvals.verdicts import Progress
from promises.times import to_datetime

if TYPE_CHECKING:
    from approvals.models import ApprovalRequest, AuditEvent

WITHDRAWN, EXECUTION_CANCELED, EXECUTION_OVER, SETTLED_OUTSIDE = (
    "withdrawn",
    "execution_canceled",
    "execution_over",
    "settled_outside",
)
_CLOSED = {
    WITHDRAWN: gettext_noop("The question was withdrawn."),
    EXECUTION_CANCELED: gettext_noop("The workflow was canceled, so nobody waits for an answer."),
    EXECUTION_OVER: gettext_noop("The workflow's own time was over before anybody decided."),
    SETTLED_OUTSIDE: gettext_noop("The workflow's promise was settled around the approval, so no answer was taken."),
}


def of_rule(rule: Rule) -> str:
    """Why the rule lets a person decide, or does not."""
    return _(rule.message) % rule.params


def of_reason(principals: Sequence[str], name: str) -> str:
    """Why somebody of this name can decide as these principals, in a few words; "" for none."""
    if not principals:
        return ""
    if f"user:{name}" in principals:
        return _("you are asked by name")
    kind, _colon, team = principals[0].partition(":")
    if kind == "group":
        return _("asked of %(name)s") % {"name": team}
    if kind == "permission":
        return _("asked of those who may %(name)s") % {"name": team}
    return _("in the place of %(name)s") % {"name": team}


def of_field(error: FieldError) -> str:
    """What is wrong with a field."""
    said = _(error.message)
    return said % error.params if error.params else said


def of_closing(request: "ApprovalRequest") -> str:
    """Who or what closed the request, when, and with which outcome."""
    if request.state == "canceled":
        told = _(_CLOSED.get(request.closed_because, _CLOSED[WITHDRAWN]))
        return f"{told} {request.closed_reason}" if request.closed_reason else told
    said = {"by": request.decided_by, "outcome": _(request.label), "at": at(request.decided_at)}
    if request.state == "timed_out":
        return _("The time was over at %(at)s, so it is: %(outcome)s.") % said
    return _("%(by)s decided at %(at)s: %(outcome)s.") % said


def of_vote(request: "ApprovalRequest", outcome: str) -> str:
    """What became of somebody's own answer."""
    offered = request.outcome_named(outcome)
    said = {"outcome": _(offered.label) if offered else outcome, "title": request.title}
    if request.is_pending:
        return _("Your answer counts (%(outcome)s): %(title)s It waits for others now.") % said
    return _("%(outcome)s: %(title)s") % said


def of_event(event: "AuditEvent", request: "ApprovalRequest") -> str:
    """What happened, in one line."""
    offered = request.outcome_named(event.data.get("outcome", ""))
    deputy, place = event.actor, event.data.get("for", "")
    said = {
        "who": _("%(deputy)s for %(place)s") % {"deputy": deputy, "place": place}
        if place
        else deputy or _("a machine"),
        "outcome": _(offered.label) if offered else event.data.get("outcome", ""),
        "from": principal_name(event.data.get("from", "")),
        "to": names(event.data.get("to", [])),
        "stage": event.data.get("stage", 0) + 1,
        "version": event.data.get("version", ""),
        "text": event.data.get("text", ""),
    }
    text = _EVENTS.get(event.kind)
    return _(text) % said if text else event.kind


_EVENTS = {
    "opened": gettext_noop("asked by %(who)s"),
    "ballot": gettext_noop("%(who)s: %(outcome)s"),
    "decided": gettext_noop("decided: %(outcome)s"),
    "overridden": gettext_noop("%(who)s decided around the policy: %(outcome)s"),
    "timed_out": gettext_noop("the time was over: %(outcome)s"),
    "canceled": gettext_noop("closed without an answer"),
    "stage": gettext_noop("stage %(stage)d has begun"),
    "revised": gettext_noop("changed by %(who)s: version %(version)s"),
    "stalled": gettext_noop("stalled: too few people are left to decide"),
    "resumed": gettext_noop("there are enough people to decide again"),
    "claimed": gettext_noop("%(who)s has claimed it"),
    "released": gettext_noop("%(who)s has released it"),
    "reassigned": gettext_noop("%(who)s has handed it from %(from)s to %(to)s"),
    "approver_added": gettext_noop("%(who)s has asked %(to)s too"),
    "escalated": gettext_noop("escalated to %(to)s"),
    "reminded": gettext_noop("people were reminded"),
    "commented": gettext_noop("%(who)s: “%(text)s”"),
}


def at(ms: int | None) -> str:
    """A moment, with its date."""
    moment = to_datetime(ms)
    return date_format(localtime(moment), "DATETIME_FORMAT") if moment else ""


def translated(error: ApprovalError) -> ApprovalError:
    """The same error in the reader's language."""
    if isinstance(error, NotEligible):
        obstacle = error.eligibility.obstacle if error.eligibility else None
        return type(error)(of_rule(obstacle) if obstacle else _(str(error)), error.eligibility)
    if isinstance(error, InvalidInput):
        return InvalidInput([FieldError(found.pointer, of_field(found)) for found in error.fields])
    return type(error)(_(str(error)))


def principal_name(principal: str) -> str:
    """A principal as people say it: the name alone; a permission says that it is one."""
    kind, _separator, name = principal.partition(":")
    return _("holders of %(permission)s") % {"permission": name} if kind == "permission" else name


def names(principals: tuple[str, ...] | list[str]) -> str:
    """Several principals, as alternatives."""
    told = [principal_name(principal) for principal in principals]
    if len(told) < 2:
        return "".join(told)
    return _("%(some)s or %(last)s") % {"some": ", ".join(told[:-1]), "last": told[-1]}


def of_progress(progress: Progress) -> str:
    """What a count still waits for: "finance", "2 of sre", "1 more of sre"."""
    asked = names(progress.principals)
    left = progress.need - progress.have
    if progress.need == 1:
        return asked
    if progress.have == 0:
        return _("%(need)d of %(asked)s") % {"need": progress.need, "asked": asked}
    return ngettext("%(left)d more of %(asked)s", "%(left)d more of %(asked)s", left) % {"left": left, "asked": asked}


def of_policy(policy: Policy) -> str:
    """Whom a policy asks, in one line."""
    return ", ".join(dict.fromkeys(principal_name(principal) for principal in policy.principals()))


# The default messages of errors, for the translators; `translated` looks them up.
_DEFAULTS = (
    gettext_noop("This outcome needs a comment that says why."),
    gettext_noop("The request does not offer this outcome."),
    gettext_noop("Where much is at risk, you confirm who you are first: enter your password on the request's page."),
    gettext_noop("This one is answered by itself: only requests of low risk without a form are answered together."),
    gettext_noop("This person may not decide here; `eligibility` lists each rule with the reason."),
)
