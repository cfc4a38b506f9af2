"""The promise store in the admin: everything can be looked at, and moved by the verbs of the store alone."""

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.admin.utils import quote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from promises import store
from promises.errors import BadRequest, CodedError
from promises.limits import Limits
from promises.models import Callback, Limit, Listener, OutgoingMessage, Process, Promise, Schedule, Task
from promises.times import now_ms, to_datetime
from promises.values import display


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Look, don't touch: no adding, changing or deleting by hand."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReasonForm(ActionForm):
    """The bar of actions, with a field for why."""

    reason = forms.CharField(max_length=1000, required=False, label=_("Reason"))


def each_with_reason(
    model_admin: admin.ModelAdmin[Any],
    request: HttpRequest,
    rows: Iterable[Any],
    verb: Callable[[Any, str], object],
    done: Any,
) -> None:
    """Apply a verb to each row; what was done is kept in its history with the reason, which has to be given."""
    reason = request.POST.get("reason", "").replace("\0", "").strip()
    if not reason:
        model_admin.message_user(request, _("Say why, in the field beside the action."), messages.ERROR)
        return
    for row in rows:
        try:
            verb(row, reason)
        except CodedError as error:
            model_admin.message_user(request, f"“{row}”: {error}", messages.ERROR)
        else:
            model_admin.log_change(request, row, f"{done}: {reason}")
            model_admin.message_user(request, f"“{row}”: {done}")


def when(field: str, label: Any) -> Any:
    """A column that shows a field of milliseconds as a local time."""

    @admin.display(description=label, ordering=field)
    def column(self: Any, row: Any) -> str:
        moment = to_datetime(getattr(row, field))
        return "-" if moment is None else timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S")

    return column


@admin.register(Promise)
class PromiseAdmin(ReadOnlyAdmin):
    list_display = ("id", "state", "function", "created", "settled", "deadline")
    list_filter = ("state", "is_root")
    search_fields = ("id__startswith",)
    search_help_text = _("The beginning of an id")
    ordering = ("id",)
    fields = ("id", "state", "function", "param", "value", "tags", "created", "settled", "deadline", "waiting")
    actions = ("cancel_selected",)

    created = when("created_at", _("created"))
    settled = when("settled_at", _("settled"))
    deadline = when("timeout_at", _("deadline"))

    @admin.display(description=_("function"))
    def function(self, promise: Promise) -> str:
        return str(promise.tags.get("countersign:func", "-"))

    @admin.display(description=_("who waits"))
    def waiting(self, promise: Promise) -> str:
        awaiters = Callback.objects.filter(awaited=promise.id).values_list("awaiter", flat=True)
        listeners = Listener.objects.filter(awaited=promise.id).values_list("address", flat=True)
        return ", ".join([*awaiters, *listeners]) or "-"

    @admin.action(description=_("Cancel the selected pending promises"), permissions=["settle"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Promise]) -> None:
        """An approval's promise is left alone: it is withdrawn by its own rules."""
        now, canceled = now_ms(), 0
        for promise in queryset:
            if promise.tags.get("countersign:approval"):
                self.message_user(
                    request,
                    _("%(id)s belongs to an approval; withdraw the approval instead.") % {"id": promise.id},
                    messages.WARNING,
                )
                continue
            before = promise.state
            settled = store.graph_cancel(promise.id, now=now)
            canceled += before == "pending" and settled.state == "rejected_canceled"
            self.log_change(request, promise, "canceled")
        self.message_user(
            request, ngettext("%(n)d promise canceled.", "%(n)d promises canceled.", canceled) % {"n": canceled}
        )

    def has_settle_permission(self, request: HttpRequest) -> bool:
        """Canceling changes a promise, though the form does not."""
        return bool(request.user.has_perm("promises.change_promise"))


class LimitForm(forms.ModelForm[Limit]):
    """A limit as people write it: the rate is "100/m"."""

    key = forms.RegexField(
        r"(queue|workflow):\S+", help_text=_("queue:NAME or workflow:NAME"), label=_("what is limited")
    )
    rate = forms.CharField(required=False, help_text=_("How many are started in a time: 10/s, 100/m, 5/2h"))
    is_overridden = forms.BooleanField(
        required=False,
        initial=True,
        label=_("set by an operator"),
        help_text=_("Unmark it, and the next worker that starts declares the limits of the code again."),
    )

    class Meta:
        model = Limit
        fields = ("key", "concurrency", "rate", "is_overridden")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.rate is not None:
            self.initial["rate"] = self.instance.limits.written_rate

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        try:
            limits = Limits.of(cleaned.get("concurrency"), cleaned.get("rate") or None)
        except BadRequest as error:
            raise forms.ValidationError(str(error)) from None
        cleaned["rate"] = self.instance.tokens = limits.rate
        self.instance.period_ms = limits.period_ms
        return cleaned


