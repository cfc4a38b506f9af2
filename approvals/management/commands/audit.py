"""`manage.py audit verify | export | prune`: the record of what happened, verified, written to a file, shortened."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals import keys
from approvals.chains import Break
from approvals.exporting import export_lines, export_verify
from approvals.signing import NotGenuine
from promises.api.inputs import duration_ms
from promises.times import now_ms


class Command(BaseCommand):
    help = "Verify, export and prune the audit."
    requires_system_checks: ClassVar[list[str]] = []  # type: ignore[misc]

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verify = verbs.add_parser(
            "verify", help="Name the first broken link of every stream; exit code 1 if there is one."
        )
        verify.add_argument("file", nargs="?", help="An export, instead of the database (none is asked then).")
        verify.add_argument(
            "--key", action="append", default=[], metavar="KEY", help="A public key, or a file with one."
        )
        export = verbs.add_parser("export", help="Write events as JSON Lines to stdout, signed by the last line.")
        export.add_argument("--stream", help="One stream: the id of a request, policy:NAME or delegation:NAME.")
        export.add_argument("--since", metavar="DURATION", help="Only what happened since then, such as 30d.")
        prune = verbs.add_parser("prune", help="Remove old events of what is closed; checkpoints take their place.")
        prune.add_argument("--older-than", metavar="DURATION", required=True, help="For example 730d.")
        prune.add_argument("--dry-run", action="store_true", help="Only say how many there are.")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        match verb:
            case "verify":
                self._verify(options["file"], options["key"])
            case "export":
                self._export(options["stream"], options["since"])
            case "prune":
                self._prune(options["older_than"], is_dry=options["dry_run"])

    def _verify(self, file: str | None, key: list[str]) -> None:
        public_keys = _keys(key)
        if file:
            count, found = self._verify_file(file, public_keys)
        else:
            count, found = self._verify_database(public_keys)
        for item in found:
            self.stdout.write(str(item))
        if found:
            raise CommandError(_("The audit is broken; the first broken link of each stream is above."))
        told = ngettext("%(n)d event verified; no link is broken.", "%(n)d events verified; no link is broken.", count)
        self.stdout.write(told % {"n": count})

    def _verify_file(self, file: str, public_keys: list[Ed25519PublicKey]) -> tuple[int, list[Break]]:
        try:
            with Path(file).open(encoding="utf-8", newline="\n") as lines:
                return export_verify(lines, public_keys)
        except (OSError, UnicodeDecodeError, NotGenuine) as error:
            raise CommandError(str(error)) from None

    def _verify_database(self, public_keys: list[Ed25519PublicKey]) -> tuple[int, list[Break]]:
        from approvals.models import AuditEvent
        from approvals.verification import breaks

        return AuditEvent.objects.count(), list(breaks(public_keys))

    def _export(self, stream: str | None, since: str | None) -> None:
        from approvals.models import AuditEvent

        now = now_ms()
        events = AuditEvent.objects.order_by("stream", "number")
        if stream:
            events = events.filter(stream=stream)
        if since:
            events = events.filter(happened_at__gte=now - _ms(since))
        for line in export_lines(events.iterator(2000), now=now):
            self.stdout.write(line, ending="")
        if keys.signing_key() is None:
            print(keys.MISSING, file=sys.stderr)

    def _prune(self, older_than: str, *, is_dry: bool) -> None:
        from approvals.pruning import audit_prune, prunable

        now = now_ms()
        before = now - _ms(older_than)
        removed = sum(prunable(before).values()) if is_dry else audit_prune(before, now=now)
        told = ngettext("%(n)d event removed.", "%(n)d events removed.", removed)
        if is_dry:
            told = ngettext("%(n)d event would be removed.", "%(n)d events would be removed.", removed)
        self.stdout.write(told % {"n": removed})


def _keys(given: list[str]) -> list[Ed25519PublicKey]:
    try:
        return keys.known_keys(given)
    except ValueError as error:
        raise CommandError(str(error)) from None


def _ms(duration: str) -> int:
    try:
        return duration_ms(duration)
    except ValueError as error:
        raise CommandError(str(error)) from None
