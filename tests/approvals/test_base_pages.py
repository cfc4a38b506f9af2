"""What every page has in common: the frame, the strict policy, the sign-in, and the pages that say what went wrong."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.template import loader
from django.test import Client

from approvals.models import ApprovalRequest
from approvals.templatetags import pages
from promises.times import now_ms

People = dict[str, User]
Ask = Callable[..., ApprovalRequest]
PATHS = ["/", "/?list=waiting", "/?list=done", "/runs/", "/runs/r/", "/start/", "/start/expense/", "/nope/"]
TEMPLATES = Path(settings.BASE_DIR) / "templates"
PAGE_WEIGHT = 150_000


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("who", ["ana", "bob"])
def test_a_page_keeps_the_strict_policy(people: People, ask: Ask, path: str, who: str) -> None:
    ask(id="r:1")
    page = signed_in(people[who]).get(path)
    html = page.content.decode()
    assert "'unsafe" not in page.headers["Content-Security-Policy"]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|<script(?![^>]*\ssrc=)", html)
    assert '<html lang="en" dir="ltr">' in html
    assert 'href="#main"' in html
    assert html.count("<h1") == 1
    assert html.count('<main class="page') == 1
    assert re.search(r"<title>\s*\S.* · Countersign</title>", html)


@pytest.mark.parametrize(("path", "tab"), [("/", "Inbox"), ("/runs/", "Runs"), ("/start/", "Start")])
def test_the_navigation_says_where_one_is(people: People, path: str, tab: str) -> None:
    html = signed_in(people["ana"]).get(path).content.decode()
    nav = html[html.index("<nav") : html.index("</nav>")]
    current = re.findall(r'<a[^>]*aria-current="page">(\w+)', nav)
    assert current == [tab]


def test_the_navigation_counts_what_waits(people: People, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = signed_in(people["bob"])
    assert 'class="count"' not in bob.get("/runs/").content.decode()
    ask()
    ask()
    assert '<span class="count">2<' in bob.get("/runs/").content.decode()
    monkeypatch.setattr(pages, "INBOX_COUNT_LIMIT", 1)
    assert '<span class="count">1+<' in bob.get("/runs/").content.decode()


def test_signing_in_and_out(people: People, client: Client) -> None:
    page = client.get("/runs/", follow=True)
    assert page.context["next"] == "/runs/"
    wrong = client.post("/accounts/login/", {"username": "ana", "password": "no", "next": "/runs/"})
    assert 'role="alert"' in wrong.content.decode()
    assert 'value="ana"' in wrong.content.decode()
    assert 'value="/runs/"' in wrong.content.decode()
    right = client.post("/accounts/login/", {"username": "ana", "password": "demo", "next": "/runs/"})
    assert right.headers["Location"] == "/runs/"
    assert 'action="/accounts/logout/"' in client.get("/").content.decode()
    assert client.post("/accounts/logout/").headers["Location"] == "/accounts/login/"
    assert client.get("/runs/").status_code == 302


def test_the_sign_in_sends_nobody_elsewhere(people: People, client: Client) -> None:
    sent = {"username": "ana", "password": "demo", "next": "https://elsewhere.example/"}
    assert client.post("/accounts/login/", sent).headers["Location"] == "/"


def test_the_demo_people_are_named_in_the_demo_only(client: Client, settings: Any) -> None:
    settings.COUNTERSIGN_DEMO = True
    assert "This is a demonstration" in client.get("/accounts/login/").content.decode()
    settings.COUNTERSIGN_DEMO = False
    html = client.get("/accounts/login/").content.decode()
    assert "demonstration" not in html
    assert "ana" not in re.findall(r"<code>(\w+)</code>", html)


def test_the_administration_is_offered_to_staff(people: People) -> None:
    assert 'href="/admin/"' in signed_in(people["admin"]).get("/runs/").content.decode()
    assert 'href="/admin/"' not in signed_in(people["ana"]).get("/runs/").content.decode()


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "413", "429", "500", "503"])
def test_an_error_page_says_what_to_do_without_a_database(name: str) -> None:
    html = loader.render_to_string(f"{name}.html")
    assert html.count("<h1") == 1
    assert len(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", html[html.index("<main") :]))) > 80


def test_a_missing_page_is_told_to_strangers_too(client: Client, db: None) -> None:
    page = client.get("/nope/")
    assert page.status_code == 404
    assert "There is nothing here" in page.content.decode()
    assert "Resolver404" not in page.content.decode()
    assert "tried" not in page.content.decode()


def test_a_form_that_is_too_old_is_told_so(people: People) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(people["ana"])
    page = strict.post("/start/expense/", {"csv": "x"})
    assert page.status_code == 403
    assert "too old" in page.content.decode()


def test_a_fault_of_ours_shows_no_trace(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("approvals.views.runs.runs_of", lambda *_: 1 / 0)
    client = signed_in(people["ana"])
    client.raise_request_exception = False
    page = client.get("/runs/")
    assert page.status_code == 500
    assert "Something went wrong on our side" in page.content.decode()
    assert "ZeroDivisionError" not in page.content.decode()


# -- files -----------------------------------------------------------------------------------------------------------


def test_a_page_weighs_little() -> None:
    files = ["css/app.css", "js/app.js", "icons/sprite.svg", "icons/favicon.svg", "django_htmx/htmx-2.min.js"]
    assert sum(Path(finders.find(name)).stat().st_size for name in files) < PAGE_WEIGHT - 20_000


def test_every_icon_is_in_the_sprite() -> None:
    sprite = Path(finders.find("icons/sprite.svg")).read_text()
    known = set(re.findall(r'<symbol id="([\w-]+)"', sprite))
    used = {name for path in TEMPLATES.rglob("*.html") for name in re.findall(r'{% icon "([\w-]+)"', path.read_text())}
    used |= {name for path in TEMPLATES.rglob("*.html") for name in re.findall(r'sign="([\w-]+)"', path.read_text())}
    used |= {icon for _words, icon, _kind in pages.STATES.values()}
    assert used <= known


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "< 1 ms"),
        (40, "40 ms"),
        (1000, "1 s"),
        (2_500, "2.5 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (3_600_000, "1 h"),
        (3_900_000, "1 h 5 min"),
        (86_400_000 + 7_200_000, "1 d 2 h"),
        (None, ""),
    ],
)
def test_a_duration_is_said_in_the_unit_that_fits(ms: int | None, words: str) -> None:
    assert pages.duration(ms) == words


@pytest.mark.parametrize(
    ("distance", "words"),
    [(0, "just now"), (-30_000, "just now"), (-180_000, "3 min ago"), (90_000, "in 1 min"), (5_000, "in 5 s")],
)
def test_a_moment_is_said_by_its_distance(distance: int, words: str) -> None:
    now = now_ms()
    assert f">{words}</time>" in pages.relative(now + distance, now)