@admin.register(Limit)
class LimitAdmin(admin.ModelAdmin[Limit]):
    """What an operator may change while everything runs; Django's log keeps who did."""

    form = LimitForm
    list_display = ("key", "concurrency", "rate_shown", "is_overridden")
    list_filter = ("is_overridden",)
    search_fields = ("key",)
    ordering = ("key",)

    @admin.display(description=_("rate"))
    def rate_shown(self, limit: Limit) -> str:
        return limit.limits.written_rate or "-"

    def get_readonly_fields(self, request: HttpRequest, obj: Limit | None = None) -> tuple[str, ...]:
        return () if obj is None else ("key",)


@admin.register(Task)
class TaskAdmin(ReadOnlyAdmin):
    list_display = ("id", "state", "version", "target", "crashes", "due", "halt_reason")
    list_filter = ("state", "target")
    search_fields = ("id__startswith",)
    search_help_text = _("The beginning of an id")
    ordering = ("id",)
    fields = (
        "promise_link",
        "state",
        "version",
        "resumes",
        "pid",
        "ttl",
        "target",
        "func",
        "priority",
        "dispatches",
        "crashes",
        "due",
        "halt_reason",
    )
    actions = ("continue_selected", "halt_selected")
    action_form = ReasonForm

    due = when("due_at", _("due"))

    @admin.display(description=_("promise"))
    def promise_link(self, task: Task) -> SafeString:
        return format_html('<a href="../../../promise/{}/change/">{}</a>', quote(task.id), task.id)

    @admin.action(description=_("Continue the selected halted tasks"), permissions=["operate"])
    def continue_selected(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        each_with_reason(
            self, request, queryset, lambda task, reason: store.task_continue(task.id, now=now_ms()), "continued"
        )

    @admin.action(description=_("Halt the selected tasks"), permissions=["operate"])
    def halt_selected(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        by = request.user.get_username()
        each_with_reason(
            self,
            request,
            queryset,
            lambda task, reason: store.task_halt(task.id, f"Halted by {by}: {reason}", now=now_ms()),
            "halted",
        )

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Halting and continuing change a task, though the form does not."""
        return bool(request.user.has_perm("promises.change_task"))


@admin.register(Callback)
class CallbackAdmin(ReadOnlyAdmin):
    list_display = ("awaiter", "awaited")
    search_fields = ("awaited__startswith", "awaiter__startswith")


@admin.register(Listener)
class ListenerAdmin(ReadOnlyAdmin):
    list_display = ("awaited", "address")
    search_fields = ("awaited__startswith",)


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "cron",
        "time_zone",
        "function",
        "next_run",
        "last_run",
        "paused",
        "pause_reason",
        "is_declared",
    )
    list_filter = ("is_declared", ("paused_at", admin.EmptyFieldListFilter))
    search_fields = ("id__startswith",)
    search_help_text = _("The beginning of an id")
    ordering = ("id",)
    fields = (
        "id",
        "cron",
        "time_zone",
        "function",
        "param",
        "promise_id",
        "promise_timeout",
        "promise_tags",
        "is_declared",
        "next_run",
        "last_run",
        "paused",
        "pause_reason",
    )
    actions = ("pause_selected", "resume_selected", "delete_schedules")
    action_form = ReasonForm

    next_run = when("next_run_at", _("next run"))
    last_run = when("last_run_at", _("last run"))
    paused = when("paused_at", _("paused"))

    @admin.display(description=_("function"))
    def function(self, schedule: Schedule) -> str:
        return str(schedule.promise_tags.get("countersign:func", "-"))

    @admin.display(description=_("param"))
    def param(self, schedule: Schedule) -> Any:
        return display(schedule.promise_param_data)

    @admin.action(description=_("Pause the selected schedules"), permissions=["operate"])
    def pause_selected(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        each_with_reason(
            self, request, queryset, lambda row, reason: store.schedule_pause(row.id, reason, now=now_ms()), "paused"
        )

    @admin.action(description=_("Resume the selected schedules"), permissions=["operate"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        each_with_reason(
            self, request, queryset, lambda row, reason: store.schedule_resume(row.id, now=now_ms()), "resumed"
        )

    @admin.action(description=_("Delete the selected schedules"), permissions=["remove"])
    def delete_schedules(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        """What the code declares is refused: it would come back."""
        each_with_reason(self, request, queryset, lambda row, reason: store.schedule_delete(row.id), "deleted")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("promises.change_schedule"))

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("promises.delete_schedule"))


@admin.register(OutgoingMessage)
class OutgoingMessageAdmin(ReadOnlyAdmin):
    list_display = ("promise_id", "address", "attempts", "due", "last_error")
    due = when("due_at", _("due"))


@admin.register(Process)
class ProcessAdmin(ReadOnlyAdmin):
    list_display = ("kind", "host", "seen", "started")
    seen = when("seen_at", _("seen"))
    started = when("started_at", _("started"))
