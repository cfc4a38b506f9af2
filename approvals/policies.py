"""The language of policies: who may decide and how many it takes. Data and parsing, free of Django; `verdicts.py`
applies it to ballots.

A principal is a text: `user:ana`, `group:finance`, `permission:app.codename`. A requirement is `any_of(...)`,
`all_of(...)`, `n_of(n, ...)` or `percent_of(p, ...)`. A policy has one requirement per stage. `freeze` turns a policy
into the JSON that is stored with a request, `thaw` brings it back.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from approvals.errors import InvalidCard

KINDS = ("user", "group", "permission")
REQUESTER = "requester"
SAME_PERSON_TWICE = "same_person_twice"
FORMAT = 1

_principal = re.compile(r"(user|group):[^\x00-\x1f\x7f]{1,150}|permission:[a-z0-9_]+\.[a-z0-9_.]+", re.IGNORECASE)


class InvalidPolicy(InvalidCard):
    """The policy cannot be understood, or nobody could ever satisfy it."""


@dataclass(frozen=True, slots=True)
class Count:
    """`need` different people, each of whom matches one of the principals; with `percent`, that share of all who
    match (rounded up)."""

    principals: tuple[str, ...]
    need: int = 1
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part is satisfied; one ballot counts in each part that its voter belongs to."""

    parts: "tuple[Requirement, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One part is satisfied."""

    parts: "tuple[Requirement, ...]"


Requirement = Count | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Marker:
    """A name in `never=` that stands for whoever it turns out to be."""

    name: str


@dataclass(frozen=True, slots=True, init=False)
class Policy:
    """Stages are satisfied one after the other. People in `never` may not decide; people in `veto` may say no at any
    time."""

    name: str
    stages: tuple[Requirement, ...]
    never: tuple[str, ...]
    veto: tuple[str, ...]

    def __init__(self, name: str = "", *, stages: Any, never: Any = (), veto: Any = ()) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "stages", tuple(requirement_of(stage) for stage in _listed(stages)))
        object.__setattr__(self, "never", tuple(_never(item) for item in _listed(never)))
        object.__setattr__(self, "veto", tuple(principal_of(item) for item in _listed(veto)))
        if not self.stages:
            raise InvalidPolicy("A policy needs at least one stage.")

    def principals(self, stage: int | None = None) -> tuple[str, ...]:
        """Every principal of one stage, or of all, in the order written, each once."""
        stages = self.stages if stage is None else self.stages[stage : stage + 1]
        return tuple(dict.fromkeys(p for requirement in stages for p in principals_in(requirement)))

    @property
    def excludes_requester(self) -> bool:
        return REQUESTER in self.never

    @property
    def excludes_same_person(self) -> bool:
        return SAME_PERSON_TWICE in self.never

    def but_never(self, never: Any) -> "Policy":
        """This policy, with more people excluded."""
        more = tuple(_never(item) for item in _listed(never))
        extra = tuple(item for item in more if item not in self.never)
        return Policy(self.name, stages=self.stages, never=[*self.never, *extra], veto=self.veto) if extra else self


# -- writing a policy ------------------------------------------------------------------------------------------------


def any_of(*parts: Any) -> Requirement:
    """One person is enough: of these users, groups and holders of permissions, or of one of these requirements."""
    principals = [part for part in parts if isinstance(part, str)]
    others = [requirement_of(part) for part in parts if not isinstance(part, str)]
    if not others:
        return Count(_principals(principals))
    counted = [Count(_principals(principals))] if principals else []
    return AnyOf((*counted, *others)) if len(counted) + len(others) > 1 else others[0]


def all_of(*parts: Any) -> Requirement:
    """Every part: one person of each user or group named, and every requirement."""
    requirements = tuple(requirement_of(part) for part in parts)
    if not requirements:
        raise InvalidPolicy("all_of() needs at least one part.")
    return AllOf(requirements) if len(requirements) > 1 else requirements[0]


def n_of(n: int, *principals: str) -> Requirement:
    """`n` different people out of all who match one of the principals."""
    known = _principals(principals)
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise InvalidPolicy(f"n_of() needs a positive number of people, not {n!r}.")
    if n > len(known) and all(principal.startswith("user:") for principal in known):
        raise InvalidPolicy(f"n_of({n}, ...) names only {len(known)} people.")
    return Count(known, need=n)


