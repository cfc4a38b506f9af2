"""`manage.py execution export ID`: an execution's history, for `assert_replays`. Prints it, and nothing else, on
stdout, unless a file is named."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from workflows import executions
from workflows.errors import ExecutionNotFound


class Command(BaseCommand):
    help = "Export what an execution has recorded."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        export = verbs.add_parser(
            "export", help="Print the history of an execution as JSON: all its promises, with their values."
        )
        export.add_argument("id", help="The execution's id.")
        export.add_argument("--output", metavar="FILE", type=Path, help="Write it into this file instead.")

    def handle(self, *args: Any, verb: str, id: str, output: Path | None, **options: Any) -> None:
        try:
            text = executions.Handle[Any](id).history().text()
        except ExecutionNotFound as missing:
            raise CommandError(str(missing)) from None
        if output is None:
            self.stdout.write(text, ending="")
            return
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(
                _("%(file)s cannot be written: %(reason)s") % {"file": output, "reason": error.strerror}
            ) from None
