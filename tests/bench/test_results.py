"""Samples become rows, and rows a table whose ratios can be read at a glance."""

import json

import pytest

from bench.results import Results, Row, table, write_json


def test_a_rate_is_the_median_over_the_rounds():
    results = Results()
    for figure in (1000.0, 3000.0, 1200.0):
        results.add("w1", "countersign", 200, {"steps_s": [figure]})

    assert results.rows() == [Row("w1", "countersign", "steps_s", 1200.0, 200)]


def test_times_become_percentiles_over_all_rounds():
    results = Results()
    results.add("w3", "limit", 20, {"ms": [float(ms) for ms in range(1, 11)]})
    results.add("w3", "limit", 20, {"ms": [float(ms) for ms in range(11, 21)]})

    assert results.rows() == [
        Row("w3", "limit", "p50_ms", 10.5, 20),
        Row("w3", "limit", "p95_ms", 19.95, 20),
    ]


def test_a_few_times_have_no_95th_percentile():
    results = Results()
    results.add("w6", "countersign", 500, {"ms": [12.0, 14.0, 13.0]})

    assert [row.metric for row in results.rows()] == ["p50_ms"]


def test_the_sizes_of_a_workload_are_kept_apart():
    results = Results()
    results.add("w1", "countersign", 200, {"steps_s": [2000.0]})
    results.add("w1", "countersign", 2000, {"steps_s": [1900.0]})

    assert [(row.n, row.value) for row in results.rows()] == [(200, 2000.0), (2000, 1900.0)]


@pytest.mark.parametrize(
    ("metric", "to_limit", "to_best"),
    [("steps_s", "0.50", "2.00"), ("p50_ms", "0.50", "10.00"), ("bytes", "0.50", "10.00")],
)
def test_ours_is_compared_with_the_limit_and_with_the_best_peer(metric, to_limit, to_best):
    rows = [
        Row("w2", peer, metric, value, 500)
        for peer, value in (("countersign", 100.0), ("limit", 200.0), ("celery", 10.0), ("dbos", 50.0))
    ]

    heads, line = table(rows).splitlines()

    assert heads.split()[-5:] == ["of", "limit", "of", "best", "peer"]
    assert line.split() == ["w2", "500", metric, "100.0", "200.0", "10.0", "50.0", to_limit, to_best]


def test_what_a_peer_does_not_measure_is_left_empty():
    rows = [Row("w6", "countersign", "p50_ms", 12.0, 500), Row("w1", "celery", "steps_s", 300.0, 200)]

    lines = [line.split() for line in table(rows).splitlines()[1:]]

    assert lines == [["w6", "500", "p50_ms", "12.0"], ["w1", "200", "steps_s", "300.0"]]


def test_notes_stand_below_the_table():
    assert table([Row("w1", "limit", "steps_s", 1.0, 1)], ["dbos: not measured: no network"]).endswith(
        "\ndbos: not measured: no network"
    )


def test_the_json_is_one_object_for_each_figure(tmp_path):
    write_json([Row("w1", "countersign", "steps_s", 2044.12, 200)], tmp_path / "rows.json")

    assert json.loads((tmp_path / "rows.json").read_text()) == [
        {"workload": "w1", "peer": "countersign", "metric": "steps_s", "value": 2044.12, "n": 200}
    ]
