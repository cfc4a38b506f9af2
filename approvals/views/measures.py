"""How deciding goes and how the engine does, for those who may see every request; tables also as CSV."""

import csv
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from approvals.measures import DAY_MS, Day, Measures, cases_of, measures_of
from approvals.queries import MAY_SEE_REQUESTS
from promises.queries import halted_executions, processes_alive, queue_loads
from promises.times import now_ms

SPANS = {7: _("7 days"), 30: _("30 days"), 90: _("90 days")}
TABLES = ("policies", "groups", "people", "days")
CHART_WIDTH, CHART_HEIGHT = 720, 120


@dataclass(frozen=True)
class Bars:
    """The two bars of a day in the chart, in pixels: what was asked, and in front of it what was decided."""

    day: Day
    x: float
    width: float
    asked: float
    decided: float

    @property
    def asked_y(self) -> float:
        return CHART_HEIGHT - self.asked

    @property
    def decided_y(self) -> float:
        return CHART_HEIGHT - self.decided


@login_required
@permission_required(MAY_SEE_REQUESTS, raise_exception=True)
@require_GET
def measures(request: HttpRequest) -> HttpResponse:
    """?days= is how far back; ?table= and ?format=csv give one table as CSV."""
    now = now_ms()
    asked = request.GET.get("days", "")
    days = int(asked) if asked in map(str, SPANS) else 30
    since = now - days * DAY_MS
    cases, is_cut = cases_of(since)
    found = measures_of(cases, since=since, now=now, is_cut=is_cut)
    table = request.GET.get("table", "")
    if request.GET.get("format") == "csv" and table in TABLES:
        return as_csv(found, table)
    context = {
        "now": now,
        "days": days,
        "spans": SPANS,
        "measures": found,
        "bars": bars_of(found.days),
        "chart": (CHART_WIDTH, CHART_HEIGHT),
        "busiest": max((max(day.asked, day.decided) for day in found.days), default=0),
        "queues": queue_loads(now),
        "alive": processes_alive(now),
        "halted": halted_executions().count(),
    }
    return render(request, "approvals/measures.html", context)


def bars_of(days: list[Day]) -> list[Bars]:
    """The chart: the highest bar is as high as the chart."""
    scale = CHART_HEIGHT / max(1, *(max(day.asked, day.decided) for day in days)) if days else 1
    step = CHART_WIDTH / max(len(days), 1)
    found = []
    for number, day in enumerate(days):
        asked, decided = round(day.asked * scale, 1), round(day.decided * scale, 1)
        found.append(Bars(day, round(number * step, 1), round(step * 0.8, 1), asked, decided))
    return found


def as_csv(found: Measures, table: str) -> HttpResponse:
    """One table; durations in ms, shares as fractions, moments in ms since the epoch."""
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="countersign-{table}.csv"'
    rows: list[dict[str, Any]] = [asdict(row) for row in getattr(found, table)]
    if rows:
        writer = csv.DictWriter(answer, list(rows[0]))
        writer.writeheader()
        writer.writerows({name: harmless(value) for name, value in row.items()} for row in rows)
    return answer


def harmless(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is marked as text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
