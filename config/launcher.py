"""What `./run` does: reads the command line, sees to the database, and starts the programs or the tool
that was asked for."""

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from config import checks, embedded_postgres, programs
from config.supervisor import Supervisor, say

HELP = """\
./run                     start everything: database, web, worker, clock, and people to try it with
./run --port 8001         the same on another port (--host ADDRESS for other interfaces)
./run --no-demo           the same without demo people: ./run manage createsuperuser makes your account

./run test [OPTIONS]      every test, or what the options (those of pytest) choose
./run lint                ruff, mypy, import contracts, templates
./run check               lint, missing migrations, and every test: what CI runs
./run bench [OPTIONS]     measurements beside a plain loop
./run chaos [OPTIONS]     executions while everything around them is killed; what is left is counted
./run reference           docs/reference anew, from the docstrings

./run web [--port N] [--host ADDRESS]     one program alone, kept running; each has its place on a server
./run worker [OPTIONS]                    (options are Celery's)
./run clock
./run manage COMMAND ...  a Django command: migrate, createsuperuser, token, shell ...

Environment: DATABASE_URL and CELERY_BROKER_URL use servers of your own; COUNTERSIGN_APPS=pkg.one,two adds
your apps; COUNTERSIGN_VAR moves the state folder; PYTHON chooses the interpreter. deploy/countersign.env
explains the rest.
"""
WELCOME = """
Countersign runs at {url}

  people    ana (asks)   bob, carol (finance)   dave, erin, frank (sre)   admin (sees everything)
  password  demo

  What next: sign in as ana and start the workflow "expense" with the sample claim; then sign in as bob (in a
  private window) and approve it. The run page shows it finish. Ctrl-C stops everything; ./run goes on.
"""
WELCOME_PLAIN = """
Countersign runs at {url}

  What next: make yourself an account by ./run manage createsuperuser, then sign in. Ctrl-C stops everything.
"""
WEB_START_SECONDS = 60
WITHOUT_DATABASE = (["receipt", "verify"], ["receipt", "key"])


class CannotStart(Exception):
    """Nothing was started; the message says what is in the way and what to do."""


def main(arguments: list[str]) -> int:
    """Run one command of `./run`; its exit code."""
    commands: dict[str, Callable[[list[str]], int]] = {
        "web": web,
        "worker": lambda options: supervise([programs.worker(*options)]),
        "clock": lambda options: supervise([programs.clock(*options)]),
        "manage": manage,
        "bench": bench,
        "chaos": chaos,
        "reference": reference,
        "test": checks.test,
        "lint": checks.lint,
        "check": checks.check,
    }
    command, options = (arguments[0], arguments[1:]) if arguments else ("", [])
    try:
        if command in ("-h", "--help", "help"):
            print(HELP, end="")
            return 0
        if not command or command.startswith("-"):
            return serve(arguments)
        if command in commands:
            return commands[command](options)
    except (CannotStart, embedded_postgres.DatabaseUnavailable) as error:
        say(str(error))
        return 1
    say(f"There is no command {command!r}.\n\n{HELP}")
    return 2


def serve(arguments: list[str]) -> int:
    """Everything on one machine, for a newcomer."""
    parser = argparse.ArgumentParser("./run", usage=HELP, add_help=False)
    _add_address(parser)
    parser.add_argument("--no-demo", action="store_true")
    options = parser.parse_args(arguments)
    url = f"http://{'127.0.0.1' if options.host == '0.0.0.0' else options.host}:{options.port}"  # noqa: S104
    os.environ.setdefault("COUNTERSIGN_DEMO", "0" if options.no_demo else "1")
    os.environ.setdefault("COUNTERSIGN_PUBLIC_URL", url)
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    os.environ.setdefault("LOG_FORMAT", "console")
    port_check(options.host, options.port)
    say("Starting Countersign ...")
    state = database_start()
    prepare(*([] if options.no_demo else ["--demo"]))

    def welcome() -> bool:
        if not answers(f"{url}/health/"):
            say(f"The web server did not answer at {url} in {WEB_START_SECONDS} s; the lines above say why.")
            return False
        say((WELCOME_PLAIN if options.no_demo else WELCOME).format(url=os.environ["COUNTERSIGN_PUBLIC_URL"]))
        return True

    everything = [programs.web(options.host, options.port), programs.worker(), programs.clock()]
    return Supervisor(everything, state).run(welcome)


def web(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("./run web")
    _add_address(parser)
    options = parser.parse_args(arguments)
    port_check(options.host, options.port)
    return supervise([programs.web(options.host, options.port)])


def supervise(wanted: list[programs.Program]) -> int:
    """Keep the programs running; an embedded database is prepared first, a database of your own is left as
    it is."""
    state = database_start()
    if state:
        prepare()
    return Supervisor(wanted, state).run()


def manage(arguments: list[str]) -> int:
    if arguments[:2] not in WITHOUT_DATABASE:
        database_start()
    _become(programs.manage(*arguments))
    return 1


def bench(arguments: list[str]) -> int:
    _become((sys.executable, "-m", "bench", *arguments))
    return 1


def chaos(arguments: list[str]) -> int:
    _become((sys.executable, "-m", "bench.chaos", *arguments))
    return 1


def reference(arguments: list[str]) -> int:
    _become((sys.executable, "-m", "config.reference", *arguments))
    return 1


def database_start() -> Path | None:
    """Start the embedded database and return its state folder; None when DATABASE_URL names another one."""
    if os.environ.get("DATABASE_URL"):
        return None
    state = Path(os.environ.get("COUNTERSIGN_VAR") or programs.ROOT / "var").absolute()
    os.environ["COUNTERSIGN_VAR"] = str(state)
    embedded_postgres.ensure(state)
    return state


def prepare(*options: str) -> None:
    """Migrate, install the queue, collect the static files. Raises CannotStart with the last lines of what
    went wrong."""
    done = subprocess.run(
        programs.manage("prepare", "--verbosity", "0", *options),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        database = "DATABASE_URL" if os.environ.get("DATABASE_URL") else "the embedded database"
        said = "\n".join(done.stderr.strip().splitlines()[-6:])
        raise CannotStart(f"{said}\n\nThe preparation failed (with {database}). Mend that and start again.")


def port_check(host: str, port: int) -> None:
    """Raises CannotStart when the address cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((host, port))
        except (OSError, OverflowError) as error:
            raise CannotStart(
                f"Port {port} on {host} cannot be used: {getattr(error, 'strerror', None) or error}.\n"
                "Stop the program that uses it (is another ./run still going?), or choose another port: "
                f"--port {port + 1 if port < 65535 else 8000}"
            ) from error


def answers(url: str) -> bool:
    """Wait until the address answers; False after a minute."""
    deadline = time.monotonic() + WEB_START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310  (our own address)
                return True
        except urllib.error.HTTPError:
            return True
        except (OSError, ValueError):
            time.sleep(0.05)
    return False


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=int(os.environ.get("COUNTERSIGN_PORT", "8000")))
    parser.add_argument("--host", default=os.environ.get("COUNTERSIGN_HOST", "127.0.0.1"))


def _become(command: tuple[str, ...]) -> None:
    """Let the command take our place: its terminal, its signals and its exit code are then its own."""
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
