"""How requests for approval are shown to programs."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from approvals import wording
from approvals.cards import RISKS
from approvals.models import ApprovalRequest, AuditEvent, Ballot, Decision, RequestState
from approvals.outcomes import KINDS, TONES, Outcome
from approvals.queries import Version, is_overdue, versions_of
from approvals.rules import Eligibility
from approvals.verdicts import Progress
from promises.api.outputs import iso

STATES = [state.value for state in RequestState]


class OutcomeSerializer(serializers.Serializer[Any]):
    """One answer that is offered."""

    name = serializers.CharField(help_text=gettext_lazy("What a decision sends back."))
    label = serializers.CharField()  # type: ignore[assignment]  # the field's name hides a keyword's attribute
    kind = serializers.ChoiceField(choices=KINDS)
    tone = serializers.ChoiceField(choices=TONES, help_text=gettext_lazy("How it is meant to look."))
    comment_required = serializers.BooleanField()


class OutcomeWithFormSerializer(OutcomeSerializer):
    """One answer that is offered, with what it asks for."""

    form = serializers.JSONField(
        allow_null=True, help_text=gettext_lazy("The JSON Schema of `input` in a decision; null: it takes none.")
    )


class CountSerializer(serializers.Serializer[Any]):
    """People of these principals: how many have answered, and how many it takes."""

    of = serializers.ListField(child=serializers.CharField())
    have = serializers.IntegerField()
    need = serializers.IntegerField()


class PolicyProgressSerializer(serializers.Serializer[Any]):
    """How far the open stage of the policy is."""

    stage = serializers.IntegerField(help_text=gettext_lazy("From 1."))
    stages = serializers.IntegerField()
    stalled = serializers.BooleanField(help_text=gettext_lazy("Those who may still decide are too few."))
    counts = CountSerializer(many=True)


class ApprovalSummarySerializer(serializers.Serializer[Any]):
    """A request for approval, without its card."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    state = serializers.ChoiceField(choices=STATES)
    outcome = serializers.CharField(allow_null=True)
    requester = serializers.CharField(help_text=gettext_lazy("Who asks; empty for a machine."))
    promise_id = serializers.CharField()
    execution_id = serializers.CharField()
    workflow = serializers.CharField()
    risk = serializers.ChoiceField(choices=RISKS)
    outcomes = OutcomeSerializer(many=True)
    opened_at = serializers.DateTimeField()
    deadline = serializers.DateTimeField(allow_null=True)
    timeout_outcome = serializers.CharField(allow_null=True, help_text=gettext_lazy("What happens at the deadline."))
    progress = PolicyProgressSerializer()
    claimed_by = serializers.CharField(allow_null=True, help_text=gettext_lazy("Who keeps it from others for now."))
    claimed_until = serializers.DateTimeField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = serializers.CharField(allow_null=True, help_text=gettext_lazy("Null when the deadline decided."))
    comment = serializers.CharField(help_text=gettext_lazy("Of the person who decided."))
    digest = serializers.CharField(help_text=gettext_lazy("Of what is asked; also the ETag."))
    url = serializers.URLField(help_text=gettext_lazy("The page for people."))


class ProposalSerializer(serializers.Serializer[Any]):
    """What is proposed, and what of it a decision may correct in its `value`."""

    value = serializers.JSONField()
    schema = serializers.JSONField(help_text=gettext_lazy("The JSON Schema of the value."))
    editable = serializers.JSONField(
        help_text=gettext_lazy("The fields (of a list: of each item) that may be corrected; true: all of it.")
    )


class ChangeSerializer(serializers.Serializer[Any]):
    """One place that differs, in the way of RFC 6902; the paths are those of the content that the digest covers."""

    op = serializers.ChoiceField(choices=["add", "remove", "replace"])
    path = serializers.CharField()
    old = serializers.JSONField(required=False)
    value = serializers.JSONField(required=False)


class BallotSerializer(serializers.Serializer[Any]):
    """One person's answer."""

    by = serializers.CharField()
    on_behalf_of = serializers.CharField(allow_null=True, help_text=gettext_lazy("Whose place that took."))
    outcome = serializers.CharField()
    comment = serializers.CharField()
    input = serializers.JSONField(allow_null=True)
    stage = serializers.IntegerField()
    at = serializers.DateTimeField()


class VersionSerializer(serializers.Serializer[Any]):
    """What was asked before, the ballots that this made void, and what changed."""

    version = serializers.IntegerField()
    digest = serializers.CharField()
    replaced_at = serializers.DateTimeField()
    replaced_by = serializers.CharField(
        allow_null=True, help_text=gettext_lazy("Who corrected the proposal; null: the workflow.")
    )
    changes = ChangeSerializer(many=True, help_text=gettext_lazy("What leads from it to the version after it."))
    ballots = BallotSerializer(many=True)


class ApprovalSerializer(ApprovalSummarySerializer):
    """A request for approval with its card and its ballots."""

    outcomes = OutcomeWithFormSerializer(many=True)
    blocks = serializers.ListField(child=serializers.DictField())
    policy = serializers.DictField(help_text=gettext_lazy("As it was frozen."))
    amendments = serializers.ListField(
        child=serializers.DictField(), help_text=gettext_lazy("How the audience was changed since, in order.")
    )
    proposal = ProposalSerializer(allow_null=True)
    ballots = BallotSerializer(many=True)
    version = serializers.IntegerField(help_text=gettext_lazy("From 1; each change of what is asked begins another."))
    versions = VersionSerializer(many=True, help_text=gettext_lazy("The older ones, at most the last 20."))
    previous = serializers.UUIDField(allow_null=True, help_text=gettext_lazy("The request that this one follows."))
    note = serializers.CharField(help_text=gettext_lazy("Why it is asked again."))
    input = serializers.JSONField(allow_null=True, help_text=gettext_lazy("Of the person who decided."))
    value = serializers.JSONField(allow_null=True, help_text=gettext_lazy("The proposal as it was decided."))