def percent_of(percent: int, *principals: str) -> Requirement:
    """That share of all who match one of the principals when a ballot is cast, rounded up: 100 is everyone."""
    if isinstance(percent, bool) or not isinstance(percent, int) or not 1 <= percent <= 100:
        raise InvalidPolicy(f"percent_of() needs a whole number from 1 to 100, not {percent!r}.")
    return Count(_principals(principals), percent=percent)


def requester() -> Marker:
    """In `never=`: whoever asked may not decide."""
    return Marker(REQUESTER)


def same_person_twice() -> Marker:
    """In `never=`: who has decided in one stage may not decide in a later one."""
    return Marker(SAME_PERSON_TWICE)


def policy_of(to: Any, *, never: Any = ()) -> Policy:
    """The policy that `to` means: a Policy, a requirement, a principal, or a list of which one person is enough.

    Errors: InvalidPolicy, naming the part that is wrong.
    """
    if isinstance(to, Policy):
        return to.but_never(never)
    if isinstance(to, str | Count | AllOf | AnyOf):
        return Policy(stages=[requirement_of(to)], never=never)
    if isinstance(to, Iterable) and not isinstance(to, Mapping):
        return Policy(stages=[any_of(*to)], never=never)
    raise InvalidPolicy(f"{to!r:.100} names nobody: write 'user:ana', 'group:finance', a list of them, or a Policy.")


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


def principals_in(requirement: Requirement) -> Iterator[str]:
    """Every principal of a requirement, in the order written."""
    if isinstance(requirement, Count):
        yield from requirement.principals
    else:
        for part in requirement.parts:
            yield from principals_in(part)


def counts_in(requirement: Requirement) -> Iterator[Count]:
    """The counts that a requirement is made of."""
    if isinstance(requirement, Count):
        yield requirement
    else:
        for part in requirement.parts:
            yield from counts_in(part)


# -- JSON ------------------------------------------------------------------------------------------------------------


def freeze(policy: Policy) -> dict[str, Any]:
    """The policy as JSON: {"format", "name", "stages": [...], "never": [...], "veto": [...]}."""
    return {
        "format": FORMAT,
        "name": policy.name,
        "stages": [_freeze(stage) for stage in policy.stages],
        "never": list(policy.never),
        "veto": list(policy.veto),
    }


def thaw(frozen: Mapping[str, Any]) -> Policy:
    """The policy in this JSON. Errors: InvalidPolicy."""
    try:
        stages = [_thaw(stage) for stage in frozen["stages"]]
        return Policy(frozen["name"], stages=stages, never=frozen["never"], veto=frozen["veto"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidPolicy(f"This is no policy in the format {FORMAT}: {error}") from None


def _freeze(requirement: Requirement) -> dict[str, Any]:
    match requirement:
        case Count(principals, need, None):
            return {"need": need, "of": list(principals)}
        case Count(principals, _, percent):
            return {"percent": percent, "of": list(principals)}
        case AllOf(parts):
            return {"all": [_freeze(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [_freeze(part) for part in parts]}


def _thaw(frozen: Mapping[str, Any]) -> Requirement:
    if "all" in frozen:
        return AllOf(tuple(_thaw(part) for part in frozen["all"]))
    if "any" in frozen:
        return AnyOf(tuple(_thaw(part) for part in frozen["any"]))
    if "percent" in frozen:
        return percent_of(frozen["percent"], *frozen["of"])
    return n_of(frozen["need"], *frozen["of"])


# -- pieces ----------------------------------------------------------------------------------------------------------


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, str | Marker | Count | AllOf | AnyOf) else list(value)


def _never(item: Any) -> str:
    if isinstance(item, Marker):
        return item.name
    return item if item in (REQUESTER, SAME_PERSON_TWICE) else principal_of(item)


def _principals(texts: Iterable[Any]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(principal_of(text) for text in texts))
    if not found:
        raise InvalidPolicy("Nobody is named: give at least one user, group or permission.")
    return found
