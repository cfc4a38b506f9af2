"""Requests for approval and what people said. Rows are written by `operations` alone. Times are ms since the
epoch; people are named by their username, which outlives the account."""

from typing import Any, ClassVar
from uuid import uuid4

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from approvals import amendments, outcomes, policies
from approvals.cards import Card, card_of
from approvals.counting import Cast
from approvals.files import File
from approvals.outcomes import Outcome
from approvals.policies import Policy
from promises.times import NEVER

# The columns that hold `Card.content`.
CONTENT = ("title", "policy", "outcomes", "blocks", "risk", "timeout_outcome", "form", "proposal")


class RequestState(models.TextChoices):
    """A request is pending until people, its deadline or the workflow close it, once."""

    PENDING = "pending", _("pending")
    DECIDED = "decided", _("decided")
    TIMED_OUT = "timed_out", _("timed out")
    CANCELED = "canceled", _("canceled")


class Risk(models.TextChoices):
    LOW = "low", _("low")
    MEDIUM = "medium", _("medium")
    HIGH = "high", _("high")


class Role(models.TextChoices):
    """What a request wants of a principal."""

    DECIDE = "decide", _("may decide now")
    LATER = "later", _("decides in a later stage")
    VETO = "veto", _("may say no")
    NEVER = "never", _("may not decide")
    DONE = "done", _("has answered")
    ASKED = "asked", _("asked for it")
    FORMER = "former", _("has handed it on")


class ApprovalRequestQuerySet(models.QuerySet["ApprovalRequest"]):
    def pending(self) -> "ApprovalRequestQuerySet":
        return self.filter(state=RequestState.PENDING)

    def claimed(self, now: int) -> "ApprovalRequestQuerySet":
        """Pending, and kept by somebody for himself at `now`."""
        return self.pending().filter(claimed_until__gt=now)

    def due(self, now: int) -> "ApprovalRequestQuerySet":
        """Pending past their deadline, the longest overdue first."""
        return self.pending().filter(deadline_at__lte=now).order_by("deadline_at")

    def for_principals(self, principals: list[str], *roles: str) -> "ApprovalRequestQuerySet":
        """Those that want one of these roles of one of these principals (`user:ana`, `group:finance`)."""
        rows = RequestAudience.objects.filter(request=OuterRef("pk"), principal__in=principals)
        return self.filter(Exists(rows.filter(role__in=roles) if roles else rows))


