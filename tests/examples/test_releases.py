"""The rules of a release: versions in order, names, and what counts as a yes from the CI."""

from itertools import pairwise
from typing import Any

import pytest

from examples.releases import is_green, is_newer, is_version, release_problems

# From semver.org's rules of precedence, oldest first.
IN_ORDER = [
    "0.9.9",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.10",
    "1.2.0",
    "1.10.0",
    "2.0.0",
]


@pytest.mark.parametrize(("older", "newer"), list(pairwise(IN_ORDER)))
def test_versions_are_ordered_as_semver_says(older: str, newer: str):
    assert is_newer(newer, older)
    assert not is_newer(older, newer)


@pytest.mark.parametrize(
    ("version", "than", "expected"),
    [
        ("1.0.0", "", True),
        ("1.0.0", "1.0.0", False),
        ("1.0.0+b2", "1.0.0+b1", False),
    ],
)
def test_newer_than_nothing_but_not_than_itself(version: str, than: str, expected: bool):
    assert is_newer(version, than) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "v1.2.3",
        "1.2.3.4",
        "01.2.3",
        "1.2.3-",
        "1.2.3-01",
        "1.2.x",
        "1.2.3\n",
        "١.2.3",
        "1.2." + "3" * 70,
    ],
)
def test_what_is_no_version(text: str):
    assert not is_version(text)
    assert release_problems(text, ["api"])


@pytest.mark.parametrize(
    ("services", "problem"),
    [
        ([], "services: name 1 to 20"),
        ([f"s{n}" for n in range(21)], "services: name 1 to 20"),
        (["Api"], "services: 'Api' is no name"),
        (["-api"], "services: '-api' is no name"),
        (["api/../x"], "services: 'api/../x' is no name"),
        (["a" * 64], "services: 'aaaa"),
        ([""], "services: '' is no name"),
        (["api", "web", "api"], "services: api is named twice"),
    ],
)
def test_what_is_wrong_with_the_services(services: list[str], problem: str):
    (found,) = release_problems("1.0.0", services)
    assert found.startswith(problem)


def test_a_release_in_order_has_no_problems():
    assert release_problems("2.3.1-rc.1+build.7", ["api", "web-2", "x"]) == []


@pytest.mark.parametrize(
    "verdict",
    [
        True,
        "passed",
        " Success ",
        "ok",
        {"passed": True},
        {"conclusion": "success"},
        {"status": "green", "tests": 214},
    ],
)
def test_a_green_verdict(verdict: Any):
    assert is_green(verdict)


@pytest.mark.parametrize(
    "verdict",
    [
        None,
        False,
        1,
        "",
        "failed",
        "not ok",
        {},
        [],
        [True],
        {"passed": False},
        {"passed": "no", "ok": True},
        {"passed": 1},
        {"other": True},
    ],
)
def test_anything_else_is_a_no(verdict: Any):
    assert not is_green(verdict)
