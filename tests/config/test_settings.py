"""What the environment makes of the settings."""

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.secret_key import secret_key_read

ROOT = Path(__file__).resolve().parents[2]
NAMES = [
    "DEBUG",
    "ALLOWED_HOSTS",
    "SESSION_COOKIE_SECURE",
    "SECURE_HSTS_SECONDS",
    "CSRF_TRUSTED_ORIGINS",
    "DATABASES",
]
NAMES += ["CELERY_BROKER_URL", "SECURE_SSL_REDIRECT"]


def settings_under(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    code = f"import json; from config import settings as s; print(json.dumps([getattr(s, n) for n in {NAMES}]))"
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**clean, "COUNTERSIGN_VAR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def read(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return dict(zip(NAMES, json.loads(done.stdout), strict=True))


def test_without_an_environment_everything_is_local_and_safe(tmp_path):
    settings = read(settings_under(tmp_path))
    assert settings["DEBUG"] is False
    assert settings["DATABASES"]["default"]["HOST"].startswith("/")
    assert settings["CELERY_BROKER_URL"].startswith("pgmq:")
    assert "127.0.0.1" in settings["ALLOWED_HOSTS"]
    assert "*" not in settings["ALLOWED_HOSTS"]


def test_a_database_of_ones_own_needs_a_key_of_ones_own(tmp_path):
    done = settings_under(tmp_path, DATABASE_URL="postgresql://db.example/x")
    assert done.returncode == 1
    assert "SECRET_KEY is not set" in done.stderr
    assert not (tmp_path / "secret_key").exists()


def test_behind_https_cookies_are_secure_and_hsts_is_on(tmp_path):
    settings = read(settings_under(tmp_path, COUNTERSIGN_PUBLIC_URL="https://approvals.example.com/"))
    assert settings["SESSION_COOKIE_SECURE"] is True
    assert settings["SECURE_SSL_REDIRECT"] is True
    assert settings["SECURE_HSTS_SECONDS"] > 0
    assert settings["CSRF_TRUSTED_ORIGINS"] == ["https://approvals.example.com"]
    assert "approvals.example.com" in settings["ALLOWED_HOSTS"]


def test_servers_of_ones_own_are_used(tmp_path):
    given = {
        "DATABASE_URL": "postgresql://u:p@db.example:5433/x",
        "CELERY_BROKER_URL": "amqp://broker.example//",
    }
    settings = read(settings_under(tmp_path, SECRET_KEY="k" * 50, **given))
    database = settings["DATABASES"]["default"]
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example", 5433, "x")
    assert settings["CELERY_BROKER_URL"] == "amqp://broker.example//"


def test_a_given_key_is_used_and_nothing_is_written(tmp_path):
    assert secret_key_read("given", tmp_path / "key", may_generate=True) == "given"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_key_is_refused_when_it_may_not_be_generated(tmp_path):
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY"):
        secret_key_read("", tmp_path / "key", may_generate=False)


def test_processes_that_start_together_agree_on_one_key(tmp_path):
    path = tmp_path / "var" / "key"
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: secret_key_read("", path, may_generate=True), range(32)))
    assert len(keys) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["key"]
