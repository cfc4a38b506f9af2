"""Whatever is sent, no route answers with a fault of ours, and every refusal is a problem document."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from approvals import operations
from approvals.cards import card, request_id
from approvals.files import File
from promises import store
from promises.callback_urls import callback_token
from promises.times import NEVER, now_ms
from tests.promises.api.caller import PROBLEM, Caller, with_token

FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

text = st.text(max_size=12) | st.sampled_from(
    ["", "\x00", "\ud800", "a:1", "a/b", "..", "\U0001d518", "x" * 300, "null", "-1", "9" * 30, "1e9"]
)
scalar = st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | text
value = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=6
)

principal = st.sampled_from(["user:bob", "user:dave", "group:finance", "permission:auth.view_group", "nobody"])
FIELDS = {
    "id": text | st.just("fuzz-1"),
    "workflow": text | st.just("expense"),
    "args": st.lists(value, max_size=2) | value,
    "kwargs": st.dictionaries(text, value, max_size=2) | value,
    "version": value,
    "timeout": value | st.sampled_from(["1h", "2030-01-01T00:00:00Z", 0, -1, NEVER, NEVER + 1]),
    "cron": value | st.sampled_from(["* * * * *", "0 0 29 2 *"]),
    "time_zone": value | st.just("Europe/Berlin"),
    "param": value,
    "value": value,
    "error": value | st.just({"message": "no"}),
    "tags": st.dictionaries(
        text | st.sampled_from(["resonate:target", "resonate:timer", "resonate:delay", "resonate:origin"]),
        text,
        max_size=3,
    ),
    "outcome": value | st.sampled_from(["approve", "reject"]),
    "comment": value,
    "on_behalf_of": value,
    "reason": value,
    "to": value | principal,
    "instead_of": value | principal,
    "principal": value | principal,
    "required": value,
    "text": value,
    "delegate": value | st.sampled_from(["bob", "dave"]),
    "delegator": value | st.sampled_from(["bob", "dave"]),
    "starts_at": value | st.sampled_from(["0s", NEVER]),
    "ends_at": value | st.sampled_from(["1h", NEVER]),
    "input": value | st.fixed_dictionaries({"file": st.fixed_dictionaries({"id": value})}),
    "stage": value | st.integers(min_value=1, max_value=2),
}
body = st.fixed_dictionaries({}, optional=FIELDS) | value
raw = st.binary(max_size=40) | st.sampled_from([b"", b"{", b"[" * 3000, b"null", b'{"id": 1e999}', b'{"a": "\\ud800"}'])

APPROVAL = str(request_id("fuzz-1:1"))
COLLECTIONS = ["/api/executions/", "/api/schedules/", "/api/promises/", "/api/approvals/"]
POSTED = [
    "/api/executions/",
    "/api/executions/{}/cancel/",
    "/api/executions/{}/continue/",
    "/api/schedules/",
    "/api/schedules/{}/pause/",
    "/api/schedules/{}/resume/",
    "/api/promises/",
    "/api/promises/{}/resolve/",
    "/api/promises/{}/reject/",
    "/api/promises/{}/cancel/",
    "/api/approvals/{}/decisions/",
    "/api/approvals/{}/claim/",
    "/api/approvals/{}/release/",
    "/api/approvals/{}/reassign/",
    "/api/approvals/{}/approvers/",
    "/api/approvals/{}/escalate/",
    "/api/approvals/{}/remind/",
    "/api/approvals/{}/comments/",
    "/api/delegations/",
    "/api/delegations/{}/revoke/",
    "/api/approvals/{}/files/",
    "/callbacks/{}/",
]
READ = [
    *COLLECTIONS,
    "/api/executions/{}/",
    "/api/promises/{}/",
    "/api/approvals/{}/",
    "/api/approvals/{}/eligibility/",
    f"/api/approvals/{APPROVAL}/files/{{}}/",
    "/callbacks/{}/",
    "/api/{}",
]
known = st.sampled_from(["fuzz-1", APPROVAL, APPROVAL, "1", "0", "-1", str(2**63), "fuzz-1:1"])
segment = (known | text).map(lambda part: quote(part.encode("utf-8", "surrogatepass"), safe=""))
query = st.dictionaries(
    st.sampled_from(["state", "workflow", "limit", "cursor", "prefix", "for", "format", "q"]), text, max_size=3
).map(lambda params: urlencode({key: part.encode("utf-8", "surrogatepass") for key, part in params.items()}))


class Anything(BaseModel):
    file: File | None = None
    lines: list[dict[str, Decimal]] = []
    when: datetime | None = None


@pytest.fixture
def robot(db: None) -> Caller:
    caller = with_token("robot")
    store.promise_create("fuzz-1", timeout_at=NEVER, now=now_ms())
    store.promise_create("fuzz-1:1", timeout_at=NEVER, now=now_ms(), tags={"countersign:approval": "1"})
    asked = card("Go?", to="user:robot", form=Anything, propose={"body": "?"}, editable=True)
    operations.approval_open("fuzz-1:1", asked.to_json(), now=now_ms())
    return caller


def assert_no_fault(response: Any) -> None:
    assert response.status_code < 500, (response.request, response.content)
    if response.status_code >= 400:
        assert response["Content-Type"] == PROBLEM, (response.request, response.content)
        assert json.loads(response.content)["status"] == response.status_code


@FUZZ
@given(path=st.sampled_from(READ), segment=segment, query=query)
def test_no_question_is_answered_with_a_fault(robot: Caller, path: str, segment: str, query: str) -> None:
    assert_no_fault(robot.get(f"{path.format(segment)}?{query}"))


@FUZZ
@given(path=st.sampled_from(POSTED), segment=segment, body=body)
def test_no_body_is_answered_with_a_fault(robot: Caller, path: str, segment: str, body: Any) -> None:
    assert_no_fault(robot.post(path.format(segment), json.dumps(body)))


@FUZZ
@given(path=st.sampled_from(POSTED), body=raw)
def test_no_bytes_are_answered_with_a_fault(robot: Caller, path: str, body: bytes) -> None:
    assert_no_fault(robot.post(path.format(APPROVAL if "approvals" in path else "fuzz-1"), body))


@FUZZ
@given(body=body)
def test_no_answer_to_a_callback_is_answered_with_a_fault(robot: Caller, body: Any) -> None:
    token = callback_token("fuzz-1", NEVER, now=now_ms())
    assert_no_fault(robot.post(f"/callbacks/{token}/", json.dumps(body)))


@FUZZ
@given(name=st.sampled_from(["Authorization", "If-Match", "Idempotency-Key", "Accept", "Content-Length"]), header=text)
def test_no_header_is_answered_with_a_fault(robot: Caller, name: str, header: str) -> None:
    line = header.encode("utf-8", "surrogatepass").decode("latin-1").replace("\r", "").replace("\n", "")
    assert_no_fault(robot.post(f"/api/approvals/{APPROVAL}/decisions/", {"outcome": "approve"}, **{name: line}))
    assert_no_fault(robot.get("/api/promises/", **{name: line}))
