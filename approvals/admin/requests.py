"""Requests, and all that belongs to one: looked at, and moved by the operations."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from approvals import operations
from approvals.channels import ADMIN
from approvals.models import (
    Alarm,
    ApprovalRequest,
    Ballot,
    Decision,
    RequestAudience,
    RequestFile,
    RequestVersion,
)
from approvals.people import may_operate
from promises.admin import ReadOnlyAdmin, ReasonForm, each_with_reason, when
from promises.times import now_ms


class ReadOnlyInline(admin.TabularInline[Any, Any]):
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class BallotInline(ReadOnlyInline):
    model = Ballot
    fields = ("actor", "on_behalf_of", "outcome", "comment", "stage", "channel")


class AudienceInline(ReadOnlyInline):
    model = RequestAudience
    fields = ("principal", "role", "is_open")


class RequestActionForm(ReasonForm):
    """The bar of actions, with whom to ask too, and what an override decides."""

    to = forms.CharField(max_length=200, required=False, label=_("Escalate to"))
    outcome = forms.CharField(max_length=100, required=False, label=_("Outcome"))


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(ReadOnlyAdmin):
    list_display = (
        *("title", "state", "is_stalled", "outcome", "requester", "workflow", "policy_name", "risk"),
        *("claimed_by", "opened", "closed", "decided_by"),
    )
    list_filter = ("state", "risk", "is_stalled")
    search_fields = ("promise_id__startswith", "execution_id__exact", "requester__exact", "policy_name__exact")
    search_help_text = _("The beginning of a promise's id, an execution's id, who asked, or the name of a policy")
    ordering = ("-opened_at", "-id")
    inlines = (BallotInline, AudienceInline)
    action_form = RequestActionForm
    actions = ("withdraw_selected", "release_selected", "remind_selected", "escalate_selected", "override_selected")

    opened = when("opened_at", _("asked at"))
    closed = when("decided_at", _("closed at"))

    @admin.action(description=_("Withdraw the selected pending requests"), permissions=["operate"])
    def withdraw_selected(self, request: HttpRequest, queryset: QuerySet[ApprovalRequest]) -> None:
        """The workflows go on with a decision that is canceled."""
        by = request.user.get_username()

        def withdraw(row: ApprovalRequest, reason: str) -> None:
            operations.approval_withdraw(row.pk, by=by, reason=reason, channel=ADMIN.name, now=now_ms())

        each_with_reason(self, request, queryset, withdraw, _("withdrawn"))

    @admin.action(description=_("Take the claims on the selected requests away"), permissions=["operate"])
    def release_selected(self, request: HttpRequest, queryset: QuerySet[ApprovalRequest]) -> None:
        def release(row: ApprovalRequest, reason: str) -> None:
            operations.approval_release(row.pk, actor=request.user, reason=reason, channel=ADMIN.name, now=now_ms())

        each_with_reason(self, request, queryset, release, _("released"))

    @admin.action(description=_("Remind those whom the selected requests ask"), permissions=["operate"])
    def remind_selected(self, request: HttpRequest, queryset: QuerySet[ApprovalRequest]) -> None:
        def remind(row: ApprovalRequest, reason: str) -> None:
            operations.approval_remind(row.pk, actor=request.user, channel=ADMIN.name, now=now_ms())

        each_with_reason(self, request, queryset, remind, _("reminded"))

    @admin.action(description=_("Escalate the selected requests"), permissions=["operate"])
    def escalate_selected(self, request: HttpRequest, queryset: QuerySet[ApprovalRequest]) -> None:
        """To the principal in the field beside the action."""
        to = request.POST.get("to", "").replace("\0", "").strip()

        def escalate(row: ApprovalRequest, reason: str) -> None:
            operations.approval_escalate(
                row.pk, to=to, actor=request.user, reason=reason, channel=ADMIN.name, now=now_ms()
            )

        each_with_reason(self, request, queryset, escalate, _("escalated"))

    @admin.action(description=_("Decide the selected requests around their policies"), permissions=["override"])
    def override_selected(self, request: HttpRequest, queryset: QuerySet[ApprovalRequest]) -> None:
        """With the outcome and the reason that stand beside the action."""
        outcome = request.POST.get("outcome", "").replace("\0", "").strip()

        def override(row: ApprovalRequest, reason: str) -> None:
            operations.approval_override(
                row.pk, actor=request.user, outcome=outcome, reason=reason, channel=ADMIN.name, now=now_ms()
            )

        each_with_reason(self, request, queryset, override, _("decided around the policy"))

    def has_override_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(operations.MAY_OVERRIDE))

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return may_operate(request.user)


@admin.register(Ballot)
class BallotAdmin(ReadOnlyAdmin):
    list_display = ("request", "actor", "on_behalf_of", "outcome", "stage", "channel", "cast")
    list_select_related = ("request",)
    search_fields = ("actor__exact",)
    ordering = ("-pk",)

    cast = when("cast_at", _("at"))


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    list_display = ("request", "outcome", "by", "on_behalf_of", "is_timeout", "channel", "decided")
    list_select_related = ("request",)
    list_filter = ("is_timeout", "kind")
    search_fields = ("by__exact",)
    ordering = ("-decided_at",)

    decided = when("decided_at", _("at"))


@admin.register(RequestAudience)
class RequestAudienceAdmin(ReadOnlyAdmin):
    list_display = ("principal", "role", "is_open", "request")
    list_select_related = ("request",)
    search_fields = ("principal__exact",)
    ordering = ("-pk",)


@admin.register(RequestVersion)
class RequestVersionAdmin(ReadOnlyAdmin):
    list_display = ("request", "number", "replaced_by", "replaced")
    list_select_related = ("request",)
    ordering = ("-pk",)

    replaced = when("replaced_at", _("replaced at"))


@admin.register(RequestFile)
class RequestFileAdmin(ReadOnlyAdmin):
    """Without the content: that is read by whom the request concerns."""

    list_display = ("name", "content_type", "size", "request", "uploaded_by", "uploaded", "is_used")
    list_select_related = ("request",)
    exclude = ("content",)
    ordering = ("-uploaded_at",)

    uploaded = when("uploaded_at", _("at"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("content")


@admin.register(Alarm)
class AlarmAdmin(ReadOnlyAdmin):
    list_display = ("request", "kind", "to", "due")
    list_select_related = ("request",)
    list_filter = ("kind",)
    ordering = ("due_at",)

    due = when("due_at", _("due"))
