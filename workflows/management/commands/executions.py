"""`manage.py executions halted | continue | cancel | export`: what an operator does about executions at a terminal, and
what an author takes home from there. `export` prints the history, and nothing else, on stdout."""

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from promises.errors import CodedError
from promises.queries import executions, halted_executions, halted_in
from workflows.errors import ExecutionNotFound
from workflows.executions import Handle
from workflows.halts import execution_continue, halt_words


class Command(BaseCommand):
    help = "List halted executions, continue them after a fix, cancel executions, export their histories."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        halted = verbs.add_parser("halted", help="List what is halted, and why.")
        halted.add_argument("--workflow", help="Only executions of this workflow.")
        going_on = verbs.add_parser("continue", help="Let the halted parts of executions go on.")
        going_on.add_argument("id", nargs="*")
        going_on.add_argument("--all", action="store_true", help="Everything that is halted.")
        going_on.add_argument("--workflow", help="All halted executions of this workflow.")
        going_on.add_argument("--reason", required=True, help="What was mended; it is logged.")
        cancel = verbs.add_parser("cancel", help="Cancel executions and all of them that is pending.")
        cancel.add_argument("id", nargs="+")
        export = verbs.add_parser("export", help="Print what an execution has recorded, as JSON for `assert_replays`.")
        export.add_argument("id")
        export.add_argument("--output", metavar="FILE", type=Path, help="Write it into this file instead.")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        match verb:
            case "halted":
                for id, words in _halted(options["workflow"]).items():
                    self.stdout.write(f"{id}  {words}")
            case "continue":
                self._continue(options)
            case "cancel":
                self._each(options["id"], _cancel)
            case "export":
                self._export(options["id"], options["output"])

    def _continue(self, options: dict[str, Any]) -> None:
        wants_all = options["all"] or options["workflow"]
        if bool(options["id"]) == bool(wants_all):
            raise CommandError(_("Name executions, or give --all or --workflow."))
        ids = list(_halted(options["workflow"])) if wants_all else options["id"]
        self._each(ids, lambda execution: " ".join(["continued", *execution_continue(execution, options["reason"])]))

    def _export(self, id: str, output: Path | None) -> None:
        try:
            text = Handle[Any](id).history().text()
            if output is None:
                self.stdout.write(text, ending="")
            else:
                output.write_text(text, encoding="utf-8")
        except (ExecutionNotFound, OSError) as error:
            raise CommandError(str(error)) from None

    def _each(self, ids: list[str], verb: Callable[[str], str]) -> None:
        """Do it to all of them; what fails is said, and makes the command fail at the end."""
        failures = 0
        for id in ids:
            try:
                self.stdout.write(f"{id}  {verb(id)}")
            except CodedError as error:
                failures += 1
                self.stderr.write(f"{id}  {error}")
        if failures:
            raise CommandError(_("%(n)d of %(all)d could not be done.") % {"n": failures, "all": len(ids)})


def _cancel(execution: str) -> str:
    return str(Handle[Any](execution).cancel().state)


def _halted(workflow: str | None) -> dict[str, str]:
    """Why each halted execution is halted, by id."""
    found = executions().filter(pk__in=halted_executions())
    if workflow:
        found = found.filter(tags__contains={"countersign:func": workflow})
    ids = list(found.values_list("pk", flat=True))
    halted = halted_in(ids)
    return {id: halt_words(id, halted[id]) for id in ids if id in halted}
