"""The tables of the promise store. Rows are written by `promises/store/` alone (its SQL is in `promises/sql/`);
everything here is for reading: querysets, admin, migrations. Times are ms since the epoch."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from promises.limits import Limits
from promises.states import PromiseState, TaskState
from promises.times import NEVER
from promises.values import display


class PromiseQuerySet(models.QuerySet["Promise"]):
    def pending(self) -> "PromiseQuerySet":
        return self.filter(state=PromiseState.PENDING)

    def roots(self) -> "PromiseQuerySet":
        return self.filter(is_root=True)


class Promise(models.Model):
    """A durable promise. The primary key sorts bytewise, so an execution's call graph is one range of it."""

    id = models.TextField(primary_key=True, db_collation="C")
    state = models.TextField(choices=[(s.value, s.value) for s in PromiseState], default=PromiseState.PENDING)
    param_headers = models.JSONField(null=True, blank=True)
    param_data = models.TextField(null=True, blank=True)
    value_headers = models.JSONField(null=True, blank=True)
    value_data = models.TextField(null=True, blank=True)
    tags = models.JSONField(default=dict, blank=True)
    timeout_at = models.BigIntegerField()
    created_at = models.BigIntegerField()
    settled_at = models.BigIntegerField(null=True, blank=True)
    is_root = models.BooleanField(default=False)

    objects = PromiseQuerySet.as_manager()

    class Meta:
        verbose_name = _("promise")
        verbose_name_plural = _("promises")
        indexes = [
            # The clock's question: which pending promise is due next?
            models.Index(
                fields=["timeout_at"],
                condition=Q(state=PromiseState.PENDING, timeout_at__lt=NEVER),
                name="promises_promise_due",
            ),
            # The list of executions, newest first.
            models.Index(fields=["-created_at", "-id"], condition=Q(is_root=True), name="promises_promise_roots"),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def param(self) -> Any:
        """The param as people read it (decoded JSON where it is JSON)."""
        return display(self.param_data)

    @property
    def value(self) -> Any:
        """The value as people read it (decoded JSON where it is JSON)."""
        return display(self.value_data)


class Task(models.Model):
    """The right to execute a promise's function, and by that the queue: a pending task is an `execute` message that
    is due again at `due_at`; an acquired one is a lease that lapses then. `version` fences every write of a
    worker."""

    id = models.TextField(primary_key=True, db_collation="C")
    state = models.TextField(choices=[(s.value, s.value) for s in TaskState], default=TaskState.PENDING)
    version = models.IntegerField(default=0)
    resumes = models.IntegerField(default=0)
    pid = models.TextField(null=True, blank=True)
    ttl = models.BigIntegerField(null=True, blank=True)
    due_at = models.BigIntegerField(null=True, blank=True)
    target = models.TextField()
    dispatches = models.IntegerField(default=0)
    # Leases that lapsed in a row without anything new recorded, and how much was recorded at the last one.
    crashes = models.IntegerField(default=0)
    progress = models.IntegerField(default=0)
    halt_reason = models.TextField(default="", blank=True)
    # Whose line of the queue it stands in: the function, and whether it has been executed before; `rank` is its place,
    # NULL while it is not ready (see `promises/sql/06_wake.sql`). `ready_at`: since when it was, before its last lease.
    func = models.TextField(default="")
    is_started = models.BooleanField(default=False)
    priority = models.SmallIntegerField(default=0)
    rank = models.BigIntegerField(null=True, blank=True)
    ready_at = models.BigIntegerField(null=True, blank=True)

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="promises_task_due"),
            # What a worker asks: who is first in this queue? And where there are limits: who is, in each of its lines?
            models.Index(fields=["target", "rank"], condition=Q(rank__isnull=False), name="promises_task_first"),
            models.Index(
                fields=["target", "func", "is_started", "rank"],
                condition=Q(rank__isnull=False),
                name="promises_task_ready",
            ),
            # What a limit asks: how many are being executed?
            models.Index(fields=["func", "target"], condition=Q(state=TaskState.ACQUIRED), name="promises_task_held"),
            models.Index(fields=["id"], condition=Q(state=TaskState.HALTED), name="promises_task_halted"),
            # What the metrics ask: how many are suspended?
            models.Index(fields=["target"], condition=Q(state=TaskState.SUSPENDED), name="promises_task_suspended"),
        ]

    def __str__(self) -> str:
        return self.id


