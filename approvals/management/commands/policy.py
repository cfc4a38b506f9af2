"""`manage.py policy list | show | simulate`: named policies, and what a changed one would have made of the past."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals import policies, registry, wording
from approvals.audit import events_of
from approvals.models import ApprovalRequest, RequestState
from approvals.people import members_of
from approvals.policies import Policy
from approvals.policy_versions import policy_in_force
from approvals.requirements import InvalidPolicy
from approvals.simulation import Ending, Simulated, ending_of, simulate
from promises.api.inputs import duration_ms
from promises.times import now_ms


class Command(BaseCommand):
    help = "List, show and simulate named policies."
    requires_system_checks: ClassVar[list[str]] = []  # type: ignore[misc]

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="List the registered policies: name, version in force, whom they ask.")
        show = verbs.add_parser("show", help="Print the policy in force as JSON, to be changed and simulated.")
        show.add_argument("name")
        simulated = verbs.add_parser("simulate", help="Say what would have become of past requests under a policy.")
        simulated.add_argument("name", help="The policy whose past requests are replayed.")
        simulated.add_argument("--file", help="The changed policy as JSON; the one in force unless given.")
        simulated.add_argument("--since", metavar="DURATION", default="90d", help="Requests opened since then (90d).")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            match verb:
                case "list":
                    self._list()
                case "show":
                    policy = policy_in_force(registry.policy_named(options["name"]))
                    self.stdout.write(json.dumps(policies.freeze(policy), indent=2, ensure_ascii=False))
                case "simulate":
                    self._simulate(options["name"], options["file"], options["since"])
        except InvalidPolicy as error:
            raise CommandError(str(error)) from None

    def _list(self) -> None:
        for policy in map(policy_in_force, registry.policies_registered()):
            self.stdout.write(f"{policy.name}  {policy.version}  {wording.of_policy(policy)}")

    def _simulate(self, name: str, file: str | None, since: str) -> None:
        changed = _policy_read(file, name) if file else policy_in_force(registry.policy_named(name))
        replayed = differing = 0
        for request, was, would in _replayed(name, changed, now_ms() - _ms(since)):
            replayed += 1
            if would.ending != was or would.refusals:
                differing += 1
                self.stdout.write(_told(request, was, would))
        told = ngettext("%(n)d request replayed", "%(n)d requests replayed", replayed) % {"n": replayed}
        self.stdout.write(_("%(replayed)s: %(n)d would differ.") % {"replayed": told, "n": differing})
        self.stdout.write(_("Voters count as what was recorded of them, and as the members that groups have today."))


def _replayed(name: str, changed: Policy, since: int) -> Iterator[tuple[ApprovalRequest, Ending, Simulated]]:
    members = members_of([*changed.principals(), *changed.barred, *changed.veto])
    states = [RequestState.DECIDED, RequestState.TIMED_OUT]
    for request in ApprovalRequest.objects.filter(policy_name=name, state__in=states, opened_at__gte=since).order_by(
        "opened_at"
    ):
        if events := events_of(request):
            yield request, ending_of(events), simulate(changed, events, members)


def _told(request: ApprovalRequest, was: Ending, would: Simulated) -> str:
    parts = [f"{request.pk}  {request.title}", _("  was: %(ending)s") % {"ending": _ending(request, was)}]
    parts.append(_("  would be: %(ending)s") % {"ending": _ending(request, would.ending)})
    for refusal in would.refusals:
        said = {"who": refusal.actor, "why": wording.of_rule(refusal.rule)}
        parts.append(_("  refused: %(who)s (%(why)s)") % said)
    return "\n".join(parts)


def _ending(request: ApprovalRequest, ending: Ending) -> str:
    if not ending.outcome:
        return _("stalled") if ending.is_stalled else _("still open")
    offered = request.outcome_named(ending.outcome)
    said = {
        "outcome": _(offered.label) if offered else ending.outcome,
        "by": ending.by or _("the deadline"),
        "at": wording.at(ending.at),
    }
    return _("%(outcome)s, by %(by)s at %(at)s") % said


def _policy_read(file: str, name: str) -> Policy:
    try:
        frozen = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(str(error)) from None
    if not isinstance(frozen, dict):
        raise CommandError(_("The file holds no policy."))
    return policies.thaw({**frozen, "name": name})


def _ms(duration: str) -> int:
    try:
        return duration_ms(duration)
    except ValueError as error:
        raise CommandError(str(error)) from None
