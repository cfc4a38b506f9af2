"""The rules of a release: which versions are newer, what a service may be called, what the CI's word means.

Pure functions: no clock, no database.
"""

import re
from typing import Any

from workflows import portable

MOST_SERVICES = 20
LONGEST_VERSION = 64
GREEN = frozenset({"passed", "success", "ok", "green"})
VERDICT_KEYS = ("passed", "ok", "success", "verdict", "status", "conclusion")

# https://semver.org: major.minor.patch, then perhaps -pre.release and +build, which has no part in the order.
_version = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
_service = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


@portable
class NotNewer(Exception):
    """The service runs this version already, or a newer one; trying again does not help."""


def is_version(text: str) -> bool:
    """Whether it is a semantic version, such as 2.3.1 or 2.4.0-rc.1."""
    return len(text) <= LONGEST_VERSION and bool(_version.fullmatch(text))


def is_newer(version: str, than: str) -> bool:
    """The order of semantic versions; anything is newer than '' (nothing)."""
    return not than or _precedence(version) > _precedence(than)


def release_problems(version: str, services: list[str]) -> list[str]:
    """What is wrong with a release before anyone is asked."""
    problems = [] if is_version(version) else [f"version: {version[:40]!r} is no semantic version such as 2.3.1"]
    if not 1 <= len(services) <= MOST_SERVICES:
        problems.append(f"services: name 1 to {MOST_SERVICES} of them")
    problems += [
        f"services: {name[:40]!r} is no name of lower-case letters, digits and hyphens"
        for name in services
        if not _service.fullmatch(name)
    ]
    problems += [f"services: {name} is named twice" for name in sorted(set(services)) if services.count(name) > 1]
    return problems


def is_green(verdict: Any) -> bool:
    """Whether the CI says yes: true, "passed" (or another word of GREEN), or {"passed": true} and the like.
    Anything else is a no."""
    if isinstance(verdict, dict):
        verdict = next((verdict[key] for key in VERDICT_KEYS if key in verdict), False)
    return verdict is True or (isinstance(verdict, str) and verdict.strip().lower() in GREEN)


def _precedence(version: str) -> tuple[int, int, int, bool, list[tuple[bool, int, str]]]:
    found = _version.fullmatch(version)
    if found is None:
        raise ValueError(f"{version!r} is no semantic version")
    major, minor, patch, pre_release = found.groups()
    words = pre_release.split(".") if pre_release else []
    order = [(False, int(word), "") if word.isdigit() else (True, 0, word) for word in words]
    return int(major), int(minor), int(patch), not words, order
