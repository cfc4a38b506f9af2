"""Executions, for those who started them, who are asked in them, or who look after all of them: the list, and one run
with its call graph."""

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from approvals import queries, wording
from approvals.drawings import ZOOMS, drawing_of, timeline_of
from approvals.graphs import Node, error_words, levels_mark, nodes_of
from approvals.models import ApprovalRequest, RequestState
from promises import callback_urls
from promises.api.pagination import before
from promises.api.search import record_of, state_is
from promises.errors import Conflict
from promises.queries import executions as all_executions
from promises.queries import halted_executions, halted_in, promise_graph, tasks_of
from promises.records import PromiseRecord
from promises.states import PromiseState
from promises.times import now_ms
from workflows.errors import InvalidId, ReasonMissing
from workflows.executions import Handle
from workflows.halts import advice_for, execution_continue, halt_words
from workflows.registry import registry
from workflows.strands import check_id

PAGE = 50
NODES_PAGE = 500
MAY_CHANGE, MAY_OPERATE = "promises.change_promise", "promises.change_task"
LIST = "list"
VIEWS = {LIST: gettext_lazy("List"), "graph": gettext_lazy("Graph"), "timeline": gettext_lazy("Timeline")}
WAITING, HALTED = "waiting", "halted"
FILTER_STATES = [PromiseState.PENDING.value, WAITING, HALTED, *(s.value for s in PromiseState if s != "pending")]


# -- the list --------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """A row of the list."""

    promise: PromiseRecord
    halted: str
    waits_for: str
    now: int

    @property
    def state(self) -> str:
        if not self.promise.is_pending:
            return str(self.promise.state)
        if self.halted:
            return HALTED
        return WAITING if self.waits_for else "running"

    @property
    def requester(self) -> str:
        return requester_of(self.promise)

    @property
    def schedule(self) -> str:
        return self.promise.tags.get("resonate:schedule", "")

    @property
    def error(self) -> str:
        return self.halted or error_words(self.promise)

    @property
    def took(self) -> int:
        return (self.promise.settled_at or self.now) - self.promise.created_at


@login_required
@require_GET
def runs(request: HttpRequest) -> HttpResponse:
    """The executions that the reader may see, newest first."""
    now = now_ms()
    chosen = {name: request.GET.get(name, "").replace("\0", "").strip() for name in ("state", "workflow", "id")}
    visible = queries.executions_visible_to(request.user, all_executions())
    found = visible.filter(_condition(chosen, now), _after(request.GET.get("before", "")))
    rows = [record_of(row, now) for row in found[: PAGE + 1]]
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    context = {
        "now": now,
        "runs": runs_of(rows[:PAGE], now),
        "chosen": chosen,
        "is_filtered": any(chosen.values()),
        "halted": visible.filter(_is_halted(now)).count(),
        "states": FILTER_STATES,
        "workflows": registry.names(),
        "is_later_page": "before" in request.GET,
        "next": _query(chosen, before=f"{last.created_at}.{last.id}") if last else "",
        "first": _query(chosen),
    }
    return render(request, "approvals/runs.html", context)


def runs_of(rows: list[PromiseRecord], now: int) -> list[Run]:
    """The rows with what they wait for: three queries for any number of them."""
    pending = [row.id for row in rows if row.is_pending]
    halted = halted_in(pending) if pending else {}
    asked = queries.waiting_in(pending) if pending else {}
    progress = queries.waits_for([found for listed in asked.values() for found in listed]) if asked else {}
    return [
        Run(
            row,
            halt_words(row.id, halted.get(row.id, ())),
            ", ".join(dict.fromkeys(_waits_for(progress[found.pk]) for found in asked.get(row.id, ()))),
            now,
        )
        for row in rows
    ]


def _condition(chosen: dict[str, str], now: int) -> Q:
    condition = Q()
    if chosen["workflow"]:
        condition &= Q(tags__contains={"countersign:func": chosen["workflow"]})
    if chosen["id"]:
        condition &= Q(pk__startswith=chosen["id"].replace("\x00", ""))
    state = chosen["state"]
    if state == WAITING:
        asked = ApprovalRequest.objects.filter(state=RequestState.PENDING).values("execution_id")
        condition &= state_is(PromiseState.PENDING, now) & Q(pk__in=asked)
    elif state == HALTED:
        condition &= _is_halted(now)
    elif state in FILTER_STATES:
        condition &= state_is(state, now)
    return condition