class ApprovalRequest(models.Model):
    """A question to people, frozen as it was asked. `id` follows from `promise_id`, so opening it twice is opening it
    once."""

    id = models.UUIDField(primary_key=True, editable=False)
    promise_id = models.TextField(_("promise"), unique=True, db_collation="C")
    execution_id = models.TextField(_("execution"), db_collation="C")
    workflow = models.TextField(_("workflow"), blank=True)
    title = models.TextField(_("question"))
    requester = models.TextField(_("asked by"), blank=True)
    state = models.TextField(_("state"), choices=RequestState.choices, default=RequestState.PENDING)
    outcome = models.TextField(_("outcome"), blank=True)
    policy = models.JSONField(_("policy"))
    policy_name = models.TextField(_("name of the policy"), blank=True)
    outcomes = models.JSONField(_("outcomes"))
    blocks = models.JSONField(_("card"), default=list)
    form = models.JSONField(_("form"), null=True, blank=True)
    proposal = models.JSONField(_("proposal"), null=True, blank=True)
    previous = models.UUIDField(_("follows"), null=True, blank=True)
    note = models.TextField(_("why it is asked again"), blank=True)
    risk = models.TextField(_("risk"), choices=Risk.choices, default=Risk.MEDIUM)
    digest = models.TextField(_("digest"))
    version = models.IntegerField(_("version"), default=1)
    revision = models.IntegerField(_("revisions by the workflow"), default=0)
    stage = models.IntegerField(_("stage"), default=0)
    is_stalled = models.BooleanField(_("stalled"), default=False)
    tallied_at = models.BigIntegerField(_("counted at"), default=0)
    opened_at = models.BigIntegerField(_("asked at"))
    deadline_at = models.BigIntegerField(_("deadline"), null=True, blank=True)
    timeout_outcome = models.TextField(_("outcome at the deadline"), blank=True)
    decided_at = models.BigIntegerField(_("closed at"), null=True, blank=True)
    decided_by = models.TextField(_("decided by"), blank=True)
    closed_because = models.TextField(_("why it was closed"), blank=True)
    amendments = models.JSONField(_("changes of the audience"), default=list)
    claimed_by = models.TextField(_("claimed by"), blank=True)
    claimed_until = models.BigIntegerField(_("claimed until"), null=True, blank=True)
    closed_reason = models.TextField(_("reason given"), blank=True)

    objects = ApprovalRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("request")
        verbose_name_plural = _("requests")
        permissions = (("override_approvalrequest", "Can decide around the policy"),)
        ordering = ("-opened_at", "-id")
        indexes: ClassVar[list[models.Index]] = [
            # The sweep of deadlines.
            models.Index(
                fields=["deadline_at"],
                condition=Q(state=RequestState.PENDING, deadline_at__isnull=False),
                name="approvals_request_due",
            ),
            # What somebody keeps for himself is left out of the inbox of the others.
            models.Index(
                fields=["claimed_until"],
                condition=Q(state=RequestState.PENDING, claimed_until__isnull=False),
                name="approvals_request_claimed",
            ),
            models.Index(fields=["-opened_at", "-id"], name="approvals_request_newest"),
            models.Index(fields=["requester", "-opened_at"], name="approvals_request_requester"),
            models.Index(fields=["execution_id"], name="approvals_request_execution"),
            models.Index(
                fields=["-decided_at", "-id"],
                condition=Q(decided_at__isnull=False),
                name="approvals_request_archive",
            ),
            # What the clock looks at again: what is stalled, and what was counted since its last look.
            models.Index(fields=["id"], condition=Q(is_stalled=True), name="approvals_request_stalled"),
            models.Index(
                fields=["tallied_at"], condition=Q(state=RequestState.PENDING), name="approvals_request_tallied"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("approvals:decision", args=[self.pk])

    @property
    def is_pending(self) -> bool:
        return self.state == RequestState.PENDING

    @property
    def card(self) -> Card:
        """What is asked now, as it was frozen."""
        return card_of(self.content)

    @property
    def content(self) -> dict[str, Any]:
        """The JSON that the digest covers."""
        return {name: getattr(self, name) for name in CONTENT}

    @property
    def has_forms(self) -> bool:
        """Whether an answer may carry input."""
        return self.form is not None or any("form" in outcome for outcome in self.outcomes)

    @property
    def thawed_policy(self) -> Policy:
        """The policy as it holds for this request now: as frozen, with the amendments."""
        return amendments.amended(policies.thaw(self.policy), map(amendments.thaw, self.amendments))

    def claimant(self, now: int) -> str:
        """Who has claimed the request; '' when nobody has, or the claim has lapsed."""
        return self.claimed_by if self.claimed_until is not None and now < self.claimed_until else ""

    @property
    def thawed_outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes that people can choose."""
        return tuple(outcome for outcome in outcomes.thaw(self.outcomes) if outcome.offered)

    def outcome_named(self, name: str) -> Outcome | None:
        """The outcome of this name, whether people or only the deadline may give it."""
        return next((outcome for outcome in outcomes.thaw(self.outcomes) if outcome.name == name), None)

    @property
    def label(self) -> str:
        """What the outcome is called, once there is one."""
        found = self.outcome_named(self.outcome)
        return found.label if found else self.outcome

    @property
    def is_approved(self) -> bool:
        """Approved by people; a deadline never approves."""
        found = self.outcome_named(self.outcome)
        return self.state == RequestState.DECIDED and found is not None and found.kind == "approve"


class RequestVersion(models.Model):
    """What a request asked before it was changed: the content that its digest covers, as people read it. `replaced_by`
    is empty when the workflow changed it, else who corrected the proposal."""

    request = models.ForeignKey(
        ApprovalRequest, models.CASCADE, related_name="versions", db_index=False, verbose_name=_("request")
    )
    number = models.IntegerField(_("version"))
    digest = models.TextField(_("digest"))
    content = models.JSONField(_("content"))
    replaced_at = models.BigIntegerField(_("replaced at"))
    replaced_by = models.TextField(_("replaced by"), blank=True)

    class Meta:
        verbose_name = _("older version")
        verbose_name_plural = _("older versions")
        ordering = ("request", "number")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["request", "number"], name="approvals_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.request_id} {self.number}"


class RequestFile(models.Model):
    """A file that somebody uploaded into a form of a request. One that no ballot refers to when the request closes is
    deleted."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    request = models.ForeignKey(ApprovalRequest, models.CASCADE, related_name="files", verbose_name=_("request"))
    name = models.TextField(_("name"))
    content_type = models.TextField(_("type"))
    size = models.IntegerField(_("bytes"))
    sha256 = models.TextField(_("SHA-256"))
    content = models.BinaryField(_("content"))
    uploaded_by = models.TextField(_("uploaded by"))
    uploaded_at = models.BigIntegerField(_("at"))
    is_used = models.BooleanField(_("belongs to an answer"), default=False)

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        ordering = ("uploaded_at", "pk")

    def __str__(self) -> str:
        return self.name

    @property
    def as_file(self) -> File:
        return File(id=str(self.pk), name=self.name, content_type=self.content_type, size=self.size, sha256=self.sha256)


class RequestAudience(models.Model):
    """Which principals a request concerns, and how: what the lists and visibility are asked by, without opening the
    policy. `is_open` while the request is pending; `due_at` (NEVER without a deadline), `opened_at` and `closed_at`
    are the request's, so that one index holds a whole list in its order."""

    request = models.ForeignKey(ApprovalRequest, models.CASCADE, related_name="audience", db_index=False)
    principal = models.TextField(_("principal"))
    role = models.TextField(_("role"), choices=Role.choices)
    is_open = models.BooleanField(_("open"), default=True)
    due_at = models.BigIntegerField(_("deadline"), default=NEVER)
    opened_at = models.BigIntegerField(_("asked at"), default=0)
    closed_at = models.BigIntegerField(_("closed at"), null=True, blank=True)

    class Meta:
        verbose_name = _("audience")
        verbose_name_plural = _("audiences")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["request", "principal", "role"], name="approvals_audience_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # What waits for me: only as many rows as requests are pending, and nothing else is read.
            models.Index(
                fields=["principal", "role", "due_at", "opened_at", "request"],
                condition=Q(is_open=True),
                name="approvals_audience_inbox",
            ),
            # What is done and concerned me, the last first.
            models.Index(
                fields=["principal", "-closed_at", "-request"],
                condition=Q(is_open=False, role__in=["asked", "done"]),
                name="approvals_audience_archive",
            ),
            models.Index(fields=["principal", "request"], name="approvals_audience_all"),
        ]

    def __str__(self) -> str:
        return f"{self.principal} {self.role}"


class Ballot(models.Model):
    """One person's answer to one version of a request, with the principals that he answered as."""

    request = models.ForeignKey(
        ApprovalRequest, models.CASCADE, related_name="ballots", db_index=False, verbose_name=_("request")
    )
    version = models.IntegerField(_("version"), default=1)
    stage = models.IntegerField(_("stage"), default=0)
    actor = models.TextField(_("person"))
    on_behalf_of = models.TextField(_("in the place of"), blank=True)
    matched = models.JSONField(_("answers as"), default=list)
    outcome = models.TextField(_("outcome"))
    comment = models.TextField(_("comment"), blank=True)
    input = models.JSONField(_("input"), null=True, blank=True)
    channel = models.TextField(_("channel"))
    digest = models.TextField(_("digest"))
    cast_at = models.BigIntegerField(_("at"))

    class Meta:
        verbose_name = _("ballot")
        verbose_name_plural = _("ballots")
        ordering = ("pk",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["request", "version", "stage", "actor"], name="approvals_ballot_once"),
            models.UniqueConstraint(
                fields=["request", "version", "stage", "on_behalf_of"],
                condition=~Q(on_behalf_of=""),
                name="approvals_ballot_place_once",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["actor", "-cast_at"], name="approvals_ballot_mine")
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.outcome}"

    @property
    def as_cast(self) -> Cast:
        return Cast(self.actor, self.outcome, tuple(self.matched), self.stage, self.on_behalf_of)


