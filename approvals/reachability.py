"""Whether a request can still be decided for something: if everybody who may vote did, could every stage be met?

Stages are independent of each other unless the policy excludes the same person twice: then people are shared out among
them. People who match the same principals are alike, so it is numbers of each kind that are shared out, and only the
smallest shares that meet a stage are looked at.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

from approvals.counting import Cast, Members, Voters, is_met, need, voted_before, voters_for
from approvals.outcomes import Outcome
from approvals.policies import Policy
from approvals.requirements import AllOf, AnyOf, Count, Requirement

Kind = tuple[str, ...]  # the principals that somebody matches
Share = tuple[int, ...]  # how many of each kind
# So many shares are tried at most. Beyond that the request counts as one that can be decided: it is looked at again in
# every later stage, with fewer stages left.
TRIES = 20_000


def is_reachable(
    policy: Policy, stage: int, ballots: Sequence[Cast], outcomes: Iterable[Outcome], able: Members
) -> bool:
    """Whether some outcome that is not negative can still be reached from here; where only negative ones are offered,
    whether anybody may vote."""
    here = [ballot for ballot in ballots if ballot.stage == stage]
    out = voted_before(policy, ballots, stage) | {name for ballot in here for name in ballot.people}
    hopeful = _matched(able, policy.principals(stage), out)
    wanted = [outcome.name for outcome in outcomes if not outcome.is_negative]
    if not wanted:
        return bool(hopeful)
    if policy.excludes_same_person and stage + 1 < len(policy.stages):
        return any(_can_share_out(policy, stage, voters_for(name, here), able, out) for name in wanted)
    now = any(is_met(policy.stages[stage], {**hopeful, **voters_for(name, here)}, able) for name in wanted)
    later = range(stage + 1, len(policy.stages))
    return now and all(is_met(policy.stages[n], _matched(able, policy.principals(n)), able) for n in later)


def _matched(able: Members, principals: Iterable[str], out: Iterable[str] = ()) -> dict[str, Kind]:
    """Everybody who matches one of these principals, with all that he matches."""
    found: dict[str, Kind] = {}
    for principal in principals:
        for name in able.get(principal, ()):
            if name not in out:
                found[name] = (*found.get(name, ()), principal)
    return found


def _can_share_out(policy: Policy, stage: int, voters: Voters, able: Members, out: set[str]) -> bool:
    """Whether the stages from this one on can all be met by people who vote once."""
    principals = dict.fromkeys(p for n in range(stage, len(policy.stages)) for p in policy.principals(n))
    crowd = Counter(_matched(able, principals, out).values())
    # Who is of use in few stages is spent first: then what fits is found early.
    asked = [set(policy.principals(n)) for n in range(stage, len(policy.stages))]
    kinds = sorted(crowd, key=lambda kind: sum(not stage_asks.isdisjoint(kind) for stage_asks in asked))
    search = _Search(kinds, able)
    try:
        return search.fits(policy.stages[stage:], tuple(crowd[kind] for kind in kinds), voters)
    except _TooMany:
        return True


class _TooMany(Exception):
    """More shares than are worth trying."""


class _Search:
    """Tries shares of a crowd until every stage has one."""

    def __init__(self, kinds: Sequence[Kind], able: Members) -> None:
        self.kinds, self.able = kinds, able
        self.tried = 0

    def fits(self, stages: Sequence[Requirement], crowd: Share, voters: Voters) -> bool:
        """Whether all these stages can be met; `voters` have voted in the first of them."""
        if not stages:
            return True
        return any(
            self.fits(stages[1:], tuple(c - s for c, s in zip(crowd, share, strict=True)), {})
            for share in self.shares(stages[0], crowd, voters)
        )

    def shares(self, requirement: Requirement, crowd: Share, voters: Voters) -> Iterator[Share]:
        """The smallest shares of the crowd that, with these voters, meet the requirement (and some that are not)."""
        match requirement:
            case Count():
                found = self._of_count(requirement, crowd, voters)
            case AllOf(parts):
                several = product(*(list(self.shares(part, crowd, voters)) for part in parts))
                found = (tuple(max(column) for column in zip(*each, strict=True)) for each in several)
            case AnyOf(parts):
                found = (share for part in parts for share in self.shares(part, crowd, voters))
        for share in found:
            self.tried += 1
            if self.tried > TRIES:
                raise _TooMany
            yield share

    def _of_count(self, count: Count, crowd: Share, voters: Voters) -> Iterator[Share]:
        missing = need(count, self.able) - sum(count.is_matched_by(matched) for matched in voters.values())
        usable = [n if count.is_matched_by(kind) else 0 for n, kind in zip(crowd, self.kinds, strict=True)]
        return _splits(max(missing, 0), usable)


def _splits(total: int, limits: Sequence[int]) -> Iterator[Share]:
    """Every way to make `total` of at most so many of each, the first kinds first."""
    if not limits:
        if total == 0:
            yield ()
        return
    rest = sum(limits[1:])
    for taken in range(min(total, limits[0]), max(total - rest, 0) - 1, -1):
        for others in _splits(total - taken, limits[1:]):
            yield (taken, *others)
