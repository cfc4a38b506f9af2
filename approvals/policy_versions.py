"""Policies that were edited where they run. What a name means is registered in code; an edit is a version of its own,
which holds for requests that open from then on until the code has a higher one."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from approvals import policies, registry
from approvals.policies import Policy


class PolicyVersion(models.Model):
    """One edit of a registered policy: its whole definition, who made it and why. Rows are added and never changed."""

    name = models.TextField(_("policy"))
    version = models.IntegerField(_("version"))
    definition = models.JSONField(_("definition"))
    reason = models.TextField(_("reason"))
    created_by = models.TextField(_("made by"))
    created_at = models.BigIntegerField(_("made at"))

    class Meta:
        app_label = "approvals"
        verbose_name = _("version of a policy")
        verbose_name_plural = _("versions of policies")
        ordering = ("name", "-version")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["name", "version"], name="approvals_policy_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def policy_in_force(policy: Policy) -> Policy:
    """What a policy means to a request that opens now: as it was edited, if it is registered and was, with whom the
    workflow excludes beside it."""
    if not registry.is_registered(policy.name):
        return policy
    registered = registry.policy_named(policy.name)
    edited = PolicyVersion.objects.filter(name=policy.name).order_by("-version").first()
    if edited is None or edited.version < registered.version:
        return policy
    more = [item for item in policy.never if item not in registered.never]
    return policies.thaw(edited.definition).but_never(more)
