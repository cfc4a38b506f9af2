"""The examples' tables in the admin: to look at. Only the workflows write them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from examples.models import Deployment, LedgerEntry, Receipt, ReleaseCheck, Repayment, Service


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    list_display = (
        "execution_id",
        "line",
        "claimant",
        "date",
        "category",
        "description",
        "amount",
        "booked_at",
    )
    list_filter = ("category", "claimant")
    search_fields = ("execution_id", "claimant", "description")
    date_hierarchy = "date"


@admin.register(Receipt)
class ReceiptAdmin(ReadOnlyAdmin):
    list_display = ("execution_id", "claimant", "total", "approved_by", "written_at")
    search_fields = ("execution_id", "claimant")


@admin.register(Repayment)
class RepaymentAdmin(ReadOnlyAdmin):
    list_display = ("execution_id", "customer", "amount", "method", "pay_on", "approved_by", "paid_at")
    search_fields = ("execution_id", "customer")


@admin.register(Service)
class ServiceAdmin(ReadOnlyAdmin):
    list_display = ("name", "version")
    search_fields = ("name",)


@admin.register(Deployment)
class DeploymentAdmin(ReadOnlyAdmin):
    list_display = ("execution_id", "service", "version", "previous_version", "promoted_at", "rolled_back_at")
    list_filter = ("service",)
    search_fields = ("execution_id", "service__name", "version")
    list_select_related = ("service",)


@admin.register(ReleaseCheck)
class ReleaseCheckAdmin(ReadOnlyAdmin):
    list_display = ("execution_id", "version", "callback_url", "announced_at")
    search_fields = ("execution_id", "version")