def _is_halted(now: int) -> Q:
    return state_is(PromiseState.PENDING, now) & Q(pk__in=halted_executions())


def _after(cursor: str) -> Q:
    """The rows after the key "created_at.id" of the last row before."""
    at, _dot, id = cursor.partition(".")
    if not cursor:
        return Q()
    if not at.isascii() or not at.isdigit() or len(at) > 15 or "\x00" in id:
        raise Http404(_("There is no such page; start from the newest runs."))
    return before(int(at), id)


def _query(chosen: dict[str, str], **more: str) -> str:
    return "?" + urlencode({name: value for name, value in {**chosen, **more}.items() if value})


# -- one run ---------------------------------------------------------------------------------------------------------


@login_required
@require_GET
def run(request: HttpRequest, id: str) -> HttpResponse:
    """One execution. `?part=live` answers only what changes, or 204 when that is what the page shows already."""
    now = now_ms()
    graph = graph_or_404(request, id, now)
    context = run_context(request, graph, now)
    if request.GET.get("part") == "live":
        if request.GET.get("seen") == context["seen"]:
            return HttpResponse(status=204)
        return render(request, "approvals/runs_one.html#live", context)
    return render(request, "approvals/runs_one.html", context)


@login_required
@require_POST
def cancel(request: HttpRequest, id: str) -> HttpResponse:
    """Cancel the execution and all of it that is still pending."""
    root = graph_or_404(request, id, now_ms())[0]
    if not can_change(request.user, root):
        messages.error(request, _("Only whoever started a run may cancel it, or an account that looks after all."))
    elif Handle[Any](id).cancel().state == PromiseState.REJECTED_CANCELED:
        messages.success(request, _("The run is canceled."))
    else:
        messages.warning(request, _("The run was over already; it stays as it is."))
    return redirect("approvals:run", id)


@login_required
@require_POST
def continue_halted(request: HttpRequest, id: str) -> HttpResponse:
    """Let the halted parts of the execution go on; the form gives the reason."""
    graph_or_404(request, id, now_ms())
    if not request.user.has_perm(MAY_OPERATE):
        messages.error(request, _("Only an account that may change tasks may continue a halted run."))
        return redirect("approvals:run", id)
    try:
        execution_continue(id, request.POST.get("reason", "").replace("\0", "")[:1000], by=request.user)
    except ReasonMissing:
        messages.error(request, _("Say what was mended, so that others know why the run goes on."))
    except Conflict:
        messages.warning(request, _("Nothing of the run is halted any more."))
    else:
        messages.success(request, _("The run goes on."))
    return redirect("approvals:run", id)


def graph_or_404(request: HttpRequest, id: str, now: int) -> list[PromiseRecord]:
    """The call graph of an execution that the reader may see."""
    try:
        graph = promise_graph(check_id(id), now=now)
    except InvalidId:
        graph = []
    is_execution = bool(graph) and "resonate:target" in graph[0].tags
    if not is_execution or not queries.can_see_execution(request.user, id, requester_of(graph[0])):
        raise Http404(_("There is no run of this id that you may see."))
    return graph


