"""Approvals in the admin: everything can be looked at; a request is withdrawn by its operation, a token revoked by its
own. Nothing that the machine owns is edited by hand."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from approvals import operations
from approvals.channels import ADMIN
from approvals.errors import ApprovalError
from approvals.models import ApprovalRequest, AuditEvent, Ballot, Decision, RequestAudience, SettledPromise
from approvals.tokens import ApiToken, token_revoke
from promises.admin import ReadOnlyAdmin, ReasonForm, when
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
    fields = ("actor", "outcome", "comment", "stage", "channel")


class AudienceInline(ReadOnlyInline):
    model = RequestAudience
    fields = ("principal", "role", "is_open")


class OverrideForm(ReasonForm):
    """The bar of actions, with fields for what an override needs."""

    outcome = forms.CharField(max_length=100, required=False, label=_("Outcome"))


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(ReadOnlyAdmin):
    list_display = ("title", "state", "outcome", "requester", "workflow", "risk", "opened", "closed", "decided_by")
    list_filter = ("state", "risk", "is_stalled")
    search_fields = ("promise_id__startswith", "execution_id__exact", "requester__exact")
    search_help_text = _("The beginning of a promise's id, an execution's id, or who asked")
    ordering = ("-opened_at", "-id")
    inlines = (BallotInline, AudienceInline)
    actions = ("withdraw_selected", "override_selected")
    action_form = OverrideForm

    opened = when("opened_at", _("asked at"))
    closed = when("decided_at", _("closed at"))

    @admin.action(description=_("Withdraw the selected pending requests"), permissions=["withdraw"])
    def withdraw_selected(self, request: HttpRequest, queryset: QuerySet[ApprovalRequest]) -> None:
        """The workflows go on with a decision that is canceled."""
        withdrawn = 0
        for pk in queryset.values_list("pk", flat=True):
            try:
                operations.approval_withdraw(
                    pk, by=request.user.get_username(), reason="", channel=ADMIN.name, now=now_ms()
                )
                withdrawn += 1
            except ApprovalError as error:
                self.message_user(request, str(error), messages.WARNING)
        told = ngettext("%(n)d request withdrawn.", "%(n)d requests withdrawn.", withdrawn)
        self.message_user(request, told % {"n": withdrawn})

    @admin.action(description=_("Decide the selected requests around their policies"), permissions=["override"])
    def override_selected(self, request: HttpRequest, queryset: QuerySet[ApprovalRequest]) -> None:
        """With the outcome and the reason that stand beside the action."""
        outcome, reason = (request.POST.get(name, "").replace("\0", "").strip() for name in ("outcome", "reason"))
        for pk in queryset.values_list("pk", flat=True):
            try:
                decided = operations.approval_override(
                    pk, actor=request.user, outcome=outcome, reason=reason, channel=ADMIN.name, now=now_ms()
                )
            except ApprovalError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.log_change(request, decided, f"overridden: {outcome}: {reason}")
                self.message_user(request, f"“{decided}”: {decided.label}")

    def has_override_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(operations.MAY_OVERRIDE))

    def has_withdraw_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("approvals.change_approvalrequest"))


@admin.register(Ballot)
class BallotAdmin(ReadOnlyAdmin):
    list_display = ("request", "actor", "outcome", "stage", "channel", "cast")
    list_select_related = ("request",)
    search_fields = ("actor__exact",)
    ordering = ("-pk",)

    cast = when("cast_at", _("at"))


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    list_display = ("request", "outcome", "by", "is_timeout", "channel", "decided")
    list_select_related = ("request",)
    list_filter = ("is_timeout", "kind")
    search_fields = ("by__exact",)
    ordering = ("-decided_at",)

    decided = when("decided_at", _("at"))


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("stream", "number", "kind", "actor", "channel", "happened")
    search_fields = ("stream__exact", "actor__exact")
    ordering = ("-pk",)

    happened = when("happened_at", _("at"))


@admin.register(RequestAudience)
class RequestAudienceAdmin(ReadOnlyAdmin):
    list_display = ("principal", "role", "is_open", "request")
    list_select_related = ("request",)
    search_fields = ("principal__exact",)
    ordering = ("-pk",)


@admin.register(SettledPromise)
class SettledPromiseAdmin(ReadOnlyAdmin):
    list_display = ("promise_id",)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Tokens are made by `./run manage token create`, which shows the text once; here they are seen and revoked."""

    list_display = ("text", "user", "scope_names", "human", "created_at", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("prefix__exact", "user__username__exact")
    fields = ("user", "prefix", "scope_names", "human", "created_at", "expires_at", "last_used_at", "revoked_at")
    actions = ("revoke_selected",)

    @admin.display(description=_("token"), ordering="prefix")
    def text(self, token: ApiToken) -> SafeString:
        return format_html("<code>cs_{}_…</code>", token.prefix)

    @admin.display(description=_("scopes"))
    def scope_names(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @admin.action(description=_("Revoke the selected tokens"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Revoking again keeps the first time."""
        prefixes = list(queryset.values_list("prefix", flat=True))
        for prefix in prefixes:
            token_revoke(prefix, now=timezone.now())
        told = ngettext("%(n)d token revoked.", "%(n)d tokens revoked.", len(prefixes)) % {"n": len(prefixes)}
        self.message_user(request, told)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("approvals.change_apitoken"))
