"""The list of runs and the page of one: who sees which, what they say, and at what cost."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from approvals.graphs import levels_mark, nodes_of
from approvals.models import ApprovalRequest
from approvals.views import runs
from promises import store
from promises.records import NewSchedule, PromiseRecord
from promises.times import NEVER, now_ms
from promises.values import EMPTY, Value

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def run_create(id: str, *, by: str = "ana", func: str = "pay", kwargs: Any = None, now: int | None = None) -> str:
    """An execution as the pages find it: a root promise with its task."""
    tags = {
        "resonate:target": "celery://default",
        "resonate:origin": id,
        "resonate:parent": id,
        "countersign:func": func,
        "countersign:version": "3",
        "countersign:requester": by,
    }
    param = Value.of({"func": func, "args": [], "kwargs": kwargs or {}, "version": 3})
    store.promise_create(id, timeout_at=NEVER, now=now or now_ms(), param=param, tags=tags)
    return id


def step_create(id: str, func: str = "count", *, parent: str = "", value: Any = None, **tags: str) -> str:
    root = id.partition(":")[0]
    common = {"resonate:origin": root, "resonate:parent": parent or root, "countersign:func": func}
    store.promise_create(
        id, timeout_at=NEVER, now=now_ms(), tags={**common, "resonate:scope": "local", **tags}, param=EMPTY
    )
    if value is not None:
        store.promise_settle(id, "resolved", Value.of(value), now=now_ms())
    return id


def latent_create(id: str) -> str:
    root = id.partition(":")[0]
    tags = {"resonate:origin": root, "resonate:parent": root, "resonate:scope": "global", "resonate:external": "true"}
    store.promise_create(id, timeout_at=NEVER, now=now_ms(), tags=tags)
    return id


def listed(client: Client, query: str = "") -> list[str]:
    page = client.get(f"/runs/{query}")
    assert page.status_code == 200
    return [run.promise.id for run in page.context["runs"]]


def text_of(page: Any) -> str:
    """What a page says, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.content.decode())).split())


