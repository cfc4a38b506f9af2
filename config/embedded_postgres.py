"""The life of the embedded PostgreSQL: made, started, found again after a crash, and stopped when nobody uses
it.

It listens on a socket in the state folder and on no port. Whoever calls `ensure` counts as a user until its
process ends, however it ends (a shared file lock says so); `config.postgres_keeper` stops the server when the
last user is gone.
"""

import contextlib
import fcntl
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from config import postgres_binaries as binaries
from config.postgres_binaries import DatabaseUnavailable, folder_create, home

__all__ = ["DatabaseUnavailable", "database_settings", "ensure", "is_answering", "stop", "url"]

USER = "postgres"
DATABASE = "countersign"
SOCKET_PATH_LIMIT = 85
START_SECONDS = 60
# Sized for a small machine. Nothing here buys speed with safety: fsync and synchronous_commit stay on.
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "checkpoint_timeout": "10min",
    "wal_compression": "on",
    "jit": "off",
    "io_method": "sync",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
_in_use: dict[Path, IO[str]] = {}


def ensure(state: Path) -> str:
    """Start the server of the state folder unless it answers already; return its URL. Many processes may call
    it at once.

    The data is made on the first use. A server that was killed starts again and recovers every committed row.
    Raises DatabaseUnavailable, whose message says what to do.
    """
    from config.postgres_keeper import keeper_start

    state = state.absolute()
    try:
        state.mkdir(parents=True, exist_ok=True)
        server_use(state)
        with _locked(state / "postgres.lock"):
            if not is_answering(state):
                binaries.home_choose(state)
                if not data_folder(state).exists():
                    _data_create(state)
                _stale_locks_remove(data_folder(state), socket_folder(state))
                _server_start(state)
        keeper_start(state)
    except (OSError, DatabaseUnavailable) as error:
        raise DatabaseUnavailable(
            f"The embedded PostgreSQL did not start in {state}: {error}\n"
            "Free some space, mend the permissions, choose another folder by COUNTERSIGN_VAR, or set "
            "DATABASE_URL to a PostgreSQL of your own."
        ) from error
    return url(state)


def stop(state: Path) -> None:
    """Stop the server now, whoever uses it. Open connections are closed; nothing committed is lost."""
    state = state.absolute()
    with _locked(state / "postgres.lock"):
        if data_folder(state).exists() and is_answering(state):
            binaries.run(state, "pg_ctl", "stop", "-D", data_folder(state), "-m", "fast", "-w", "-t", START_SECONDS)
    if file := _in_use.pop(state, None):
        file.close()


def server_use(state: Path) -> None:
    """Count this process among the users of the server for as long as it lives."""
    if state not in _in_use:
        file = users_file(state).open("w")
        fcntl.flock(file, fcntl.LOCK_SH)
        os.set_inheritable(file.fileno(), True)  # a program that takes our place by exec is still a user
        _in_use[state] = file


def users_file(state: Path) -> Path:
    """The file on which every user of the server holds a shared lock."""
    return state / "postgres.users"


def is_answering(state: Path) -> bool:
    """True when the server accepts connections. A pid file proves nothing."""
    code, _ = binaries.attempt(state, "pg_isready", "-q", "-h", socket_folder(state), "-U", USER, "-d", DATABASE)
    return code == 0


def url(state: Path) -> str:
    """The address of the database in the state folder, whether or not it runs."""
    return f"postgresql://{USER}@/{DATABASE}?host={quote(str(socket_folder(state)), safe='')}"


def database_settings(state: Path) -> dict[str, Any]:
    """The same address, as Django's DATABASES has it."""
    return {"NAME": DATABASE, "USER": USER, "HOST": str(socket_folder(state))}


def data_folder(state: Path) -> Path:
    """The folder that PostgreSQL calls its data directory."""
    return home(state) / "data"


def socket_folder(state: Path) -> Path:
    """Where the socket is: beside the data, or in the temporary folder when that path is too long for a
    socket."""
    usual = home(state.absolute()) / "socket"
    if len(os.fsencode(usual)) <= SOCKET_PATH_LIMIT:
        return usual
    return Path(tempfile.gettempdir()) / f"countersign-{binaries.digest(state)}"


def _data_create(state: Path) -> None:
    """Make the data folder with an empty database in it. It gets its name last, so it is either whole or
    absent."""
    data = data_folder(state)
    draft = data.with_suffix(".new")
    shutil.rmtree(draft, ignore_errors=True)
    folder_create(draft, binaries.server_owner(state))
    collation = ["--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"]
    binaries.run(state, "initdb", "-D", draft, "-A", "trust", "-U", USER, "-E", "UTF8", *collation)
    binaries.run(state, "postgres", "--single", "-D", draft, "postgres", words=f"CREATE DATABASE {DATABASE}")
    draft.rename(data)


def _server_start(state: Path) -> None:
    sockets, data = socket_folder(state), data_folder(state)
    folder_create(sockets, binaries.server_owner(state))
    settings = {**SETTINGS, "unix_socket_directories": str(sockets)}
    options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in settings.items())
    log = data / "server.log"
    log.unlink(missing_ok=True)
    try:
        binaries.run(state, "pg_ctl", "start", "-D", data, "-l", log, "-o", options, "-w", "-t", START_SECONDS)
    except DatabaseUnavailable as error:
        said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
        raise DatabaseUnavailable(f"{error}\n{said}") from error


def _stale_locks_remove(data: Path, sockets: Path) -> None:
    """Remove postmaster.pid and the socket's lock file when no living process works in the data folder.

    PostgreSQL refuses to start while the pid in those files exists, and it may be a zombie that nobody reaps
    (in a container) or an unrelated process that got the number after a restart of the machine.
    """
    files = [data / "postmaster.pid", *sockets.glob(".s.PGSQL.*.lock")]
    if not any(file.exists() for file in files) or not Path("/proc/self").exists():
        return
    deadline = time.monotonic() + 10
    while _is_inhabited(data):  # the children of a killed postmaster need a moment to notice and leave
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)
    for file in files:
        file.unlink(missing_ok=True)


def _is_inhabited(data: Path) -> bool:
    here = data.resolve()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == here:
                return True
    return False


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
