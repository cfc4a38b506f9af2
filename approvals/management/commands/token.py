"""`manage.py token create | list | revoke`: API tokens for programs. `create` prints the token, and nothing else,
on stdout."""

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from approvals.tokens import SCOPES, ApiToken, token_create, token_revoke
from promises.api.inputs import duration_ms


class Command(BaseCommand):
    help = "Create, list and revoke API tokens."
    requires_system_checks: ClassVar[list[str]] = []  # type: ignore[misc]

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="Make a token for a user and print it.")
        create.add_argument("username")
        create.add_argument("--scope", action="append", default=[], metavar="SCOPE", help=", ".join(SCOPES))
        create.add_argument(
            "--expires", metavar="DURATION", help="For example 90d; without it the token does not expire."
        )
        create.add_argument(
            "--machine",
            action="store_true",
            help="The token acts for an agent or a service: it may not decide approvals.",
        )
        verbs.add_parser("list", help="List tokens: prefix, user, scopes, dates.")
        revoke = verbs.add_parser("revoke", help="Make a token useless at once.")
        revoke.add_argument("prefix")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        now = timezone.now()
        match verb:
            case "create":
                self._create(now, options)
            case "list":
                self._list(now)
            case "revoke":
                self._revoke(now, options["prefix"])

    def _create(self, now: datetime, options: dict[str, Any]) -> None:
        users = get_user_model()
        try:
            user = users.objects.get_by_natural_key(options["username"])
            expires_at = _expiry(now, options["expires"])
            _token, text = token_create(
                user, options["scope"], now=now, expires_at=expires_at, human=not options["machine"]
            )
        except users.DoesNotExist:
            raise CommandError(_("There is no user “%(name)s”.") % {"name": options["username"]}) from None
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(text)

    def _list(self, now: datetime) -> None:
        for token in ApiToken.objects.select_related("user"):
            cells = [
                f"cs_{token.prefix}",
                token.user.get_username(),
                ",".join(token.scopes),
                _("person") if token.human else _("machine"),
                _("valid") if token.is_valid(now) else _("revoked") if token.revoked_at else _("expired"),
                _("expires %(at)s") % {"at": _day(token.expires_at)},
                _("used %(at)s") % {"at": _day(token.last_used_at)},
            ]
            self.stdout.write("  ".join(cells))

    def _revoke(self, now: datetime, prefix: str) -> None:
        if token_revoke(prefix, now=now) is None:
            raise CommandError(_("There is no token “%(prefix)s”; `token list` shows them.") % {"prefix": prefix})
        self.stdout.write(_("Revoked."))


def _expiry(now: datetime, text: str | None) -> datetime | None:
    """`now` plus the duration; ValueError when it is no duration or lies beyond the calendar."""
    if text is None:
        return None
    try:
        return now + timedelta(milliseconds=duration_ms(text))
    except OverflowError:
        raise ValueError(_("“%(text)s” is too far away.") % {"text": text}) from None


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else _("never")
