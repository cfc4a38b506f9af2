"""Promoting and rolling back: in the database and in memory the rules are the same."""

import pytest

from examples.fleet import DatabaseFleet, Fleet, MemoryFleet
from examples.models import Deployment
from examples.releases import NotNewer

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[DatabaseFleet, MemoryFleet])
def fleet(request: pytest.FixtureRequest) -> Fleet:
    found: Fleet = request.param()
    found.promote("first", "api", "1.0.0")
    return found


def test_a_promotion_tells_what_ran_before(fleet: Fleet):
    assert fleet.promote("second", "api", "1.1.0") == "1.0.0"
    assert fleet.promote("second", "web", "1.1.0") == ""
    assert fleet.running(["web", "api", "worker"]) == {"web": "1.1.0", "api": "1.1.0", "worker": ""}


@pytest.mark.parametrize("version", ["1.0.0", "0.9.0", "1.0.0-rc.1"])
def test_only_a_newer_version_is_promoted(fleet: Fleet, version: str):
    with pytest.raises(NotNewer, match=rf"^api runs 1\.0\.0, so {version} would be no step forward$"):
        fleet.promote("second", "api", version)
    assert fleet.running(["api"]) == {"api": "1.0.0"}


def test_rolling_back_restores_what_ran_before(fleet: Fleet):
    fleet.promote("second", "api", "1.1.0")
    fleet.promote("second", "web", "1.1.0")
    assert fleet.roll_back("second", "api") == "1.0.0"
    assert fleet.roll_back("second", "web") == ""
    assert fleet.running(["api", "web"]) == {"api": "1.0.0", "web": ""}


def test_rolling_back_leaves_what_somebody_else_has_promoted_since(fleet: Fleet):
    fleet.promote("second", "api", "1.1.0")
    fleet.promote("third", "api", "1.2.0")
    assert fleet.roll_back("second", "api") == "1.2.0"
    assert fleet.running(["api"]) == {"api": "1.2.0"}


def test_every_promotion_leaves_a_row():
    fleet = DatabaseFleet()
    fleet.promote("first", "api", "1.0.0")
    fleet.promote("second", "api", "1.1.0")
    fleet.roll_back("second", "api")
    rows = Deployment.objects.order_by("pk").values_list("execution_id", "version", "previous_version")
    assert list(rows) == [("first", "1.0.0", ""), ("second", "1.1.0", "1.0.0")]
    assert [row.rolled_back_at is None for row in Deployment.objects.order_by("pk")] == [True, False]
