"""Checkpoints: what stands in the place of events that were pruned, so that the rest of their stream can be verified.
They form a chain of their own, and are signed where the installation has a key."""

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from approvals.canonical import digest_of


class AuditCheckpoint(models.Model):
    """The events of `stream` up to `number`, the last of which had `hash`, were pruned. `link` is the hash of this
    checkpoint, over that of the one before. Append-only, as events are."""

    stream = models.TextField(_("stream"))
    number = models.IntegerField(_("last number"))
    hash = models.TextField(_("last hash"))
    removed = models.IntegerField(_("events removed"))
    pruned_at = models.BigIntegerField(_("at"))
    previous_link = models.TextField(_("link before"), blank=True)
    link = models.TextField(_("link"))
    signature = models.JSONField(_("signature"), null=True, blank=True)

    class Meta:
        app_label = "approvals"
        verbose_name = _("checkpoint of the audit")
        verbose_name_plural = _("checkpoints of the audit")
        ordering = ("pk",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["stream", "number"], name="approvals_checkpoint_once"),
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.number}"

    @property
    def content(self) -> dict[str, Any]:
        """What the link and the signature cover."""
        return {
            "stream": self.stream,
            "number": self.number,
            "hash": self.hash,
            "removed": self.removed,
            "at": self.pruned_at,
            "previous": self.previous_link,
        }

    @property
    def link_now(self) -> str:
        """The link that the content has; equal to `link` unless something was altered."""
        return digest_of(self.content)
