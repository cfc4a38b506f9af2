"""The admin of the store: an operator changes limits while everything runs."""

import pytest
from django.test import Client

from promises.models import Limit

pytestmark = pytest.mark.django_db
ADD = "/admin/promises/limit/add/"


def change(admin_client: Client, **fields: str) -> str:
    """Post the form of workflow:f; the page that answers, "" when it was saved."""
    answer = admin_client.post("/admin/promises/limit/workflow_3Af/change/", fields)
    return "" if answer.status_code == 302 else answer.content.decode()


def test_a_limit_that_an_operator_makes_is_his(admin_client: Client) -> None:
    form = {"key": "workflow:f", "concurrency": "3", "rate": "5/2h", "is_overridden": "on"}
    assert admin_client.post(ADD, form).status_code == 302
    limit = Limit.objects.get()
    assert (limit.concurrency, limit.rate, limit.period_ms, limit.tokens, limit.is_overridden) == (
        3,
        5,
        7_200_000,
        5,
        True,
    )


def test_it_is_shown_as_it_is_written(admin_client: Client) -> None:
    Limit.objects.create(key="workflow:f", rate=5, period_ms=7_200_000, tokens=1)
    assert "5/2h" in admin_client.get("/admin/promises/limit/").content.decode()
    assert 'value="5/2h"' in admin_client.get("/admin/promises/limit/workflow_3Af/change/").content.decode()


def test_it_can_be_changed_and_taken_away(admin_client: Client) -> None:
    Limit.objects.create(key="workflow:f", rate=5, period_ms=1000, tokens=1)
    assert change(admin_client, concurrency="1", rate="", is_overridden="on") == ""
    limit = Limit.objects.get()
    assert (limit.concurrency, limit.rate, limit.period_ms) == (1, None, None)


@pytest.mark.parametrize(("field", "value"), [("rate", "fast"), ("concurrency", "-1")])
def test_what_makes_no_sense_is_refused_with_the_reason(admin_client: Client, field: str, value: str) -> None:
    Limit.objects.create(key="workflow:f", concurrency=2)
    form = {"concurrency": "2", "rate": "", "is_overridden": "on", field: value}
    assert "write a number" in (page := change(admin_client, **form)) or "whole number" in page
    assert Limit.objects.get().concurrency == 2


def test_a_key_says_what_is_limited(admin_client: Client) -> None:
    answer = admin_client.post(ADD, {"key": "everything", "concurrency": "1"})
    assert answer.status_code == 200
    assert not Limit.objects.exists()
