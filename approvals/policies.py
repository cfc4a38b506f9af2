"""The language of policies: who may decide, how many it takes, and who is asked when nobody does. Data and parsing,
free of Django; `verdicts.py` applies it to ballots, `rules.py` to people.

A policy has one requirement (see `requirements.py`) per stage. `freeze` turns a policy into the JSON that is stored
with a request, `thaw` brings it back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from approvals import requirements
from approvals.durations import Escalation, duration_text, positive
from approvals.requirements import (
    AllOf,
    AnyOf,
    Count,
    InvalidPolicy,
    Requirement,
    any_of,
    principal_of,
    principals_in,
    principals_listed,
    requirement_of,
)

REQUESTER = "requester"
SAME_PERSON_TWICE = "same_person_twice"
FORMAT = 1
REFERENCE = "policy:"  # `to="policy:prod-deploy"` is the registered policy of that name


@dataclass(frozen=True, slots=True)
class Marker:
    """A name in `never=` that stands for whoever it turns out to be."""

    name: str


@dataclass(frozen=True, slots=True, init=False)
class Policy:
    """Stages are satisfied one after the other. People in `never` may not decide; people in `veto` may say no at any
    time. `remind` and `escalate` count from when a request opens, in the working time of `calendar` if one is named."""

    name: str
    version: int
    stages: tuple[Requirement, ...]
    never: tuple[str, ...]
    veto: tuple[str, ...]
    remind: tuple[timedelta, ...]
    escalate: tuple[Escalation, ...]
    calendar: str

    def __init__(
        self,
        name: str = "",
        *,
        stages: Any,
        never: Any = (),
        veto: Any = (),
        remind: Any = (),
        escalate: Any = (),
        calendar: str = "",
        version: int = 1,
    ) -> None:
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise InvalidPolicy(f"A policy's version is 1 or more, not {version!r}.")
        found = {
            "name": name,
            "version": version,
            "stages": tuple(requirement_of(stage) for stage in _listed(stages)),
            "never": tuple(_never(item) for item in _listed(never)),
            "veto": tuple(principal_of(item) for item in _listed(veto)),
            "remind": tuple(sorted(positive(item) for item in _listed(remind))),
            "escalate": tuple(sorted((_escalation(e) for e in _listed(escalate)), key=lambda e: e.duration)),
            "calendar": calendar,
        }
        if not found["stages"]:
            raise InvalidPolicy("A policy needs at least one stage.")
        for key, value in found.items():
            object.__setattr__(self, key, value)

    def principals(self, stage: int | None = None) -> tuple[str, ...]:
        """Every principal of one stage, or of all, in the order written, each once."""
        stages = self.stages if stage is None else self.stages[stage : stage + 1]
        return tuple(dict.fromkeys(p for requirement in stages for p in principals_in(requirement)))

    @property
    def barred(self) -> tuple[str, ...]:
        """The principals in `never`, without the markers."""
        return tuple(item for item in self.never if ":" in item)

    @property
    def excludes_requester(self) -> bool:
        return REQUESTER in self.never

    @property
    def excludes_same_person(self) -> bool:
        return SAME_PERSON_TWICE in self.never

    def changed(self, **fields: Any) -> "Policy":
        """This policy with other fields."""
        mine = {key: getattr(self, key) for key in self.__slots__}
        return Policy(**{**mine, **fields})

    def but_never(self, never: Any) -> "Policy":
        """This policy, with more people excluded."""
        more = tuple(_never(item) for item in _listed(never))
        extra = tuple(item for item in more if item not in self.never)
        return self.changed(never=[*self.never, *extra]) if extra else self


# -- writing a policy ------------------------------------------------------------------------------------------------


def requester() -> Marker:
    """In `never=`: whoever asked may not decide."""
    return Marker(REQUESTER)


def same_person_twice() -> Marker:
    """In `never=`: who has decided in one stage may not decide in a later one."""
    return Marker(SAME_PERSON_TWICE)


def policy_of(to: Any, *, never: Any = ()) -> Policy:
    """The policy that `to` means: a Policy, the name of a registered one ("policy:prod-deploy"), a requirement, a
    principal, or a list of which one person is enough.

    Errors: InvalidPolicy, naming the part that is wrong.
    """
    if isinstance(to, str) and to.startswith(REFERENCE):
        from approvals.registry import policy_named

        to = policy_named(to.removeprefix(REFERENCE))
    if isinstance(to, Policy):
        return to.but_never(never)
    if isinstance(to, str | Count | AllOf | AnyOf):
        return Policy(stages=[requirement_of(to)], never=never)
    if isinstance(to, Iterable) and not isinstance(to, Mapping):
        return Policy(stages=[any_of(*to)], never=never)
    raise InvalidPolicy(f"{to!r:.100} names nobody: write 'user:ana', 'group:finance', a list of them, or a Policy.")


# -- JSON ------------------------------------------------------------------------------------------------------------


def freeze(policy: Policy) -> dict[str, Any]:
    """The policy as JSON: {"format", "name", "version", "stages": [...], "never": [...], "veto": [...],
    "remind": ["2h"], "escalate": [{"after": "8h", "to": [...]}], "calendar"}."""
    return {
        "format": FORMAT,
        "name": policy.name,
        "version": policy.version,
        "stages": [requirements.freeze(stage) for stage in policy.stages],
        "never": list(policy.never),
        "veto": list(policy.veto),
        "remind": [duration_text(item) for item in policy.remind],
        "escalate": [{"after": duration_text(item.duration), "to": list(item.to)} for item in policy.escalate],
        "calendar": policy.calendar,
    }


def thaw(frozen: Mapping[str, Any]) -> Policy:
    """The policy in this JSON; what an older release did not know may be missing. Errors: InvalidPolicy."""
    try:
        return Policy(
            frozen["name"],
            version=frozen.get("version", 1),
            stages=[requirements.thaw(stage) for stage in frozen["stages"]],
            never=frozen["never"],
            veto=frozen["veto"],
            remind=frozen.get("remind", ()),
            escalate=[
                Escalation(positive(item["after"]), principals_listed(item["to"]))
                for item in frozen.get("escalate", ())
            ],
            calendar=frozen.get("calendar", ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidPolicy(f"This is no policy in the format {FORMAT}: {error}") from None


# -- pieces ----------------------------------------------------------------------------------------------------------


def _listed(value: Any) -> list[Any]:
    single = str | Marker | Count | AllOf | AnyOf | timedelta | Escalation
    return [value] if isinstance(value, single) or not isinstance(value, Iterable) else list(value)


def _never(item: Any) -> str:
    if isinstance(item, Marker):
        return item.name
    return item if item in (REQUESTER, SAME_PERSON_TWICE) else principal_of(item)


def _escalation(item: Any) -> Escalation:
    if isinstance(item, Escalation):
        return item
    raise InvalidPolicy(f'{item!r:.100} is no escalation; write after("8h", to="group:leads").')
