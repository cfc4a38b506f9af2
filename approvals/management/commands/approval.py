"""`manage.py approval decide ID OUTCOME --as USER`: answer a request from the shell, by the same rules as anywhere."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from approvals import operations, wording
from approvals.channels import COMMAND
from approvals.errors import ApprovalError
from approvals.people import user_named
from promises.times import now_ms


class Command(BaseCommand):
    help = "Answer a request for approval as one of its people; recorded as a decision by the command line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        decide = verbs.add_parser(
            "decide", help="Cast a ballot. Whoever has the shell can name anybody: guard the shell."
        )
        decide.add_argument("id")
        decide.add_argument("outcome")
        decide.add_argument("--as", dest="username", required=True, metavar="USER")
        decide.add_argument("--comment", default="")
        decide.add_argument("--digest", help="Of the card that was read: it is refused if that has changed.")

    def handle(
        self, *args: Any, id: str, outcome: str, username: str, comment: str, digest: str | None, **options: Any
    ) -> None:
        user = user_named(username)
        if user is None:
            raise CommandError(_("There is no active user “%(name)s”.") % {"name": username})
        try:
            vote = operations.approval_decide(
                id,
                actor=user,
                outcome=outcome,
                comment=comment,
                digest=digest,
                channel=COMMAND.name,
                now=now_ms(),
            )
        except ApprovalError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(wording.of_vote(vote.request, vote.ballot.outcome))
