"""The main job in a real browser: ask, see, decide, done. A console error or a breach of the content policy fails."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.product.installation import Installation

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "samples" / "expense.csv"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found; install it (apt-get install chromium)"),
]

expect.set_options(timeout=30_000)  # on a busy machine an answer takes its time

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
SignIn = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def sign_in(product: Installation, browser: Browser) -> Iterator[SignIn]:
    """A page of a person who has signed in; what the browser complains about fails the test at its end."""
    complaints: list[str] = []
    contexts = []

    def enter(person: str, **options: Any) -> Page:
        context = browser.new_context(base_url=product.url, **{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/accounts/login/")
        page.locator("[name=username]").fill(person)
        page.locator("[name=password]").fill("demo")
        page.locator("[name=password]").press("Enter")
        expect(page).to_have_title(re.compile("Inbox"))
        return page

    yield enter
    for context in contexts:
        context.close()
    assert not complaints


def is_complaint(message: ConsoleMessage) -> bool:
    """An error, but for the browser's own line about an answer of 422: that is how a form says what is missing."""
    return message.type == "error" and "status of 422" not in message.text


def start_expense(page: Page) -> str:
    """Start the expense workflow with the sample claim from the dashboard; the id of the run."""
    page.goto("/start/expense/")
    page.locator("[name=csv]").last.fill(SAMPLE.read_text())
    page.get_by_role("button", name=re.compile("start", re.IGNORECASE)).last.click()
    page.wait_for_url("**/runs/**")
    return page.url.rsplit("/", 2)[1]


def open_request(page: Page, execution: str) -> None:
    """Open the decision page of the run's request, as its approver finds it: by the inbox."""
    looked_at: set[str] = set()  # others' requests may be there before ours
    for _ in range(200):
        page.goto("/")
        links = page.locator("main a[href*='/approvals/']").all()
        for href in {str(link.get_attribute("href")) for link in links} - looked_at:
            page.goto(href)
            if page.locator(f"a[href*='{execution}']").count():
                return
            looked_at.add(href)
        page.wait_for_timeout(100)
    raise AssertionError(f"no request of {execution} in the inbox")


def ledger_lines(product: Installation, execution: str) -> int:
    code = f"from examples.models import LedgerEntry as L; print(L.objects.filter(execution_id={execution!r}).count())"
    return int(product.manage("shell", "--no-imports", "-c", code).splitlines()[-1])


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="desktop"),
        pytest.param({"java_script_enabled": False}, id="no-javascript"),
        pytest.param({**PHONE, "color_scheme": "dark"}, id="phone"),
    ],
)
def test_a_claim_is_started_approved_and_booked(
    product: Installation, sign_in: SignIn, options: dict[str, Any]
) -> None:
    ana, bob = sign_in("ana", **options), sign_in("bob", **options)
    execution = start_expense(ana)
    open_request(bob, execution)
    expect(bob.get_by_role("heading", level=1)).to_contain_text("404.80")
    bob.get_by_role("button", name="Approve").first.click()
    with product.client("ana") as client:
        shown = client.get(f"/api/executions/{execution}/", params={"wait": "20s"}).json()
    assert shown["value"]["status"] == "booked"
    ana.goto(f"/runs/{execution}/")
    expect(ana.locator("main")).to_contain_text("booked")
    assert ledger_lines(product, execution) == 5


def test_a_rejection_wants_a_reason_and_the_claimant_sees_it(product: Installation, sign_in: SignIn) -> None:
    ana, bob = sign_in("ana"), sign_in("bob")
    execution = start_expense(ana)
    open_request(bob, execution)
    bob.get_by_role("button", name="Reject").first.click()
    expect(bob.locator("main")).to_contain_text("Say why")
    bob.locator("[name=comment]").first.fill("No receipt for the hotel")
    bob.get_by_role("button", name="Reject").first.click()
    with product.client("ana") as client:
        shown = client.get(f"/api/executions/{execution}/", params={"wait": "20s"}).json()
    assert shown["value"]["status"] == "rejected"
    assert ledger_lines(product, execution) == 0


def start_repay(page: Page) -> str:
    """Start a refund from the dashboard; the id of the run."""
    page.goto("/start/repay/")
    page.locator("[name=customer]").fill("Eve Example")
    page.locator("[name=amount]").fill("80.00")
    page.get_by_role("button", name=re.compile("start", re.IGNORECASE)).last.click()
    page.wait_for_url("**/runs/**")
    return page.url.rsplit("/", 2)[1]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="desktop"),
        pytest.param({**PHONE, "java_script_enabled": False, "color_scheme": "dark"}, id="phone-no-javascript"),
    ],
)
def test_a_proposal_is_corrected_and_a_form_filled_in(
    product: Installation, sign_in: SignIn, options: dict[str, Any]
) -> None:
    ana, bob = sign_in("ana"), sign_in("bob", **options)
    execution = start_repay(ana)
    open_request(bob, execution)
    bob.get_by_label("Amount").fill("60.00")
    proof = {"name": "receipt.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7"}
    bob.get_by_label("Proof of purchase").set_input_files(proof)
    bob.get_by_role("button", name="Refund").last.click()
    expect(bob.locator("main")).to_contain_text("Mend what is marked below")
    expect(bob.get_by_label("Amount")).to_have_value("60.00")
    expect(bob.locator("main")).to_contain_text("A file is here")
    bob.get_by_label("voucher").check()
    bob.get_by_label("Paid on").fill("2026-12-31")
    bob.get_by_role("button", name="Refund").last.click()
    expect(bob.locator("main")).to_contain_text("receipt.pdf")
    with product.client("ana") as client:
        shown = client.get(f"/api/executions/{execution}/", params={"wait": "20s"}).json()
    assert shown["value"] == {"status": "paid", "amount": "60.00", "method": "voucher", "problems": []}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(product: Installation, sign_in: SignIn, scheme: str) -> None:
    ana, bob = sign_in("ana", color_scheme=scheme), sign_in("bob", color_scheme=scheme)
    execution = start_expense(ana)
    open_request(bob, execution)
    decision = bob.url
    open_request(bob, start_repay(ana))
    for page, address in [
        (bob, "/"),
        (bob, "/?list=queue"),
        (bob, decision),
        (bob, bob.url),
        (ana, "/?list=waiting"),
        (ana, f"/runs/{execution}/"),
        (ana, "/runs/"),
        (ana, "/start/"),
        (ana, "/start/expense/"),
    ]:
        page.goto(address)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{address} ({scheme}): {found.generate_report()}"
