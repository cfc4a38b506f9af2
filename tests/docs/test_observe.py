"""The guide names every metric that there is, and no other."""

import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

import workflows.metrics  # noqa: F401 (registers what workers measure)
from promises.metrics import Installation
from promises.times import now_ms

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "observe.md"


def names(collected: object) -> set[str]:
    """The names under which families are scraped: counters end in _total."""
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in collected  # type: ignore[attr-defined]
        if family.name.startswith("countersign_")
    }


@pytest.mark.django_db
def test_the_guide_names_every_metric() -> None:
    documented = set(re.findall(r"^\| `(countersign_\w+)`", PAGE.read_text(), re.MULTILINE))
    assert documented == names(REGISTRY.collect()) | names(Installation(now_ms()).collect())
