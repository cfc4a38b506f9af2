"""The API describes itself, completely and without a warning, on a page that runs under the strict
Content-Security-Policy."""

import re
from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from tests.promises.api.caller import nobody

OPERATION_ID = re.compile(r"(executions|schedules|approvals|delegations|promises|callbacks)_[a-z]+")


@pytest.fixture(scope="module")
def schema() -> Any:
    GENERATOR_STATS.reset()
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(schema: Any) -> list[tuple[str, Any]]:
    return [
        (f"{method} {path}", operation) for path, item in schema["paths"].items() for method, operation in item.items()
    ]


def test_the_schema_is_valid_openapi_and_complete(schema: Any) -> None:
    validate_schema(schema)
    assert not GENERATOR_STATS


def test_every_operation_has_a_name_a_tag_and_a_description(schema: Any) -> None:
    for name, operation in operations(schema):
        assert OPERATION_ID.fullmatch(operation["operationId"]), name
        assert operation["tags"] == [operation["operationId"].split("_")[0]], name
        assert operation["description"], name


def test_operations_are_named_once(schema: Any) -> None:
    ids = [operation["operationId"] for _name, operation in operations(schema)]
    assert len(ids) == len(set(ids))


def test_refusals_are_described_as_problems(schema: Any) -> None:
    for name, operation in operations(schema):
        refusals = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert refusals, name
        assert all(list(answer["content"]) == ["application/problem+json"] for answer in refusals.values()), name


def test_callbacks_need_no_credentials(schema: Any) -> None:
    assert all(not operation.get("security") for name, operation in operations(schema) if "/callbacks/" in name)


def test_the_schema_is_served_to_everyone(db: None) -> None:
    response = nobody().get("/api/schema/")
    assert response.status_code == 200
    assert b"executions_start" in response.content


def test_the_page_needs_nothing_inline(db: None) -> None:
    response = nobody().get("/api/docs/")
    page = response.content.decode()
    assert response.status_code == 200
    assert "default-src 'self'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r'(src|href)="https?:', page)
    script = nobody().get("/api/docs/?script=")
    assert (script.status_code, script["Content-Type"].split(";")[0]) == (200, "application/javascript")
