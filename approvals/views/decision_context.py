"""What the page of one request shows: the card and the forms with what was typed, the ballots, and what has changed."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import HttpRequest, QueryDict

from approvals import operations, queries
from approvals.changes import changes_between
from approvals.channels import is_fresh
from approvals.confirming import confirmed_at
from approvals.decision_form import Answer, Section, form_name
from approvals.differences import Difference, differences_of
from approvals.fields.showing import Shower
from approvals.models import ApprovalRequest, Ballot

NEIGHBOURS = 100


@dataclass
class Typed:
    """What stands in the form, and what is wrong with it."""

    comment: str = ""
    outcome: str = ""
    comment_error: str = ""
    trouble: str = ""  # why nothing was decided
    notice: str = ""
    password_error: str = ""
    data: QueryDict = field(default_factory=QueryDict)
    errors: dict[str, str] = field(default_factory=dict)  # by JSON pointer
    errors_in: str = ""  # the form that they are about, if not that of the outcome
    changes: list[Difference] = field(default_factory=list)  # since the version that was answered

    @classmethod
    def of(cls, data: QueryDict, **more: Any) -> "Typed":
        return cls(comment=data.get("comment", ""), outcome=data.get("outcome", ""), data=data, **more)


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
        "asks_password": approval.risk == "high" and not is_fresh(confirmed_at(request), now),
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
        "can_see_run": approval.workflow != ""
        and queries.can_see_execution(request.user, approval.execution_id, approval.requester),
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
    answer = Answer(card, typed.data, typed.errors, initial_of(previous), typed.errors_in)
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