class EventSerializer(serializers.Serializer[Any]):
    """Something that happened to a request. `hash` is over the rest and over the hash of the event before."""

    number = serializers.IntegerField()
    kind = serializers.CharField()
    actor = serializers.CharField(help_text=gettext_lazy("Empty for a machine."))
    channel = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]  # the field's name hides an attribute
    at = serializers.DateTimeField()
    previous_hash = serializers.CharField()
    hash = serializers.CharField()


class RuleSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    passed = serializers.BooleanField()
    why = serializers.CharField()


class EligibilitySerializer(serializers.Serializer[Any]):
    """Whether you may decide, and the rules that say so."""

    allowed = serializers.BooleanField()
    may_only_reject = serializers.BooleanField(help_text=gettext_lazy("You have a veto and nothing else."))
    on_behalf_of = serializers.CharField(allow_null=True, help_text=gettext_lazy("Whose place you would take."))
    rules = RuleSerializer(many=True)


def summary_document(request: ApprovalRequest, progress: Sequence[Progress], now: int) -> dict[str, Any]:
    """The JSON of ApprovalSummarySerializer. A deadline that has come is shown as what it means."""
    is_over = is_overdue(request, now)
    decision = decision_of(request)
    outcome = request.timeout_outcome if is_over else request.outcome
    return {
        "id": str(request.pk),
        "title": request.title,
        "state": str(RequestState.TIMED_OUT.value if is_over else request.state),
        "outcome": outcome or None,
        "requester": request.requester,
        "promise_id": request.promise_id,
        "execution_id": request.execution_id,
        "workflow": request.workflow,
        "risk": request.risk,
        "outcomes": [outcome_document(outcome) for outcome in request.thawed_outcomes],
        "opened_at": iso(request.opened_at),
        "deadline": iso(request.deadline_at),
        "timeout_outcome": request.timeout_outcome or None,
        "progress": progress_document(request, progress),
        "claimed_by": request.claimant(now) or None,
        "claimed_until": iso(request.claimed_until) if request.claimant(now) else None,
        "decided_at": iso(request.deadline_at if is_over else request.decided_at),
        "decided_by": request.decided_by or None,
        "comment": decision.comment if decision else "",
        "digest": request.digest,
        "url": settings.PROMISES["PUBLIC_URL"] + request.get_absolute_url(),
    }


def approval_document(
    request: ApprovalRequest, progress: Sequence[Progress], ballots: Sequence[Ballot], now: int
) -> dict[str, Any]:
    """The JSON of ApprovalSerializer; `ballots` are those of all versions."""
    card, decision = request.card, decision_of(request)
    return summary_document(request, progress, now) | {
        "outcomes": [outcome_document(outcome) | {"form": card.form_for(outcome)} for outcome in card.offered],
        "blocks": request.blocks,
        "policy": request.policy,
        "amendments": request.amendments,
        "proposal": request.proposal,
        "ballots": [ballot_document(ballot) for ballot in ballots if ballot.version == request.version],
        "version": request.version,
        "versions": [version_document(version, ballots) for version in versions_of(request)],
        "previous": str(request.previous) if request.previous else None,
        "note": request.note,
        "input": decision.input if decision else None,
        "value": decision.value if decision else None,
    }


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """The JSON of OutcomeSerializer."""
    return {
        "name": outcome.name,
        "label": _(outcome.label),
        "kind": outcome.kind,
        "tone": outcome.tone,
        "comment_required": outcome.needs_comment,
    }


def ballot_document(ballot: Ballot) -> dict[str, Any]:
    """The JSON of BallotSerializer."""
    return {
        "by": ballot.actor,
        "on_behalf_of": ballot.on_behalf_of or None,
        "outcome": ballot.outcome,
        "comment": ballot.comment,
        "input": ballot.input,
        "stage": ballot.stage + 1,
        "at": iso(ballot.cast_at),
    }


def version_document(version: Version, ballots: Sequence[Ballot]) -> dict[str, Any]:
    """The JSON of VersionSerializer."""
    return {
        "version": version.number,
        "digest": version.digest,
        "replaced_at": iso(version.replaced_at),
        "replaced_by": version.replaced_by or None,
        "changes": [change.to_json() for change in version.changes],
        "ballots": [ballot_document(ballot) for ballot in ballots if ballot.version == version.number],
    }


def progress_document(request: ApprovalRequest, progress: Sequence[Progress]) -> dict[str, Any]:
    return {
        "stage": request.stage + 1,
        "stages": len(request.policy["stages"]),
        "stalled": request.is_stalled,
        "counts": [{"of": list(p.principals), "have": p.have, "need": p.need} for p in progress],
    }


def eligibility_document(eligibility: Eligibility) -> dict[str, Any]:
    """The JSON of EligibilitySerializer, in the reader's language."""
    return {
        "allowed": eligibility.allowed,
        "may_only_reject": eligibility.may_only_reject,
        "on_behalf_of": eligibility.on_behalf_of or None,
        "rules": [
            {"name": rule.name, "passed": rule.passed, "why": wording.of_rule(rule)} for rule in eligibility.rules
        ],
    }


def event_document(event: AuditEvent) -> dict[str, Any]:
    """The JSON of EventSerializer."""
    return {
        "number": event.number,
        "kind": event.kind,
        "actor": event.actor,
        "channel": event.channel,
        "data": event.data,
        "at": iso(event.happened_at),
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    }


def decision_of(request: ApprovalRequest) -> Decision | None:
    """The decision, if there is one."""
    found: Decision | None = getattr(request, "decision", None)
    return found
