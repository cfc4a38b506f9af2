"""The bench itself, in its smallest form, so that it still runs when somebody needs its figures."""

import json
import os
import subprocess
import sys

import psycopg
import pytest

from bench.__main__ import main
from config import programs

EXPECTED = {
    ("w1", "steps_s"),
    ("w2", "steps_s"),
    ("w3", "p50_ms"),
    ("w4", "bytes"),
    ("w4", "wakes_s"),
    ("w5", "steps_s"),
    ("w6", "p50_ms"),
}


@pytest.mark.slow
def test_every_workload_runs_for_countersign_and_for_the_limit(tmp_path):
    rows_file = tmp_path / "rows.json"
    url = os.environ.get("DATABASE_URL")
    command = [sys.executable, "-m", "bench", "--quick", "--peers", "countersign,limit", "--json", str(rows_file)]
    environment = {name: value for name, value in os.environ.items() if name != "CELERY_BROKER_URL"}

    done = subprocess.run(
        command, cwd=programs.ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )

    assert done.returncode == 0, done.stderr
    rows = json.loads(rows_file.read_text())
    for peer in ("countersign", "limit"):
        assert {(row["workload"], row["metric"]) for row in rows if row["peer"] == peer} >= EXPECTED, done.stderr
    assert all(row["value"] > 0 for row in rows if row["metric"] in ("steps_s", "wakes_s", "p50_ms"))
    if url:
        with psycopg.connect(url) as connection:
            left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'bench\\_%'").fetchall()
        assert left == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["w7"], "unknown workload w7; there are w1"), (["--peers", "limit,temporal"], "unknown peer temporal")],
)
def test_an_unknown_name_is_refused_before_anything_starts(arguments, said, capsys):
    with pytest.raises(SystemExit):
        main(arguments)

    assert said in capsys.readouterr().err
