"""How the audience of one open request departs from its policy: handed on, widened, made stricter. Pure functions; the
policy itself stays as it was frozen, and the amendments lie beside it in their order."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import reduce
from typing import Any, Literal

from approvals.policies import Policy
from approvals.requirements import AllOf, AnyOf, Count, Requirement, all_of, any_of

Kind = Literal["reassign", "add", "require", "escalate"]


@dataclass(frozen=True, slots=True)
class Amendment:
    """One change.

    reassign: `to` stands where `instead_of` stood, in every stage and in the veto; ballots cast before count on.
    add: `to` may answer as well, in `stage`. escalate: the same, in `stage` and all later ones.
    require: one of `to` must answer too, in `stage`.
    """

    kind: Kind
    to: tuple[str, ...]
    stage: int = 0
    instead_of: str = ""


def freeze(amendment: Amendment) -> dict[str, Any]:
    """The amendment as JSON: {"kind", "to": [...], "stage", "instead_of"}."""
    return {**asdict(amendment), "to": list(amendment.to)}


def thaw(frozen: Mapping[str, Any]) -> Amendment:
    return Amendment(**{**frozen, "to": tuple(frozen["to"])})


def amended(policy: Policy, amendments: Iterable[Amendment]) -> Policy:
    """The policy as these amendments, in their order, make it."""
    return reduce(_amended, amendments, policy)


def _amended(policy: Policy, amendment: Amendment) -> Policy:
    if amendment.kind == "reassign":
        stages = [_each(stage, lambda count: _handed_on(count, amendment)) for stage in policy.stages]
        veto = [p for item in policy.veto for p in (amendment.to if item == amendment.instead_of else (item,))]
        return policy.changed(stages=stages, veto=dict.fromkeys(veto))
    last = len(policy.stages) if amendment.kind == "escalate" else amendment.stage + 1
    change = _stricter if amendment.kind == "require" else _wider
    stages = [
        change(requirement, amendment.to) if amendment.stage <= stage < last else requirement
        for stage, requirement in enumerate(policy.stages)
    ]
    return policy.changed(stages=stages)


def _handed_on(count: Count, amendment: Amendment) -> Count:
    old, new = amendment.instead_of, amendment.to
    if old not in count.asked:
        return count

    def swap(principals: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p for item in principals for p in (new if item == old else (item,))))

    return replace(count, principals=swap(count.principals), also=swap(count.also), former=(*count.former, old))


def _wider(requirement: Requirement, more: tuple[str, ...]) -> Requirement:
    def widen(count: Count) -> Count:
        return replace(count, also=(*count.also, *(p for p in more if p not in count.asked)))

    return _each(requirement, widen)


def _stricter(requirement: Requirement, more: tuple[str, ...]) -> Requirement:
    return all_of(requirement, any_of(*more))


def _each(requirement: Requirement, change: Callable[[Count], Count]) -> Requirement:
    match requirement:
        case Count():
            return change(requirement)
        case AllOf(parts):
            return AllOf(tuple(_each(part, change) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(_each(part, change) for part in parts))
