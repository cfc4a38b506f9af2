"""The embedded PostgreSQL through all that happens to it: first start, kill -9, long paths, no permission."""

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config import embedded_postgres, postgres_binaries
from config.embedded_postgres import DatabaseUnavailable, data_folder, socket_folder

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc to find the server")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    yield folder
    embedded_postgres.stop(folder)


def rows(state: Path) -> int:
    with psycopg.connect(embedded_postgres.url(state)) as connection:
        row = connection.execute("select count(*) from kept").fetchone()
        return row[0] if row else 0


def write_rows(state: Path, count: int = 100) -> None:
    with psycopg.connect(embedded_postgres.url(state), autocommit=True) as connection:
        connection.execute("create table if not exists kept (id serial)")
        for _ in range(count):
            connection.execute("insert into kept default values")


def postmaster_pid(state: Path) -> int:
    return int((data_folder(state) / "postmaster.pid").read_text().split()[0])


def server_pids(state: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == data_folder(state):
                found.append(int(process.name))
    return found


def kill_all(state: Path) -> None:
    for pid in server_pids(state):
        with contextlib.suppress(ProcessLookupError):  # the others leave when their postmaster has gone
            os.kill(pid, signal.SIGKILL)


def wait_until_stopped(state: Path, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not server_pids(state) and not embedded_postgres.is_answering(state):
            return True
        time.sleep(0.05)
    return False


def test_a_second_start_keeps_the_data(state):
    embedded_postgres.ensure(state)
    write_rows(state)
    embedded_postgres.stop(state)
    assert not embedded_postgres.is_answering(state)
    embedded_postgres.ensure(state)
    assert rows(state) == 100


def test_commits_are_on_disk_before_they_are_reported(state):
    with psycopg.connect(embedded_postgres.ensure(state)) as connection:
        settings = dict(connection.execute("select name, setting from pg_settings").fetchall())
    assert (settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"]) == (
        "on",
        "on",
        "on",
    )
    assert settings["listen_addresses"] == ""
    assert settings["unix_socket_permissions"] == "0700"


def test_a_killed_postmaster_starts_again_with_every_row(state):
    embedded_postgres.ensure(state)
    write_rows(state)
    os.kill(postmaster_pid(state), signal.SIGKILL)
    embedded_postgres.ensure(state)
    assert rows(state) == 100


def test_all_processes_killed_at_once(state):
    embedded_postgres.ensure(state)
    write_rows(state)
    kill_all(state)
    embedded_postgres.ensure(state)
    assert rows(state) == 100


def test_a_foreign_process_with_the_old_pid_is_no_server(state):
    embedded_postgres.ensure(state)
    write_rows(state)
    pid_file = data_folder(state) / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    kill_all(state)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    embedded_postgres.ensure(state)
    assert rows(state) == 100


def test_an_interrupted_first_start_is_begun_anew(state):
    draft = data_folder(state.absolute()).with_suffix(".new")
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18")
    embedded_postgres.ensure(state)
    write_rows(state, 1)


def _ensure_and_ask(state: Path, answers) -> None:
    with psycopg.connect(embedded_postgres.ensure(state)) as connection:
        answers.put(connection.execute("select pg_postmaster_start_time()::text").fetchone())


def test_processes_that_start_together_share_one_server(state):
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.SimpleQueue()
    embedded_postgres.server_use(make(state))
    processes = [spawn.Process(target=_ensure_and_ask, args=(state, answers)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert len({answers.get() for _ in processes}) == 1


def make(state: Path) -> Path:
    state.mkdir(parents=True, exist_ok=True)
    return state


def test_the_server_stops_after_its_last_user_even_when_that_was_killed(state):
    code = (
        "import sys, time; from pathlib import Path; from config import embedded_postgres;"
        "embedded_postgres.ensure(Path(sys.argv[1])); print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(state)], cwd=ROOT, stdout=subprocess.PIPE) as user:
        assert user.stdout
        assert user.stdout.readline() == b"up\n"
        assert embedded_postgres.is_answering(state)
        user.kill()
    assert wait_until_stopped(state)


def test_a_long_path_moves_the_socket_to_the_temporary_folder(tmp_path):
    state = tmp_path / ("long" * 25)
    try:
        embedded_postgres.ensure(state)
        assert not socket_folder(state).is_relative_to(state)
        assert socket_folder(state).stat().st_mode & 0o777 == 0o700
        write_rows(state, 1)
    finally:
        embedded_postgres.stop(state)
        shutil.rmtree(socket_folder(state), ignore_errors=True)


def test_a_path_with_spaces_and_quotes(tmp_path):
    state = tmp_path / "it's my folder"
    try:
        embedded_postgres.ensure(state)
        write_rows(state, 1)
    finally:
        embedded_postgres.stop(state)


def test_what_to_do_is_said_when_it_cannot_start(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(DatabaseUnavailable, match="COUNTERSIGN_VAR"):
        embedded_postgres.ensure(in_the_way)


def test_a_damaged_data_folder_is_reported_with_postgresqls_words(state):
    embedded_postgres.ensure(state)
    embedded_postgres.stop(state)
    (data_folder(state) / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(DatabaseUnavailable, match=r"9\.6"):
        embedded_postgres.ensure(state)


def test_somebody_elses_socket_folder_is_refused(tmp_path):
    elsewhere = tmp_path / "socket"
    elsewhere.symlink_to(tmp_path)
    with pytest.raises(DatabaseUnavailable, match="another account"):
        postgres_binaries.folder_create(elsewhere)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")
def test_root_without_namespaces_uses_another_account(tmp_path, monkeypatch):
    state = tmp_path / "state"
    monkeypatch.setattr(postgres_binaries, "can_enter_namespace", lambda: False)
    try:
        embedded_postgres.ensure(state)
        write_rows(state, 1)
        assert data_folder(state).stat().st_uid == postgres_binaries.account().pw_uid
        os.kill(postmaster_pid(state), signal.SIGKILL)
        embedded_postgres.ensure(state)
        assert rows(state) == 1
    finally:
        embedded_postgres.stop(state)
        shutil.rmtree(postgres_binaries.home(state), ignore_errors=True)