def queries_of(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as counted:
        assert client.get(path).status_code == 200
    return len(counted)


def is_balanced(page: Any) -> bool:
    html = page.content.decode()
    return all(
        html.count(f"<{tag}>") + html.count(f"<{tag} ") == html.count(f"</{tag}>") for tag in ("ul", "li", "div")
    )


# -- the list --------------------------------------------------------------------------------------------------------


def test_the_list_wants_a_sign_in(client: Client) -> None:
    assert client.get("/runs/").headers["Location"] == "/accounts/login/?next=/runs/"


def test_one_sees_what_one_started_and_where_one_is_asked(people: People, ask: Ask) -> None:
    run_create("by-ana")
    run_create("by-dave", by="dave")
    ask(id="asks-finance:1", requester="dave")
    assert listed(signed_in(people["ana"])) == ["by-ana"]
    assert listed(signed_in(people["bob"])) == ["asks-finance"]
    assert sorted(listed(signed_in(people["dave"]))) == ["asks-finance", "by-dave"]
    assert listed(signed_in(people["erin"])) == []


def test_who_may_view_promises_sees_all(people: People) -> None:
    run_create("by-ana")
    people["erin"].user_permissions.add(Permission.objects.get(codename="view_promise"))
    assert listed(signed_in(people["erin"])) == ["by-ana"]
    assert listed(signed_in(people["admin"])) == ["by-ana"]


def test_filters(people: People, ask: Ask) -> None:
    run_create("a-running")
    run_create("a-done", func="ship")
    store.promise_settle("a-done", "resolved", Value.of(1), now=now_ms())
    run_create("b-halted")
    store.task_halt("b-halted", now=now_ms(), reason="the code has changed")
    ask(id="b-waits:1")
    ana = signed_in(people["ana"])
    assert set(listed(ana, "?state=pending")) == {"a-running", "b-halted", "b-waits"}
    assert listed(ana, "?state=waiting") == ["b-waits"]
    assert listed(ana, "?state=halted") == ["b-halted"]
    assert listed(ana, "?state=resolved") == ["a-done"]
    assert listed(ana, "?workflow=ship") == ["a-done"]
    assert set(listed(ana, "?id=b-")) == {"b-halted", "b-waits"}
    assert listed(ana, "?id=b-&state=resolved") == []
    assert len(listed(ana, "?state=nonsense&id=%00")) == 4


@pytest.mark.parametrize("name", ["state", "workflow", "id", "before"])
def test_a_filter_with_a_nul_character_is_no_fault(people: People, name: str) -> None:
    assert signed_in(people["ana"]).get("/runs/", {name: "a\0b"}).status_code in (200, 404)


def test_a_row_says_whom_it_waits_for_and_why_it_halted(people: People, ask: Ask) -> None:
    ask(id="b-waits:1", to="group:sre")
    run_create("b-halted")
    store.task_halt("b-halted", now=now_ms(), reason="the code has changed")
    said = text_of(signed_in(people["ana"]).get("/runs/"))
    assert "waits for sre" in said
    assert "halted" in said
    assert "the code has changed" in said


def test_every_run_is_on_one_page_once(people: People) -> None:
    now = now_ms()
    made = [run_create(f"r-{n}", now=now + n // 3) for n in range(runs.PAGE + 7)]
    ana = signed_in(people["ana"])
    first = ana.get("/runs/")
    second = ana.get("/runs/" + first.context["next"])
    ids = [run.promise.id for page in (first, second) for run in page.context["runs"]]
    assert sorted(ids) == sorted(made)
    assert second.context["next"] == ""


@pytest.mark.parametrize("cursor", ["x", ".", "1e3.a", "9" * 30 + ".a", "٣.a", "1.%00"])
def test_a_page_that_nobody_made_is_not_found(people: People, cursor: str) -> None:
    assert signed_in(people["ana"]).get(f"/runs/?before={cursor}").status_code == 404


def test_the_list_costs_the_same_for_three_and_for_thirty(people: People, ask: Ask) -> None:
    ana = signed_in(people["ana"])
    for n in range(3):
        ask(id=f"q-{n}:1")
    few = queries_of(ana, "/runs/")
    for n in range(3, 30):
        ask(id=f"q-{n}:1")
    assert queries_of(ana, "/runs/") == few <= 13


def test_an_empty_list_says_what_to_do(people: People) -> None:
    client = signed_in(people["erin"])
    assert "Start a workflow" in text_of(client.get("/runs/"))
    assert "No run is like that" in text_of(client.get("/runs/?state=resolved"))


# -- one run ---------------------------------------------------------------------------------------------------------


def test_a_run_shows_its_call_graph_as_a_tree(people: People) -> None:
    run_create("r", kwargs={"csv": "a,b"})
    step_create("r:1", "load", value={"lines": [1, 2]})
    step_create("r:2", "child", **{"resonate:target": "celery://default"})
    step_create("r:2.1", "grandchild", parent="r:2", value=1)
    for n in range(3, 12):
        step_create(f"r:{n}", value=n)
    page = signed_in(people["ana"]).get("/runs/r/")
    assert [node.short_id for node in page.context["nodes"]] == [
        "r",
        ":1",
        ":2",
        ":2.1",
        *(f":{n}" for n in range(3, 12)),
    ]
    assert [node.depth for node in page.context["nodes"]][:4] == [0, 1, 1, 2]
    assert is_balanced(page)
    said = text_of(page)
    assert "11 of 12 promises settled" in said
    assert "started by ana" in said
    assert "a,b" in said


def test_what_a_program_wrote_is_text(people: People) -> None:
    run_create("r", kwargs={"<b>": "</pre><script>alert(1)</script>"})
    step_create("r:1", "<img src=x>", value="</pre><script>alert(2)</script>")
    html = signed_in(people["ana"]).get("/runs/r/").content.decode()
    assert "<script>alert" not in html
    assert "<img src=x>" not in html
    assert "&lt;script&gt;alert(2)" in html


def test_a_long_value_is_cut_for_reading(people: People) -> None:
    run_create("r")
    step_create("r:1", value="x" * 200_000)
    page = signed_in(people["ana"]).get("/runs/r/")
    assert len(page.content) < 100_000


def test_a_pending_approval_says_whom_it_waits_for_and_leads_there(people: People, ask: Ask) -> None:
    request = ask("Pay 12.50?", id="r:1", to="group:sre")
    for name in ("ana", "dave"):
        page = signed_in(people[name]).get("/runs/r/")
        assert f'href="/approvals/{request.pk}/"' in page.content.decode()
        assert "waits for sre" in text_of(page)
        assert "Pay 12.50?" in text_of(page)


def test_a_question_that_is_not_for_the_reader_is_no_link(people: People, ask: Ask) -> None:
    run_create("r", by="erin")
    request = ask("Pay?", id="r:1", to="user:bob", requester="ana")
    page = signed_in(people["erin"]).get("/runs/r/")
    assert "waits for bob" in text_of(page)
    assert str(request.pk) not in page.content.decode()


def test_the_callback_address_is_for_who_started_it(people: People, ask: Ask) -> None:
    ask(id="r:1")
    latent_create("r:2")
    assert "/callbacks/" in signed_in(people["ana"]).get("/runs/r/").content.decode()
    assert "/callbacks/" in signed_in(people["admin"]).get("/runs/r/").content.decode()
    assert "/callbacks/" not in signed_in(people["bob"]).get("/runs/r/").content.decode()
    store.promise_settle("r:2", "resolved", EMPTY, now=now_ms())
    assert "/callbacks/" not in signed_in(people["ana"]).get("/runs/r/").content.decode()


def test_a_halted_run_says_why(people: People) -> None:
    run_create("r")
    store.task_halt("r", now=now_ms(), reason="NonDeterminism: it asked for something else")
    said = text_of(signed_in(people["ana"]).get("/runs/r/"))
    assert "Halted: somebody has to look." in said
    assert "NonDeterminism: it asked for something else" in said


@pytest.mark.parametrize(
    ("state", "value", "words"),
    [
        ("resolved", {"status": "booked"}, "Result"),
        ("rejected", {"__type": "error", "name": "ValueError", "message": "no such supplier"}, "no such supplier"),
        ("rejected_canceled", None, "canceled"),
    ],
)
def test_a_run_that_is_over_shows_how_it_ended(people: People, state: str, value: Any, words: str) -> None:
    run_create("r")
    store.promise_settle("r", state, Value.of(value), now=now_ms())
    page = signed_in(people["ana"]).get("/runs/r/")
    assert words in text_of(page)
    assert "hx-trigger" not in page.content.decode()
    assert "Cancel this run" not in text_of(page)


def test_the_live_part_is_sent_when_something_has_changed(people: People) -> None:
    run_create("r")
    ana = signed_in(people["ana"])
    page = ana.get("/runs/r/")
    seen = page.context["seen"]
    assert f"part=live&amp;seen={seen}" in page.content.decode()
    now = now_ms()
    same = ana.get(f"/runs/r/?part=live&seen={seen}")
    assert same.status_code == 204 or now // 60_000 != now_ms() // 60_000
    step_create("r:1", value=1)
    part = ana.get(f"/runs/r/?part=live&seen={seen}")
    assert part.status_code == 200
    assert part.content.lstrip().startswith(b"<div")
    assert b"<html" not in part.content


@pytest.mark.parametrize("id", ["nope", "r:1", "a b", "a%2Fb", "%25", "x" * 300])
def test_what_is_no_run_is_not_found(people: People, id: str) -> None:
    run_create("r")
    step_create("r:1", value=1)
    assert signed_in(people["admin"]).get(f"/runs/{id}/").status_code == 404


def test_a_promise_that_runs_nothing_is_no_run(people: People) -> None:
    latent_create("alone")
    assert signed_in(people["admin"]).get("/runs/alone/").status_code == 404


def test_the_run_of_somebody_else_is_not_found(people: People) -> None:
    run_create("r", by="dave")
    page = signed_in(people["ana"]).get("/runs/r/")
    assert page.status_code == 404
    assert "no run of this id that you may see" in text_of(page)


def test_a_run_costs_the_same_for_three_and_for_thirty_promises(people: People, ask: Ask) -> None:
    ana = signed_in(people["ana"])
    for n in range(3):
        ask(id=f"r:{n}")
    few = queries_of(ana, "/runs/r/")
    for n in range(3, 30):
        ask(id=f"r:{n}")
    assert queries_of(ana, "/runs/r/") == few <= 16


def test_a_large_call_graph_comes_in_pages(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "NODES_PAGE", 5)
    run_create("r")
    for n in range(1, 4):
        step_create(f"r:{n}", value=n)
        step_create(f"r:{n}.1", parent=f"r:{n}", value=n)
        step_create(f"r:{n}.1.1", parent=f"r:{n}.1", value=n)
    ana = signed_in(people["ana"])
    pages = [ana.get(f"/runs/r/?page={n}") for n in (1, 2)]
    ids = [node.short_id for page in pages for node in page.context["nodes"]]
    assert ids == ["r", ":1", ":1.1", ":1.1.1", ":2", ":2.1", ":2.1.1", ":3", ":3.1", ":3.1.1"]
    assert all(is_balanced(page) for page in pages)
    assert "page 2 of 2" in text_of(pages[1])
    assert ana.get("/runs/r/?page=x").context["page"] == 1
    assert ana.get("/runs/r/?page=99").context["page"] == 2


def test_a_run_of_a_schedule_says_so(people: People) -> None:
    tags = {"resonate:target": "celery://default", "countersign:func": "report", "countersign:requester": "ana"}
    store.schedule_create(
        NewSchedule(id="nightly", cron="* * * * *", promise_timeout=NEVER, promise_tags=tags), now=now_ms() - 120_000
    )
    store.schedules_fire(now_ms())
    ana = signed_in(people["ana"])
    (id,) = listed(ana)
    assert "schedule nightly" in text_of(ana.get("/runs/"))
    assert "Schedule nightly" in text_of(ana.get(f"/runs/{id}/"))


# -- canceling -------------------------------------------------------------------------------------------------------


def test_who_started_it_cancels_it(people: People) -> None:
    run_create("r")
    step_create("r:1")
    ana = signed_in(people["ana"])
    page = ana.post("/runs/r/cancel/", follow=True)
    assert page.redirect_chain == [("/runs/r/", 302)]
    assert "The run is canceled." in text_of(page)
    assert store.promise_get("r:1", now=now_ms()).state == "rejected_canceled"
    again = ana.post("/runs/r/cancel/", follow=True)
    assert again.status_code == 200


def test_a_run_that_is_over_stays_as_it_is(people: People) -> None:
    run_create("r")
    store.promise_settle("r", "resolved", Value.of(1), now=now_ms())
    page = signed_in(people["ana"]).post("/runs/r/cancel/", follow=True)
    assert "over already" in text_of(page)


def test_who_is_only_asked_may_not_cancel(people: People, ask: Ask) -> None:
    ask(id="r:1")
    bob = signed_in(people["bob"])
    assert "Cancel this run" not in text_of(bob.get("/runs/r/"))
    page = bob.post("/runs/r/cancel/", follow=True)
    assert "may cancel it" in text_of(page)
    assert store.promise_get("r", now=now_ms()).is_pending


def test_canceling_wants_a_form_of_this_site(people: People) -> None:
    run_create("r")
    assert signed_in(people["ana"]).get("/runs/r/cancel/").status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(people["ana"])
    assert strict.post("/runs/r/cancel/").status_code == 403
    assert store.promise_get("r", now=now_ms()).is_pending


# -- the tree --------------------------------------------------------------------------------------------------------


def record(id: str, parent: str = "", created_at: int = 0) -> PromiseRecord:
    tags = {"resonate:parent": parent} if parent else {"resonate:target": "celery://default"}
    return PromiseRecord(id, "resolved", EMPTY, EMPTY, tags, NEVER, created_at, created_at + 5)


def test_children_are_in_the_order_they_were_made_then_of_their_numbers() -> None:
    graph = [record("r"), record("r:1", "r"), record("r:10", "r"), record("r:2", "r"), record("r:own", "r", -1)]
    assert [node.short_id for node in nodes_of(graph, {}, now=9)] == ["r", ":own", ":1", ":2", ":10"]


def test_a_promise_whose_parent_is_unknown_hangs_on_the_root() -> None:
    nodes = nodes_of([record("r"), record("r:7.1", "r:7")], {}, now=9)
    assert [(node.short_id, node.depth) for node in nodes] == [("r", 0), (":7.1", 1)]


def test_a_deep_chain_is_no_trouble() -> None:
    graph = [record("r"), *(record(f"r:{n}", f"r:{n - 1}" if n else "r") for n in range(3000))]
    nodes = nodes_of(graph, {}, now=9)
    levels_mark(nodes)
    assert nodes[-1].depth == 3000
    assert sum(node.opens for node in nodes) == sum(len(node.closes) for node in nodes)


class TestDrawn:
    @pytest.fixture
    def page(self, people: People) -> Callable[[str], str]:
        """The run page of an execution with a sleep, steps and a callback."""
        run_create("drawn")
        for n in range(1, 7):
            step_create(f"drawn:{n}", "count", value=n)
        latent_create("drawn:7")
        return lambda query: unescape(signed_in(people["ana"]).get(f"/runs/drawn/{query}").content.decode())

    def test_the_graph_is_a_drawing_whose_boxes_are_links(self, page: Callable[[str], str]) -> None:
        shown = page("?view=graph")
        assert shown.count('class="graph-box') == 3  # the root, six equal steps, what waits
        assert "count × 6" in shown
        assert "Call graph with 7 promises" in shown

    def test_a_chosen_promise_is_looked_into(self, page: Callable[[str], str]) -> None:
        shown = page("?view=graph&node=drawn:7")
        assert 'id="inspector"' in shown
        assert '<details id="node-drawn:7" open>' in shown

    def test_the_zoom_changes_the_size_and_nothing_else(self, page: Callable[[str], str]) -> None:
        def size(query: str) -> tuple[str, ...]:
            return re.findall(r'viewBox="([^"]+)" width="(\d+)"', page(query))[0]

        (box, whole), (same_box, half) = size("?view=graph"), size("?view=graph&zoom=50")
        assert (same_box, int(half)) == (box, int(whole) // 2)

    def test_the_timeline_hatches_what_waits(self, page: Callable[[str], str]) -> None:
        shown = page("?view=timeline")
        assert shown.count('class="timeline-lane') == 8
        assert shown.count('fill="url(#waits)"') == 2  # the key, and the callback

    @pytest.mark.parametrize("query", ["?view=nonsense&zoom=1e9&node=missing", "?view=graph&zoom=&node="])
    def test_what_makes_no_sense_is_left_out(self, page: Callable[[str], str], query: str) -> None:
        assert "drawn" in page(query)
