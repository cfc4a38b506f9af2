"""The command line of `python -m workflows`, and what its exit codes mean."""

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from datetime import timedelta
from functools import partial

from workflows.durations import duration_of
from workflows.terminal.errors import CannotRun
from workflows.terminal.screen import Screen
from workflows.terminal.sessions import INTERRUPTED, USAGE, Session

log = logging.getLogger(__name__)

DESCRIPTION = """\
Run a workflow in this process, in local mode: no server, no database, no settings, nothing kept. Its calls are shown
as they happen, and what it asks of people, or of the world outside, is asked here.

  python -m workflows run refunds.py::refund A-17 129.00
  python -m workflows run shop.workflows::refund A-17 --kw 'items=["book"]' --id refund-A-17
"""
EPILOG = """\
Arguments are JSON where they are JSON and the function's annotations take it, else texts. The result is written to
stdout as JSON, everything else to stderr.

exit codes:
  0    the workflow ended with a result
  1    it failed, or was halted
  2    what was typed names no workflow, or not its arguments
  3    it waits for an answer, and the input has ended
  130  interrupted (Ctrl-C)
"""
_HELP = (["-h"], ["--help"])


def main(words: Sequence[str]) -> int:
    """Carry out one command; its exit code. `words` are those after the program's name."""
    parser = parser_of_run()
    command, rest = list(words[:1]), words[1:]
    if command != ["run"]:
        parser.print_help(sys.stdout if command in _HELP else sys.stderr)
        return 0 if command in _HELP else USAGE
    options = parser.parse_intermixed_args(rest)
    if options.verbose:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    else:
        logging.getLogger("workflows").addHandler(logging.NullHandler())
    result = sys.stdout
    with redirect_stdout(sys.stderr):  # also what the workflow prints
        screen = Screen()
        try:
            return Session(screen, options).run(result)
        except CannotRun as error:
            if options.verbose:
                log.exception("what was typed cannot be run")
            screen.say(f"error: {error}", "bold red")
            return USAGE
        except KeyboardInterrupt:  # while the file was imported
            return INTERRUPTED


def parser_of_run() -> argparse.ArgumentParser:
    """The options of `run`, and its help."""
    parser = argparse.ArgumentParser(
        prog="python -m workflows run",
        usage="python -m workflows run FILE.py::FUNCTION [ARGUMENT ...] [--kw NAME=VALUE ...] [OPTIONS]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=100),
    )
    parser.add_argument("address", metavar="FILE.py::FUNCTION", help="or package.module::function")
    parser.add_argument("arguments", nargs="*", metavar="ARGUMENT")
    parser.add_argument("--kw", action="append", default=[], metavar="NAME=VALUE", help="an argument by its name")
    parser.add_argument("--id", help="the execution's id")
    parser.add_argument("--requester", default="", metavar="NAME", help="in whose name it runs")
    parser.add_argument("--timeout", type=_duration, metavar="TIME", help="its time, such as 90s, 25h or 3d")
    parser.add_argument("--plain", action="store_true", help="a line for each event, also on a terminal")
    parser.add_argument("-v", "--verbose", action="store_true", help="what is logged, with tracebacks; plain")
    return parser


def _duration(text: str) -> timedelta:
    try:
        return duration_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
