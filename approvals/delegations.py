"""Out of office: one person lets another decide in his place, for a dated period. The other must pass every rule
himself, and what was delegated to him he cannot pass on. Times are ms since the epoch."""

from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.db import models
from django.utils.translation import gettext_lazy


class DelegationQuerySet(models.QuerySet["Delegation"]):
    def active(self, now: int) -> "DelegationQuerySet":
        return self.filter(revoked_at=None, starts_at__lte=now, ends_at__gt=now)

    def concerning(self, name: str) -> "DelegationQuerySet":
        """Those that this person gave or was given."""
        return self.filter(models.Q(delegator=name) | models.Q(delegate=name))


class Delegation(models.Model):
    """`delegate` may decide in the place of `delegator` from `starts_at` until before `ends_at`. People are named by
    their username."""

    delegator = models.TextField(gettext_lazy("who is away"))
    delegate = models.TextField(gettext_lazy("who stands in"))
    starts_at = models.BigIntegerField(gettext_lazy("from"))
    ends_at = models.BigIntegerField(gettext_lazy("until"))
    reason = models.TextField(gettext_lazy("reason"), blank=True)
    created_by = models.TextField(gettext_lazy("made by"))
    created_at = models.BigIntegerField(gettext_lazy("made at"))
    revoked_by = models.TextField(gettext_lazy("revoked by"), blank=True)
    revoked_at = models.BigIntegerField(gettext_lazy("revoked at"), null=True, blank=True)

    objects = DelegationQuerySet.as_manager()

    class Meta:
        app_label = "approvals"
        verbose_name = gettext_lazy("delegation")
        verbose_name_plural = gettext_lazy("delegations")
        ordering = ("-starts_at", "-pk")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["delegate", "ends_at"], condition=models.Q(revoked_at=None), name="approvals_delegation_active"
            ),
            models.Index(fields=["delegator"], name="approvals_delegation_given"),
        ]

    def __str__(self) -> str:
        return f"{self.delegator} → {self.delegate}"


def delegators_of(user: Any, now: int) -> list[Any]:
    """The active accounts of those for whom this user stands in, the earliest delegation first. [] for an account that
    was closed."""
    if not user.is_active:
        return []
    active = Delegation.objects.active(now).filter(delegate=user.get_username()).order_by("pk")
    names = list(active.values_list("delegator", flat=True))
    if not names:
        return []
    users = get_user_model()
    accounts = users._default_manager.filter(is_active=True, **{f"{users.USERNAME_FIELD}__in": names})
    found = {account.get_username(): account for account in accounts}
    return [found[name] for name in dict.fromkeys(names) if name in found]
