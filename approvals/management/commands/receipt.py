"""`manage.py receipt verify | show | key`: receipts of decisions. `verify` needs the public key and no database."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from approvals import keys, signing
from approvals.receipts import receipt_verify
from approvals.signing import NotGenuine


class Command(BaseCommand):
    help = "Verify and show receipts of decisions; show the public key."
    requires_system_checks: ClassVar[list[str]] = []  # type: ignore[misc]

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verify = verbs.add_parser(
            "verify", help="Verify a receipt; exit code 1 if it is not genuine. Needs no database."
        )
        verify.add_argument("file", help="A file with a receipt.")
        verify.add_argument(
            "--key", action="append", default=[], metavar="KEY", help="A public key, or a file with one."
        )
        show = verbs.add_parser("show", help="Print the receipt of a request's decision.")
        show.add_argument("request", help="The id of the request.")
        verbs.add_parser("key", help="Print this installation's public key, which verifies its receipts.")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        match verb:
            case "verify":
                self._verify(options["file"], options["key"])
            case "show":
                self._show(options["request"])
            case "key":
                self._key()

    def _verify(self, file: str, key: list[str]) -> None:
        try:
            receipt = json.loads(Path(file).read_text(encoding="utf-8"))
            content = receipt_verify(receipt, keys.known_keys(key))
        except (OSError, ValueError, NotGenuine) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(_told(content))

    def _show(self, request: str) -> None:
        from approvals.errors import RequestNotFound
        from approvals.queries import decision_get

        try:
            decision = decision_get(request)
        except RequestNotFound as error:
            raise CommandError(str(error)) from None
        if decision.receipt is None:
            raise CommandError(_("This decision carries no receipt: the installation had no signing key."))
        self.stdout.write(json.dumps(decision.receipt, indent=2, ensure_ascii=False))

    def _key(self) -> None:
        key = keys.signing_key()
        if key is None:
            raise CommandError(f"{keys.MISSING} {keys.HINT}")
        self.stdout.write(signing.public_text(key.public_key()))


def _told(content: dict[str, Any]) -> str:
    """The decision in one line."""
    who = content["by"] or _("the deadline")
    if content["on_behalf_of"]:
        who = _("%(deputy)s for %(place)s") % {"deputy": who, "place": content["on_behalf_of"]}
    said = {"title": content["title"], "outcome": content["outcome"], "who": who, "at": content["decided_at"]}
    return _("Genuine. %(title)s: %(outcome)s, by %(who)s at %(at)s.") % said
