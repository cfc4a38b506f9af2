"""What a policy would have made of requests that went under another one: their ballots, cast again in their order. Pure
functions of the recorded events and of the people there are now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from approvals import outcomes
from approvals.amendments import Amendment, amended
from approvals.calendars import moment_after
from approvals.counting import Cast, Members
from approvals.errors import ApprovalError
from approvals.outcomes import Outcome
from approvals.policies import Policy
from approvals.rebuilding import Event
from approvals.rules import Rule, Standing, Voter, ballot_check, eligibility
from approvals.verdicts import Decided, Stalled, evaluate

CHANGES_BY_PEOPLE = ("reassigned", "approver_added", "escalated")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ended: with which outcome, by whom ('' for the deadline) and when (ms); no outcome while it is
    open."""

    outcome: str = ""
    by: str = ""
    at: int | None = None
    is_stalled: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A ballot that would not have been taken, and the rule that is in the way."""

    actor: str
    rule: Rule


@dataclass(slots=True)
class Simulated:
    """What would have become of a request."""

    ending: Ending = field(default_factory=Ending)
    refusals: list[Refusal] = field(default_factory=list)


def ending_of(events: Iterable[Event]) -> Ending:
    """How the request really ended."""
    for event in events:
        if event.kind in ("decided", "timed_out"):
            return Ending(event.data["outcome"], event.actor, event.happened_at)
    return Ending()


def simulate(policy: Policy, events: Sequence[Event], members: Members) -> Simulated:
    """Cast the ballots of these events again under `policy`. Voters count as what they were recorded to be, and as what
    they are in `members`. What people changed about the audience is changed again; reminders and escalations are those
    of `policy`."""
    found = _Replay(policy, events[0], members)
    for event in events:
        if event.kind == "ballot":
            found.ballot(event)
        elif event.kind in CHANGES_BY_PEOPLE:
            found.amend(event)
        if found.told.ending.outcome:
            return found.told
    found.time_out(events[0])
    return found.told


class _Replay:
    def __init__(self, policy: Policy, opened: Event, members: Members) -> None:
        self.policy, self.members = policy, members
        self.requester, self.opened_at = opened.actor, opened.happened_at
        self.outcomes: tuple[Outcome, ...] = outcomes.thaw(opened.data["outcomes"])
        self.amendments: list[Amendment] = []
        self.casts: list[Cast] = []
        self.stage = 0
        self.told = Simulated()

    def ballot(self, event: Event) -> None:
        policy = self._policy_at(event.happened_at)
        recorded, place = event.data["as"], event.data.get("for", "")
        voter = self._voter(event.actor, [] if place else recorded)
        delegators = [self._voter(place, recorded)] if place else []
        standing = Standing(self.casts, self.requester, self.stage)
        found = eligibility(policy, voter, standing, delegators, on_behalf_of=place)
        try:
            chosen = ballot_check(found, self.outcomes, event.data["outcome"], event.data["comment"])
        except ApprovalError:
            if found.obstacle:
                self.told.refusals.append(Refusal(event.actor, found.obstacle))
            return
        self.casts.append(Cast(event.actor, chosen.name, found.matched, self.stage, place))
        self._evaluate(policy, event)

    def amend(self, event: Event) -> None:
        data = event.data
        if event.kind == "escalated" and data["because"] != "asked":
            return  # those of the policy come by themselves
        kind = {"reassigned": "reassign", "escalated": "escalate"}.get(event.kind) or (
            "require" if data["required"] else "add"
        )
        self.amendments.append(Amendment(kind, tuple(data["to"]), self.stage, data.get("from", "")))  # type: ignore[arg-type]

    def time_out(self, opened: Event) -> None:
        """Nobody has decided: the deadline does, if there is one."""
        if opened.data["deadline_at"] is not None:
            self.told.ending = Ending(opened.data["timeout_outcome"], "", opened.data["deadline_at"])

    def _evaluate(self, policy: Policy, event: Event) -> None:
        verdict = evaluate(policy, self.casts, self.outcomes, self.members, requester=self.requester, stage=self.stage)
        if isinstance(verdict, Decided):
            self.told.ending = Ending(verdict.outcome, event.actor, event.happened_at)
            return
        self.stage = verdict.stage
        self.told.ending = Ending(is_stalled=isinstance(verdict, Stalled))

    def _policy_at(self, now: int) -> Policy:
        due = [
            Amendment("escalate", item.to)
            for item in self.policy.escalate
            if moment_after(self.opened_at, item.duration, self.policy.calendar) <= now
        ]
        return amended(self.policy, [*self.amendments, *due])

    def _voter(self, name: str, recorded: Iterable[str]) -> Voter:
        today = {principal for principal, names in self.members.items() if name in names}
        return Voter(name, frozenset(today.union(recorded)))