class Decision(models.Model):
    """The one answer to a request: what the workflow believes. `by` is empty when the deadline decided."""

    request = models.OneToOneField(
        ApprovalRequest, models.CASCADE, primary_key=True, related_name="decision", verbose_name=_("request")
    )
    outcome = models.TextField(_("outcome"))
    kind = models.TextField(_("kind"))
    by = models.TextField(_("by"), blank=True)
    on_behalf_of = models.TextField(_("in the place of"), blank=True)
    comment = models.TextField(_("comment"), blank=True)
    input = models.JSONField(_("input"), null=True, blank=True)
    value = models.JSONField(_("proposal as decided"), null=True, blank=True)
    channel = models.TextField(_("channel"))
    is_timeout = models.BooleanField(_("by the deadline"), default=False)
    is_override = models.BooleanField(_("around the policy"), default=False, db_default=False)
    digest = models.TextField(_("digest"))
    decided_at = models.BigIntegerField(_("at"))
    receipt = models.JSONField(_("receipt"), null=True, blank=True)

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")

    def __str__(self) -> str:
        return f"{self.outcome} ({self.by or self.channel})"


class AuditEvent(models.Model):
    """Something that happened to a request, in its stream's order. Append-only; each event carries the hash of the one
    before it."""

    stream = models.TextField(_("stream"))
    number = models.IntegerField(_("number"))
    kind = models.TextField(_("kind"))
    actor = models.TextField(_("person"), blank=True)
    channel = models.TextField(_("channel"), blank=True)
    data = models.JSONField(_("data"), default=dict)
    happened_at = models.BigIntegerField(_("at"))
    previous_hash = models.TextField(_("hash before"), blank=True)
    hash = models.TextField(_("hash"))

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        ordering = ("pk",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["stream", "number"], name="approvals_audit_order"),
        ]

    def __str__(self) -> str:
        return f"{self.stream} {self.number} {self.kind}"