class Limit(models.Model):
    """How much of one queue (`queue:NAME`) or workflow (`workflow:NAME`) may be executed: at most `concurrency` at a
    time, at most `rate` started in any `period_ms`. NULL: no limit. Claims keep the bucket of `tokens`."""

    key = models.TextField(primary_key=True)
    concurrency = models.IntegerField(null=True, blank=True)
    rate = models.IntegerField(null=True, blank=True)
    period_ms = models.BigIntegerField(null=True, blank=True)
    tokens = models.FloatField(null=True, blank=True, editable=False)
    refilled_at = models.BigIntegerField(default=0, editable=False)
    # Set by an operator: what the code declares does not replace it.
    is_overridden = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("limit")
        verbose_name_plural = _("limits")

    def __str__(self) -> str:
        return self.key

    @property
    def limits(self) -> Limits:
        """What it says."""
        return Limits(self.concurrency, self.rate, self.period_ms)


class Callback(models.Model):
    """The awaiter's task wakes when the awaited promise settles; the row is gone then."""

    awaited = models.TextField(db_collation="C")
    awaiter = models.TextField(db_collation="C")

    class Meta:
        verbose_name = _("callback")
        verbose_name_plural = _("callbacks")
        constraints = [models.UniqueConstraint(fields=["awaited", "awaiter"], name="promises_callback_once")]
        indexes = [models.Index(fields=["awaiter"], name="promises_callback_awaiter")]

    def __str__(self) -> str:
        return f"{self.awaiter} waits for {self.awaited}"


class Listener(models.Model):
    """Somebody outside is told at `address` when the awaited promise settles; the row is gone then."""

    awaited = models.TextField(db_collation="C")
    address = models.TextField()

    class Meta:
        verbose_name = _("listener")
        verbose_name_plural = _("listeners")
        constraints = [models.UniqueConstraint(fields=["awaited", "address"], name="promises_listener_once")]

    def __str__(self) -> str:
        return f"{self.address} listens to {self.awaited}"


class Schedule(models.Model):
    """A promise is created at every occurrence of `cron` in `time_zone`; ids come from the template `promise_id`."""

    id = models.TextField(primary_key=True, db_collation="C")
    cron = models.TextField()
    time_zone = models.TextField(default="UTC")
    promise_id = models.TextField()
    promise_timeout = models.BigIntegerField()
    promise_param_headers = models.JSONField(null=True, blank=True)
    promise_param_data = models.TextField(null=True, blank=True)
    promise_tags = models.JSONField(default=dict, blank=True)
    created_at = models.BigIntegerField()
    next_run_at = models.BigIntegerField()
    last_run_at = models.BigIntegerField(null=True, blank=True)
    # While it is paused it does not fire, and what it misses is not made up for.
    paused_at = models.BigIntegerField(null=True, blank=True)
    pause_reason = models.TextField(default="", blank=True)
    # Written in the code: the clock's start makes the row what the code says, and deletes it with the code.
    is_declared = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        indexes = [
            models.Index(fields=["next_run_at"], condition=Q(paused_at__isnull=True), name="promises_schedule_due")
        ]

    def __str__(self) -> str:
        return self.id


class OutgoingMessage(models.Model):
    """An `unblock` message on its way to a listener: written in the settling commit, deleted after delivery."""

    promise_id = models.TextField(db_collation="C")
    address = models.TextField()
    created_at = models.BigIntegerField()
    due_at = models.BigIntegerField()
    attempts = models.IntegerField(default=0)
    last_error = models.TextField(default="", blank=True)

    class Meta:
        verbose_name = _("outgoing message")
        verbose_name_plural = _("outgoing messages")
        constraints = [models.UniqueConstraint(fields=["promise_id", "address"], name="promises_outgoing_once")]
        indexes = [models.Index(fields=["due_at"], name="promises_outgoing_due")]

    def __str__(self) -> str:
        return f"unblock {self.promise_id} at {self.address}"


class Process(models.Model):
    """A process of the product that was alive at `seen_at`: a worker, the clock, a web server."""

    id = models.TextField(primary_key=True)
    kind = models.TextField()
    host = models.TextField()
    started_at = models.BigIntegerField()
    seen_at = models.BigIntegerField()

    class Meta:
        verbose_name = _("process")
        verbose_name_plural = _("processes")
        indexes = [models.Index(fields=["kind", "-seen_at"], name="promises_process_live")]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
