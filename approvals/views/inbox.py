"""The lists of requests: what waits for the reader and for his teams, what waits on others, what is done."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from approvals import queries, wording
from approvals.models import ApprovalRequest
from approvals.outcomes import Outcome
from approvals.verdicts import Progress
from promises.times import now_ms, to_datetime, to_ms

PAGE = 30
COUNT_LIMIT = 99
FACTS_SHOWN = 3
SOON_MS = 3_600_000
MINE, QUEUE, WAITING, DONE = "mine", "queue", "waiting", "done"
LISTS = {MINE: _("For you"), QUEUE: _("Team queue"), WAITING: _("Waiting on others"), DONE: _("Done")}


@dataclass(frozen=True)
class Row:
    """One line of a list: what, how much, for whom, who asks, why the reader, until when and what happens then.
    `reader` is his name; `reasons` are the principals as which he can decide, [] when he cannot."""

    approval: ApprovalRequest
    progress: list[Progress]
    now: int
    reader: str
    reasons: list[str]

    @property
    def why(self) -> str:
        """Why the reader is asked; '' when he is not."""
        return wording.of_reason(self.reasons, self.reader)

    @property
    def claimant(self) -> str:
        return self.approval.claimant(self.now) if self.approval.is_pending else ""

    @property
    def is_mine(self) -> bool:
        """Whether the reader keeps it for himself."""
        return self.claimant == self.reader

    @property
    def facts(self) -> list[dict[str, str]]:
        """The first facts of the card: the number that matters, then labelled values."""
        found: list[dict[str, str]] = []
        for block in self.approval.blocks:
            if block["type"] == "metric":
                found.append({"label": block["label"], "value": f"{block['value']} {block['unit']}".strip()})
            elif block["type"] == "facts":
                found.extend(block["items"])
        return found[:FACTS_SHOWN]

    @property
    def is_soon(self) -> bool:
        """Whether the deadline is near."""
        deadline = self.approval.deadline_at
        return deadline is not None and deadline - self.now < SOON_MS

    @property
    def timeout_label(self) -> str:
        found = self.approval.outcome_named(self.approval.timeout_outcome)
        return found.label if found else ""

    @property
    def quick(self) -> Outcome | None:
        """The outcome that can be given from the list: an approval without a comment or a form, where little is
        at risk."""
        if self.approval.risk != "low" or not self.approval.is_pending:
            return None
        card = self.approval.card
        plain = [outcome for outcome in card.offered if not outcome.needs_comment and card.form_for(outcome) is None]
        return next((outcome for outcome in plain if outcome.kind == "approve"), None)

    @property
    def no(self) -> Outcome | None:
        """The outcome that says no, which is asked for a reason on the request's own page."""
        return next((o for o in self.approval.thawed_outcomes if o.kind == "reject"), None)


@login_required
@require_GET
def inbox(request: HttpRequest) -> HttpResponse:
    """The lists; with `part=news` only how many requests have come since the page was shown."""
    now = now_ms()
    if request.GET.get("part") == "news":
        return news(request, now)
    return render(request, "approvals/inbox.html", inbox_context(request, now))


def inbox_context(request: HttpRequest, now: int) -> dict[str, Any]:
    """What the page and its parts show."""
    chosen = request.GET.get("list", MINE)
    chosen = chosen if chosen in LISTS else MINE
    rows = {
        MINE: queries.inbox_rows(request.user, now),
        QUEUE: queries.queue_rows(request.user, now),
        WAITING: queries.waiting_rows(request.user),
    }
    page = page_of(request)
    start, stop = (page - 1) * PAGE, page * PAGE + 1
    if chosen == DONE:
        found = queries.page_of_requests(queries.archive_rows(request.user), start, stop, queries.CLOSED_LAST_FIRST)
    else:
        found = queries.page_of_requests(rows[chosen], start, stop)
    shown = found[:PAGE]
    waits = queries.waits_for(shown)
    reasons = queries.reasons(rows[MINE], shown) if chosen in (MINE, QUEUE) else {}
    reader = request.user.get_username()
    counts = {name: queries.count_of_requests(rows[name], COUNT_LIMIT + 1) for name in rows}
    return {
        "now": now,
        "chosen": chosen,
        "tabs": [{"name": name, "label": label, "count": counts.get(name)} for name, label in LISTS.items()],
        "rows": [Row(item, waits[item.pk], now, reader, reasons.get(item.pk, [])) for item in shown],
        "here": urlencode({"list": chosen, "page": page}),
        "inbox_count": counts[MINE],
        "waiting_count": counts[WAITING],
        "today": decided_today(request.user, now) if chosen == MINE and not found else [],
        "previous_page": page - 1,
        "next_page": page + 1 if len(found) > PAGE else None,
    }


def news(request: HttpRequest, now: int) -> HttpResponse:
    """The bar that says how many requests are new. Nothing in the list moves until the reader asks for them."""
    since = request.GET.get("since", "")
    shown_at = int(since) if since.isascii() and since.isdigit() and len(since) < 16 else now
    rows = queries.inbox_rows(request.user, now).filter(opened_at__gt=shown_at)
    fresh = queries.count_of_requests(rows, COUNT_LIMIT + 1)
    return render(request, "approvals/inbox.html#news", {"fresh": fresh, "shown_at": shown_at})


def decided_today(user: Any, now: int) -> list[ApprovalRequest]:
    """What the reader has answered, or was answered, since midnight; at most five."""
    moment = localtime(to_datetime(now))
    midnight = to_ms(moment.replace(hour=0, minute=0, second=0, microsecond=0))
    rows = queries.archive_rows(user).filter(closed_at__gte=midnight)
    return queries.page_of_requests(rows, 0, 5, queries.CLOSED_LAST_FIRST)


def page_of(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 5 else 1
