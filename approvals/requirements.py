"""How many of whom: the requirements that a policy is made of. Data and parsing, free of Django.

A principal is a text: `user:ana`, `group:finance`, `permission:app.codename`. A requirement is `any_of(...)`,
`all_of(...)`, `n_of(n, ...)` or `percent_of(p, ...)`.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from approvals.errors import InvalidCard

_principal = re.compile(r"(user|group):[^\x00-\x1f\x7f]{1,150}|permission:[a-z0-9_]+\.[a-z0-9_.]+", re.IGNORECASE)


class InvalidPolicy(InvalidCard):
    """The policy cannot be understood, or nobody could ever satisfy it."""


@dataclass(frozen=True, slots=True)
class Count:
    """`need` different people, each of whom matches one of the principals; with `percent`, that share of all who
    match (rounded up).

    `also` may answer too, without belonging to the share; ballots of `former` count, but they are asked no more.
    """

    principals: tuple[str, ...]
    need: int = 1
    percent: int | None = None
    also: tuple[str, ...] = ()
    former: tuple[str, ...] = ()

    @property
    def asked(self) -> tuple[str, ...]:
        """Who may answer now."""
        return (*self.principals, *self.also)

    def is_matched_by(self, matched: Collection[str]) -> bool:
        """Whether a ballot that was cast as these principals counts here."""
        return any(principal in matched for principal in (*self.asked, *self.former))


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part is satisfied; one ballot counts in each part that its voter belongs to."""

    parts: "tuple[Requirement, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One part is satisfied."""

    parts: "tuple[Requirement, ...]"


Requirement = Count | AllOf | AnyOf


# -- writing one -----------------------------------------------------------------------------------------------------


def any_of(*parts: Any) -> Requirement:
    """One person is enough: of these users, groups and holders of permissions, or of one of these requirements."""
    principals = [part for part in parts if isinstance(part, str)]
    others = [requirement_of(part) for part in parts if not isinstance(part, str)]
    if not others:
        return Count(principals_listed(principals))
    counted = [Count(principals_listed(principals))] if principals else []
    return AnyOf((*counted, *others)) if len(counted) + len(others) > 1 else others[0]


def all_of(*parts: Any) -> Requirement:
    """Every part: one person of each user or group named, and every requirement."""
    requirements = tuple(requirement_of(part) for part in parts)
    if not requirements:
        raise InvalidPolicy("all_of() needs at least one part.")
    return AllOf(requirements) if len(requirements) > 1 else requirements[0]


def n_of(n: int, *principals: str) -> Requirement:
    """`n` different people out of all who match one of the principals."""
    known = principals_listed(principals)
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise InvalidPolicy(f"n_of() needs a positive number of people, not {n!r}.")
    if n > len(known) and all(principal.startswith("user:") for principal in known):
        raise InvalidPolicy(f"n_of({n}, ...) names only {len(known)} people.")
    return Count(known, need=n)


def percent_of(percent: int, *principals: str) -> Requirement:
    """That share of all who match one of the principals and may vote when a ballot is cast, rounded up: 100 is
    everyone."""
    if isinstance(percent, bool) or not isinstance(percent, int) or not 1 <= percent <= 100:
        raise InvalidPolicy(f"percent_of() needs a whole number from 1 to 100, not {percent!r}.")
    return Count(principals_listed(principals), percent=percent)


def requirement_of(part: Any) -> Requirement:
    """A requirement as it is, a principal as one person of it."""
    if isinstance(part, Count | AllOf | AnyOf):
        return part
    return Count((principal_of(part),))


def principal_of(text: Any) -> str:
    """The text, if it is a principal. Errors: InvalidPolicy."""
    if not isinstance(text, str) or not _principal.fullmatch(text):
        raise InvalidPolicy(
            f"{text!r:.100} names nobody: write 'user:NAME', 'group:NAME' or 'permission:APP.CODENAME'."
        )
    return text


def principals_listed(texts: Iterable[Any]) -> tuple[str, ...]:
    """These principals, each once, at least one. Errors: InvalidPolicy."""
    found = tuple(dict.fromkeys(principal_of(text) for text in texts))
    if not found:
        raise InvalidPolicy("Nobody is named: give at least one user, group or permission.")
    return found


# -- reading one -----------------------------------------------------------------------------------------------------


def principals_in(requirement: Requirement) -> Iterator[str]:
    """Every principal whom a requirement asks, in the order written."""
    for count in counts_in(requirement):
        yield from count.asked


def counts_in(requirement: Requirement) -> Iterator[Count]:
    """The counts that a requirement is made of."""
    if isinstance(requirement, Count):
        yield requirement
    else:
        for part in requirement.parts:
            yield from counts_in(part)


# -- JSON ------------------------------------------------------------------------------------------------------------


def freeze(requirement: Requirement) -> dict[str, Any]:
    """The requirement as JSON: {"need", "of"}, {"percent", "of"}, {"all": [...]} or {"any": [...]}."""
    match requirement:
        case Count(principals, need, None):
            return {"need": need, "of": list(principals)}
        case Count(principals, _, percent):
            return {"percent": percent, "of": list(principals)}
        case AllOf(parts):
            return {"all": [freeze(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [freeze(part) for part in parts]}


def thaw(frozen: Mapping[str, Any]) -> Requirement:
    """The requirement in this JSON. Errors: InvalidPolicy, KeyError, TypeError."""
    if "all" in frozen:
        return AllOf(tuple(thaw(part) for part in frozen["all"]))
    if "any" in frozen:
        return AnyOf(tuple(thaw(part) for part in frozen["any"]))
    if "percent" in frozen:
        return percent_of(frozen["percent"], *frozen["of"])
    return n_of(frozen["need"], *frozen["of"])
