"""What the examples leave behind: ledger and receipts of claims, refunds, services and deployments of releases.

Rows are written by the workflows' steps (ledger.py, repayments.py, fleet.py); `execution_id` names the run that wrote
them.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _


class LedgerEntry(models.Model):
    """One line of a claim that was booked. `line` is its line in the file, as in the problems of a claim."""

    execution_id = models.CharField(_("execution"), max_length=200)
    line = models.PositiveIntegerField(_("line"))
    claimant = models.CharField(_("claimant"), max_length=150)
    date = models.DateField(_("date"))
    category = models.CharField(_("category"), max_length=20)
    description = models.CharField(_("description"), max_length=200)
    amount = models.DecimalField(_("amount"), max_digits=10, decimal_places=2)
    booked_at = models.DateTimeField(_("booked"), auto_now_add=True)

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        ordering = ("-booked_at", "execution_id", "line")
        constraints = [models.UniqueConstraint(fields=["execution_id", "line"], name="examples_ledgerentry_once")]

    def __str__(self) -> str:
        return f"{self.date} {self.category} {self.amount} {self.claimant}"


class Receipt(models.Model):
    """What the claimant gets once the claim is booked. `approved_by` is empty when nobody had to be asked."""

    execution_id = models.CharField(_("execution"), max_length=200, unique=True)
    claimant = models.CharField(_("claimant"), max_length=150)
    total = models.DecimalField(_("total"), max_digits=12, decimal_places=2)
    approved_by = models.CharField(_("approved by"), max_length=150, blank=True)
    text = models.TextField(_("text"))
    written_at = models.DateTimeField(_("written"), auto_now_add=True)

    class Meta:
        verbose_name = _("receipt")
        verbose_name_plural = _("receipts")
        ordering = ("-written_at",)

    def __str__(self) -> str:
        return f"{self.claimant} {self.total}"


class Repayment(models.Model):
    """A refund that was approved: the letter as it was corrected, and how the money goes back."""

    execution_id = models.CharField(_("execution"), max_length=200, unique=True)
    customer = models.CharField(_("customer"), max_length=150)
    amount = models.DecimalField(_("amount"), max_digits=10, decimal_places=2)
    text = models.TextField(_("letter"))
    method = models.CharField(_("method"), max_length=30)
    pay_on = models.DateField(_("paid on"))
    proof = models.CharField(_("proof of purchase"), max_length=200, blank=True)
    approved_by = models.CharField(_("approved by"), max_length=150)
    paid_at = models.DateTimeField(_("written"), auto_now_add=True)

    class Meta:
        verbose_name = _("repayment")
        verbose_name_plural = _("repayments")
        ordering = ("-paid_at",)

    def __str__(self) -> str:
        return f"{self.customer} {self.amount}"


class Service(models.Model):
    """A service, and the version that runs in production ('' before its first deployment)."""

    name = models.CharField(_("name"), max_length=63, primary_key=True)
    version = models.CharField(_("version"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("service")
        verbose_name_plural = _("services")
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Deployment(models.Model):
    """One promotion of one service, and when it was taken back, if it was."""

    execution_id = models.CharField(_("execution"), max_length=200)
    service = models.ForeignKey(Service, models.PROTECT, related_name="deployments", verbose_name=_("service"))
    version = models.CharField(_("version"), max_length=64)
    previous_version = models.CharField(_("previous version"), max_length=64, blank=True)
    promoted_at = models.DateTimeField(_("promoted"), auto_now_add=True)
    rolled_back_at = models.DateTimeField(_("rolled back"), null=True, blank=True)

    class Meta:
        verbose_name = _("deployment")
        verbose_name_plural = _("deployments")
        ordering = ("-promoted_at", "-pk")
        constraints = [models.UniqueConstraint(fields=["execution_id", "service"], name="examples_deployment_once")]

    def __str__(self) -> str:
        return f"{self.service_id} {self.previous_version or '-'} -> {self.version}"


class ReleaseCheck(models.Model):
    """Where the CI reports its verdict on a release: `POST {"value": "passed"}` to the callback URL."""

    execution_id = models.CharField(_("execution"), max_length=200, unique=True)
    version = models.CharField(_("version"), max_length=64)
    callback_url = models.TextField(_("callback URL"))
    announced_at = models.DateTimeField(_("announced"), auto_now_add=True)

    class Meta:
        verbose_name = _("release check")
        verbose_name_plural = _("release checks")
        ordering = ("-announced_at",)

    def __str__(self) -> str:
        return f"{self.execution_id} {self.version}"
