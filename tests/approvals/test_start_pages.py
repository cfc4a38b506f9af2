"""Starting a workflow from the pages: the form its signature makes, what it refuses, in whose name it starts."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pydantic import Field

from promises import store
from promises.times import now_ms
from workflows import Context, workflow
from workflows.registry import registry

People = dict[str, User]
CSV = "date,category,description,amount\n2026-01-03,meals,Supper,84.50\n"


async def everything(
    ctx: Context,
    name: str,
    count: int,
    when: date,
    amount: Decimal,
    services: list[str],
    limit: Annotated[int, Field(ge=1)] = 3,
    ratio: float = 0.5,
    dry_run: bool = True,
    at: datetime | None = None,
    level: Literal["low", "high"] = "low",
    options: dict[str, int] | None = None,
) -> str:
    """Try `every` kind of field.

    It does no harm.
    """
    return name


async def plain(ctx: Context) -> None:
    pass


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """`everything` and `plain` beside the workflows of the project, for one test."""
    monkeypatch.setattr(registry, "_functions", dict(registry._functions))
    workflow(everything)
    workflow(plain)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def started(response: Any) -> Any:
    """The root promise of the run that a form has started."""
    assert response.status_code == 302, response.context["form"].errors
    return store.promise_get(response.headers["Location"].split("/")[2], now=now_ms())


def kwargs_of(response: Any) -> Any:
    return started(response).param.decode().get("kwargs", {})


def form_errors(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 422
    return {name: list(errors) for name, errors in response.context["form"].errors.items()}


EVERYTHING = {
    "name": "x",
    "count": "12",
    "when": "2026-02-03",
    "amount": "12.50",
    "services": "api\n\n web \r\nbilling",
    "level": "high",
    "limit": "5",
    "ratio": "0.25",
    "execution-id": "e-1",
}


@pytest.mark.django_db
def test_the_pages_want_a_sign_in(client: Client, db: None) -> None:
    assert client.get("/start/").headers["Location"].startswith("/accounts/login/")
    assert client.post("/start/expense/", {"csv": CSV}).headers["Location"].startswith("/accounts/login/")


def test_every_workflow_is_listed(people: People) -> None:
    html = signed_in(people["ana"]).get("/start/").content.decode()
    assert 'href="/start/expense/"' in html
    assert 'href="/start/release/"' in html


def test_an_unknown_workflow_is_not_found(people: People) -> None:
    ana = signed_in(people["ana"])
    assert ana.get("/start/nope/").status_code == 404
    assert ana.post("/start/nope/", {"a": "b"}).status_code == 404


def test_each_parameter_has_a_field_of_its_type(people: People, own_registry: None) -> None:
    page = signed_in(people["ana"]).get("/start/everything/")
    html = page.content.decode()
    assert "Try <code>every</code> kind of field." in html
    for name, kind in {
        "name": 'type="text"',
        "count": 'type="number"',
        "when": 'type="date"',
        "amount": 'inputmode="decimal"',
        "at": 'type="datetime-local"',
        "dry_run": 'type="checkbox"',
    }.items():
        assert kind in str(page.context["form"][name])
    assert str(page.context["form"]["services"]).startswith("<textarea")
    assert 'value="high"' in str(page.context["form"]["level"])
    assert "checked" in str(page.context["form"]["dry_run"])
    assert 'value="0.5"' in str(page.context["form"]["ratio"])


def test_what_is_typed_becomes_the_arguments(people: People, own_registry: None) -> None:
    response = signed_in(people["ana"]).post("/start/everything/", {**EVERYTHING, "options": '{"a": 1}'})
    assert kwargs_of(response) == {
        "name": "x",
        "count": 12,
        "when": "2026-02-03",
        "amount": "12.50",
        "services": ["api", "web", "billing"],
        "limit": 5,
        "ratio": 0.25,
        "dry_run": False,
        "level": "high",
        "options": {"a": 1},
    }
    assert started(response).tags["countersign:requester"] == "ana"
    assert started(response).id == "e-1"


def test_an_optional_parameter_left_empty_keeps_its_default(people: People, own_registry: None) -> None:
    given = kwargs_of(signed_in(people["ana"]).post("/start/everything/", {**EVERYTHING, "ratio": "", "limit": ""}))
    assert not {"ratio", "limit", "at", "options"} & set(given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", ""),
        ("count", "twelve"),
        ("count", "1.5"),
        ("when", "03.02.2026"),
        ("amount", "NaN"),
        ("services", " \n "),
        ("level", "middle"),
        ("options", "{"),
        ("limit", "0"),  # only the signature knows
        ("name", "a\x00b"),
    ],
)
def test_what_does_not_fit_is_said_on_its_field(people: People, own_registry: None, name: str, value: str) -> None:
    response = signed_in(people["ana"]).post("/start/everything/", {**EVERYTHING, name: value})
    assert list(form_errors(response)) == [name]
    html = response.content.decode()
    assert 'aria-invalid="true"' in html
    assert "Nothing was started" in html
    assert 'value="2026-02-03"' in html or name == "when"


def test_a_workflow_without_parameters_starts(people: People, own_registry: None) -> None:
    ana = signed_in(people["ana"])
    assert "takes no arguments" in ana.get("/start/plain/").content.decode()
    assert kwargs_of(ana.post("/start/plain/", {"execution-id": "p-1"})) == {}


@pytest.mark.parametrize("id", ["a b", "a:b", "a/b", "", "x" * 201])
def test_an_id_that_cannot_be_is_refused(people: People, own_registry: None, id: str) -> None:
    response = signed_in(people["ana"]).post("/start/plain/", {"execution-id": id})
    assert list(form_errors(response)) == ["execution-id"]


# -- once ------------------------------------------------------------------------------------------------------------


def test_the_form_sent_twice_starts_once(people: People) -> None:
    ana = signed_in(people["ana"])
    id = ana.get("/start/expense/").context["form"]["execution-id"].value()
    sent = {"claimant": "ana", "csv": CSV, "execution-id": id}
    first, second = ana.post("/start/expense/", sent), ana.post("/start/expense/", sent, follow=True)
    assert first.headers["Location"] == f"/runs/{id}/"
    assert second.redirect_chain == [(f"/runs/{id}/", 302)]
    assert "was not started again" in second.content.decode()


def test_every_form_has_an_id_of_its_own(people: People) -> None:
    ana = signed_in(people["ana"])
    ids = {ana.get("/start/expense/").context["form"]["execution-id"].value() for _ in range(3)}
    assert len(ids) == 3


def test_the_id_of_a_run_with_other_arguments_or_another_starter_is_taken(people: People) -> None:
    sent = {"csv": CSV, "execution-id": "mine"}
    assert started(signed_in(people["ana"]).post("/start/expense/", sent)).id == "mine"
    changed = signed_in(people["ana"]).post("/start/expense/", {**sent, "csv": CSV + "x"})
    assert "taken" in form_errors(changed)["execution-id"][0]
    other = signed_in(people["bob"]).post("/start/expense/", sent)
    assert "taken" in form_errors(other)["execution-id"][0]


# -- in whose name ---------------------------------------------------------------------------------------------------


def test_nobody_files_in_the_name_of_another(people: People) -> None:
    ana = signed_in(people["ana"])
    assert "readonly" in str(ana.get("/start/expense/").context["form"]["claimant"])
    response = ana.post("/start/expense/", {"claimant": "bob", "csv": CSV, "execution-id": "e"})
    assert kwargs_of(response)["claimant"] == "ana"


def test_staff_may(people: People) -> None:
    admin = signed_in(people["admin"])
    assert "readonly" not in str(admin.get("/start/expense/").context["form"]["claimant"])
    response = admin.post("/start/expense/", {"claimant": "bob", "csv": CSV, "execution-id": "e"})
    assert kwargs_of(response)["claimant"] == "bob"
    assert started(response).tags["countersign:requester"] == "admin"


# -- files -----------------------------------------------------------------------------------------------------------


def test_a_file_takes_the_place_of_the_text(people: People) -> None:
    file = SimpleUploadedFile("claim.csv", b"\xef\xbb\xbf" + CSV.encode())
    response = signed_in(people["ana"]).post("/start/expense/", {"csv": "", "csv-file": file, "execution-id": "e"})
    assert kwargs_of(response)["csv"] == CSV


def test_the_browser_does_not_insist_on_the_text_when_there_may_be_a_file(people: People) -> None:
    page = signed_in(people["ana"]).get("/start/expense/")
    assert "required" not in str(page.context["form"]["csv"])
    response = signed_in(people["ana"]).post("/start/expense/", {"csv": "", "execution-id": "e"})
    assert list(form_errors(response)) == ["csv"]


def test_a_file_that_is_no_text_is_refused(people: People) -> None:
    file = SimpleUploadedFile("claim.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\xff")
    response = signed_in(people["ana"]).post("/start/expense/", {"csv": "", "csv-file": file, "execution-id": "e"})
    assert "UTF-8" in form_errors(response)["csv"][0]


def test_the_text_of_a_file_is_kept_when_something_else_is_wrong(people: People) -> None:
    file = SimpleUploadedFile("claim.csv", CSV.encode())
    response = signed_in(people["ana"]).post("/start/expense/", {"csv": "", "csv-file": file, "execution-id": "a b"})
    assert response.status_code == 422
    assert "2026-01-03,meals,Supper,84.50" in response.content.decode()


def test_a_sample_can_be_filled_in_and_downloaded(people: People) -> None:
    ana = signed_in(people["ana"])
    assert 'href="?sample=expense.csv"' in ana.get("/start/expense/").content.decode()
    assert "date,category,description,amount" in ana.get("/start/expense/?sample=expense.csv").content.decode()
    file = ana.get("/start/expense/samples/expense.csv/")
    assert file.headers["Content-Disposition"] == 'attachment; filename="expense.csv"'
    assert file.content.startswith(b"date,category,description,amount")


@pytest.mark.parametrize("name", ["nope.csv", "..%2Fworkflows.py", "workflows.py", "..", "%00"])
def test_only_samples_are_given_out(people: People, name: str) -> None:
    ana = signed_in(people["ana"])
    assert ana.get(f"/start/expense/samples/{name}/").status_code == 404
    assert ana.get(f"/start/expense/?sample={name}").status_code == 200


def test_starting_wants_a_form_of_this_site(people: People) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(people["ana"])
    assert strict.post("/start/expense/", {"csv": CSV}).status_code == 403


# -- sessions --------------------------------------------------------------------------------------------------------


def token_of(response: Any) -> str:
    return str(response.context["csrf_token"])


def test_what_was_typed_before_the_session_ended_survives_the_sign_in(people: People) -> None:
    client = Client(enforce_csrf_checks=True)
    token = token_of(client.get("/accounts/login/"))
    file = SimpleUploadedFile("claim.csv", CSV.encode())
    typed = {"csv": "", "csv-file": file, "claimant": "bob", "execution-id": "typed-1", "csrfmiddlewaretoken": token}
    expired = client.post("/start/expense/", typed)
    assert expired.headers["Location"] == "/accounts/login/?next=/start/expense/"
    client.post(expired["Location"], {"username": "ana", "password": "demo", "csrfmiddlewaretoken": token})
    page = client.get("/start/expense/")
    assert page.status_code == 200
    html = page.content.decode()
    assert "signed out, so nothing was started" in html
    assert "2026-01-03,meals,Supper,84.50" in html
    form = page.context["form"]
    assert (form["execution-id"].value(), form["claimant"].value()) == ("typed-1", "ana")
    assert "2026-01-03,meals" not in client.get("/start/expense/").content.decode()


def test_a_foreign_form_leaves_nothing_to_start(people: People) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post("/start/expense/", {"csv": CSV}).status_code == 403
    assert not client.session.keys()