def run_context(request: HttpRequest, graph: list[PromiseRecord], now: int) -> dict[str, Any]:
    root = graph[0]
    asked = list(ApprovalRequest.objects.filter(execution_id=root.id))
    tasks = tasks_of([promise.id for promise in graph if promise.is_pending and "resonate:target" in promise.tags])
    nodes = nodes_of(graph, tasks, asked, now=now)
    people_mark(request.user, nodes)
    if can_change(request.user, root):
        addresses_mark(nodes, now)
    halted = [node for node in nodes if node.is_halted]
    page, pages = _page(request, len(nodes))
    part = nodes[page * NODES_PAGE - NODES_PAGE : page * NODES_PAGE]
    levels_mark(part)
    return {
        **drawing_context(request, part, nodes),
        "now": now,
        "root": nodes[0],
        "arguments": arguments_of(nodes[0].param),
        "requester": requester_of(root),
        "schedule": root.tags.get("resonate:schedule", ""),
        "version": root.tags.get("countersign:version", ""),
        "nodes": part,
        "total": len(nodes),
        "done": sum(not node.promise.is_pending for node in nodes[1:]),
        "page": page,
        "pages": pages,
        "waiting": [node for node in nodes if node.is_waiting],
        "halted": halted,
        "advice": advice_for(halted[0].task.halt_reason) if halted and halted[0].task else "",
        "can_continue": bool(halted) and request.user.has_perm(MAY_OPERATE),
        "can_cancel": root.is_pending and can_change(request.user, root),
        "seen": fingerprint(nodes, now),
    }


def drawing_context(request: HttpRequest, part: list[Node], nodes: list[Node]) -> dict[str, Any]:
    """How the call graph is shown (?view=, ?zoom=), and the promise that is looked into (?node=)."""
    view = request.GET.get("view", "")
    zoom = request.GET.get("zoom", "")
    chosen = request.GET.get("node", "")
    return {
        "views": VIEWS,
        "view": view if view in VIEWS else LIST,
        "zooms": ZOOMS,
        "zoom": int(zoom) if zoom in map(str, ZOOMS) else 100,
        "selected": next((node for node in nodes if chosen and node.id == chosen), None),
        "drawing": drawing_of(part) if view == "graph" else None,
        "timeline": timeline_of(part, nodes[0]) if view == "timeline" else None,
    }


def people_mark(user: Any, nodes: list[Node]) -> None:
    """Say whom the approvals wait for, and which of them the reader may open: at most three queries."""
    asked = [node for node in nodes if node.request is not None]
    if not asked:
        return
    requests = [node.request for node in asked if node.request is not None]
    open_ids = set(
        queries.visible_to(user).filter(pk__in=[found.pk for found in requests]).values_list("pk", flat=True)
    )
    progress = queries.waits_for([found for found in requests if found.is_pending])
    for node, found in zip(asked, requests, strict=True):
        node.can_open = found.pk in open_ids
        node.waits_for = _waits_for(progress.get(found.pk, []))


def addresses_mark(nodes: list[Node], now: int) -> None:
    """The callback addresses of what waits for somebody outside."""
    for node in nodes:
        if node.promise.is_pending and node.kind == "promise" and callback_urls.is_latent(node.promise):
            node.callback_url = callback_urls.callback_url(node.id, node.promise.timeout_at, now=now)


def fingerprint(nodes: list[Node], now: int) -> str:
    """Changes with what the page shows, and every minute for the sake of the times."""
    told = [(node.id, node.state, node.waits_for) for node in nodes]
    return hashlib.sha256(repr((told, now // 60_000)).encode()).hexdigest()[:16]


def can_change(user: Any, root: PromiseRecord) -> bool:
    """Whoever started it, and those who may settle any promise."""
    return bool(requester_of(root) == user.get_username() or user.has_perm(MAY_CHANGE))


def arguments_of(call: Any) -> dict[str, Any]:
    """What the workflow was started with, by name; positional ones are numbered."""
    if not isinstance(call, dict):
        return {} if call is None else {_("param"): call}
    args, kwargs = call.get("args"), call.get("kwargs")
    found = {str(number): value for number, value in enumerate(args if isinstance(args, list) else [], 1)}
    return found | (kwargs if isinstance(kwargs, dict) else {})


def requester_of(root: PromiseRecord) -> str:
    return root.tags.get("countersign:requester", "")


def _waits_for(progress: list[Any]) -> str:
    return ", ".join(wording.of_progress(found) for found in progress if not found.is_met)


def _page(request: HttpRequest, total: int) -> tuple[int, int]:
    """The number of the page of the call graph that is asked for, and how many there are."""
    pages = max(1, -(-total // NODES_PAGE))
    asked = request.GET.get("page", "1")
    return (min(max(int(asked), 1), pages) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1), pages
