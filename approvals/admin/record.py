"""What the machine notes down: the audit and its checkpoints, and what the clock knows."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from approvals.checkpoints import AuditCheckpoint
from approvals.models import AuditEvent, KnownMembers, SettledPromise
from promises.admin import ReadOnlyAdmin, when


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("stream", "number", "kind", "actor", "channel", "happened")
    list_filter = ("kind",)
    search_fields = ("stream__exact", "actor__exact")
    search_help_text = _("A stream (the id of a request, policy:NAME, delegation:NAME), or a person")
    ordering = ("-pk",)

    happened = when("happened_at", _("at"))


@admin.register(AuditCheckpoint)
class AuditCheckpointAdmin(ReadOnlyAdmin):
    list_display = ("stream", "number", "removed", "pruned")
    search_fields = ("stream__exact",)
    ordering = ("-pk",)

    pruned = when("pruned_at", _("at"))


@admin.register(KnownMembers)
class KnownMembersAdmin(ReadOnlyAdmin):
    list_display = ("principal", "seen")
    search_fields = ("principal__exact",)
    ordering = ("principal",)

    seen = when("seen_at", _("changed"))


@admin.register(SettledPromise)
class SettledPromiseAdmin(ReadOnlyAdmin):
    list_display = ("promise_id",)
