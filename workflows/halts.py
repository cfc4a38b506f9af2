"""Executions that stopped for a reason: what to do about it, and how they go on once it is mended."""

import logging
from collections.abc import Iterable
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from promises import store
from promises.errors import PromiseNotFound
from promises.models import Task
from promises.records import TaskRecord
from promises.times import now_ms
from workflows.errors import ExecutionNotFound, FunctionNotFound, NonDeterminism, NonDurableAwait, ReasonMissing

log = logging.getLogger(__name__)

_ADVICE = {
    NonDeterminism.__name__: gettext_lazy(
        "The function asks for other things than it did. Deploy it as it was, with the change as a new version; "
        "then continue."
    ),
    FunctionNotFound.__name__: gettext_lazy(
        "No worker has this version of the function. Deploy it, or a function that replaces it; then continue."
    ),
    NonDurableAwait.__name__: gettext_lazy(
        "Mend the function so that it waits by its context only, deploy it, then continue."
    ),
}
_ADVICE_OTHERWISE = gettext_lazy("Mend what caused it, then continue: it goes on from what is recorded.")


def advice_for(halt_reason: str) -> str:
    """What to do about a task that is halted for this reason."""
    return str(_ADVICE.get(halt_reason.partition(":")[0], _ADVICE_OTHERWISE))


def halt_words(execution_id: str, halted: Iterable[TaskRecord]) -> str:
    """Why these tasks of an execution are halted, a line each; a call that it made is named. "" without any."""
    lines = []
    for task in halted:
        reason = task.halt_reason or _("No reason was recorded.")
        lines.append(reason if task.id == execution_id else f"{task.id}: {reason}")
    return "\n".join(lines)


def execution_continue(execution_id: str, reason: str, *, by: Any = None) -> list[str]:
    """Let every halted part of an execution go on; returns the ids of their tasks.

    `reason` says what was mended. It is logged with the user (`by`; None for somebody at a terminal), and kept in the
    admin's history of each task. Errors: ReasonMissing, ExecutionNotFound, Conflict (nothing is halted).
    """
    reason = reason.strip()
    if not reason:
        raise ReasonMissing
    try:
        with transaction.atomic():
            ids = store.graph_continue(execution_id, now=now_ms())
            if by is not None:
                tasks = Task.objects.filter(pk__in=ids)
                LogEntry.objects.log_actions(by.pk, tasks, CHANGE, _("continued: %(reason)s") % {"reason": reason})
    except PromiseNotFound:
        raise ExecutionNotFound(_("There is no execution “%(id)s”.") % {"id": execution_id}) from None
    log.info("%s continued %s: %s", by.get_username() if by else "somebody at a terminal", ", ".join(ids), reason)
    return ids