class SettledPromise(models.Model):
    """A promise of a request that has settled, noted by a trigger in the settling commit, whoever settled it; the
    sweep closes its request if that is still open, and takes the note away."""

    promise_id = models.TextField(primary_key=True, db_collation="C")

    class Meta:
        verbose_name = _("settled promise")
        verbose_name_plural = _("settled promises")

    def __str__(self) -> str:
        return self.promise_id


class Alarm(models.Model):
    """A moment at which the clock reminds or escalates, unless the request is closed by then. The row goes in the
    commit that does it, so that it is done once."""

    class Kind(models.TextChoices):
        REMIND = "remind", _("remind")
        ESCALATE = "escalate", _("escalate")

    request = models.ForeignKey(
        ApprovalRequest, models.CASCADE, related_name="alarms", db_index=False, verbose_name=_("request")
    )
    kind = models.TextField(_("kind"), choices=Kind.choices)
    number = models.IntegerField(_("number"))
    to = models.JSONField(_("whom to ask too"), default=list)
    due_at = models.BigIntegerField(_("due"))

    class Meta:
        verbose_name = _("alarm")
        verbose_name_plural = _("alarms")
        ordering = ("due_at", "pk")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["request", "kind", "number"], name="approvals_alarm_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["due_at"], name="approvals_alarm_due")]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


class KnownMembers(models.Model):
    """A fingerprint of the people who matched a principal when the clock last looked: when it differs, requests that
    ask the principal are looked at again. The row of the empty principal says when the last look was."""

    principal = models.TextField(_("principal"), primary_key=True)
    digest = models.TextField(_("digest"), blank=True)
    seen_at = models.BigIntegerField(_("seen"))

    class Meta:
        verbose_name = _("known members")
        verbose_name_plural = _("known members")

    def __str__(self) -> str:
        return self.principal


# Models that have a module of their own.
from approvals.checkpoints import AuditCheckpoint  # noqa: E402, F401
from approvals.delegations import Delegation  # noqa: E402, F401
from approvals.policy_versions import PolicyVersion  # noqa: E402, F401
from approvals.tokens import ApiToken  # noqa: E402, F401
