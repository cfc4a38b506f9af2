"""Who stands in for whom, and what named policies say: made here by the operations, and recorded with a reason."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from approvals import operations, policies
from approvals.delegations import Delegation
from approvals.errors import ApprovalError
from approvals.policy_versions import PolicyVersion, policy_in_force
from approvals.registry import policies_registered, policy_named
from promises.admin import ReadOnlyAdmin, ReasonForm, each_with_reason, when
from promises.times import now_ms, to_ms


class AddingForm(forms.ModelForm[Any]):
    """A form that makes a row by an operation, whose refusal is shown beside the fields. `made` is the row."""

    user: Any = None  # who sends the form; set by `AddingAdmin`
    made: Any = None

    def make(self, sent: dict[str, Any]) -> Any:
        """Call the operation. Errors: ApprovalError."""
        raise NotImplementedError

    def clean(self) -> dict[str, Any]:
        sent = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                self.made = self.make(sent)
            except ApprovalError as error:
                raise ValidationError(str(error)) from None
        return sent

    def _post_clean(self) -> None:
        """Nothing is written into a row by the form itself."""


class AddingAdmin(ReadOnlyAdmin):
    """Rows are added by an operation, and not changed by hand."""

    add_form: type[AddingForm]

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return bool(request.user.has_perm(f"approvals.add_{self.opts.model_name}"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None:
            return super().get_form(request, obj, change, **kwargs)
        return type(self.add_form.__name__, (self.add_form,), {"user": request.user})

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fields(request, obj) if obj is not None else list(self.add_form.base_fields)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        return form.made

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The operation has written it."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing belongs to it."""


class DelegationForm(AddingForm):
    """Who stands in for whom, from when until when (in the time zone of the installation)."""

    delegator = forms.CharField(max_length=150, label=_("who is away"))
    delegate = forms.CharField(max_length=150, label=_("who stands in"))
    starts = forms.SplitDateTimeField(label=_("from"), widget=AdminSplitDateTime, initial=timezone.now)
    ends = forms.SplitDateTimeField(label=_("until"), widget=AdminSplitDateTime)
    reason = forms.CharField(max_length=1000, label=_("reason"))

    class Meta:
        model = Delegation
        fields = ()

    def make(self, sent: dict[str, Any]) -> Delegation:
        return operations.delegation_create(
            sent["delegator"],
            sent["delegate"],
            starts_at=to_ms(sent["starts"]),
            ends_at=to_ms(sent["ends"]),
            reason=sent["reason"],
            by=self.user,
            now=now_ms(),
        )


@admin.register(Delegation)
class DelegationAdmin(AddingAdmin):
    add_form = DelegationForm
    list_display = ("delegator", "delegate", "starts", "ends", "reason", "created_by", "revoked")
    search_fields = ("delegator__exact", "delegate__exact")
    ordering = ("-starts_at", "-pk")
    actions = ("revoke_selected",)
    action_form = ReasonForm

    starts = when("starts_at", _("from"))
    ends = when("ends_at", _("until"))
    revoked = when("revoked_at", _("revoked at"))

    @admin.action(description=_("Revoke the selected delegations"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[Delegation]) -> None:
        """Answers that were given in somebody's place stay given."""

        def revoke(row: Delegation, reason: str) -> None:
            operations.delegation_revoke(row.pk, by=request.user, reason=reason, now=now_ms())

        each_with_reason(self, request, queryset, revoke, _("revoked"))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("approvals.change_delegation"))


class PolicyForm(AddingForm):
    """A new version of a registered policy; the name brings the definition that is in force."""

    name = forms.ChoiceField(label=_("policy"), choices=lambda: [(p.name, p.name) for p in policies_registered()])
    definition = forms.JSONField(label=_("definition"), widget=forms.Textarea(attrs={"rows": 24, "cols": 90}))
    reason = forms.CharField(max_length=1000, label=_("reason"))

    class Meta:
        model = PolicyVersion
        fields = ()

    def make(self, sent: dict[str, Any]) -> PolicyVersion:
        if not isinstance(sent["definition"], dict):
            raise ValidationError(_("The definition is a JSON object."))
        return operations.policy_edit(
            sent["name"], sent["definition"], by=self.user, reason=sent["reason"], now=now_ms()
        )


@admin.register(PolicyVersion)
class PolicyVersionAdmin(AddingAdmin):
    """Editing a policy adds a version (`add/?name=NAME` begins with the one in force); open requests keep theirs."""

    add_form = PolicyForm
    list_display = ("name", "version", "created_by", "made", "reason")
    list_filter = ("name",)
    ordering = ("name", "-version")

    made = when("created_at", _("made at"))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        known = [policy.name for policy in policies_registered()]
        name = request.GET.get("name", known[0] if known else "")
        if name not in known:
            return {}
        return {"name": name, "definition": policies.freeze(policy_in_force(policy_named(name)))}
