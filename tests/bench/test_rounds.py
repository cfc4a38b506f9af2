"""Who has a turn, and what becomes of a peer that fails."""

import pytest

from bench import rounds
from bench.processes import NotMeasured, PeerFailed
from bench.results import Results, Row
from bench.workloads import Workload

WORKLOAD = Workload("w1", "steps", sizes=(200,), quick=20)


class FakePeer:
    """A peer in this process; `turns` is the order of everybody's."""

    def __init__(self, name: str, turns: list[tuple[str, int]], error: Exception | None = None) -> None:
        self.name = name
        self.turns = turns
        self.error = error
        self.has_ended = False

    def ask(self, workload, n, *, seconds):
        self.turns.append((self.name, n))
        if self.error:
            raise self.error
        return {"steps_s": [100.0]}

    def stop(self):
        self.has_ended = True


@pytest.fixture
def turns():
    return []


@pytest.fixture
def results():
    return Results()


def test_peers_take_turns_after_each_has_warmed_up(turns, results):
    peers = [FakePeer("countersign", turns), FakePeer("limit", turns)]

    rounds.measure(WORKLOAD, peers, results, is_quick=False)

    assert turns[:2] == [("countersign", 20), ("limit", 20)]
    assert turns[2:] == [("countersign", 200), ("limit", 200)] * rounds.ROUNDS
    assert [len(figures) for figures in results.samples["w1", 200, "steps_s"].values()] == [rounds.ROUNDS] * 2


def test_a_quick_run_is_one_round_of_the_smallest_size(turns, results):
    rounds.measure(WORKLOAD, [FakePeer("limit", turns)], results, is_quick=True)

    assert turns == [("limit", 20)]


def test_a_peer_that_is_slow_has_no_more_turns_while_the_others_go_on(turns, results, monkeypatch):
    monkeypatch.setattr(rounds, "ENOUGH_SECONDS", 0)
    rounds.measure(WORKLOAD, [FakePeer("celery", turns)], results, is_quick=False)

    assert turns == [("celery", 20)]


def test_a_peer_that_fails_is_stopped_and_the_results_say_why(turns, results):
    failing = FakePeer("dbos", turns, PeerFailed("it took longer than 110 s"))

    rounds.measure(WORKLOAD, [failing, FakePeer("limit", turns)], results, is_quick=False)

    assert failing.has_ended
    assert turns.count(("dbos", 20)) + turns.count(("dbos", 200)) == 1
    assert {row.peer for row in results.rows()} == {"limit"}
    assert "dbos, w1: not measured to its end" in results.notes[0]
    assert "it took longer than 110 s" in results.notes[0]


def test_a_workload_without_meaning_for_a_peer_is_said_once(turns, results):
    peer = FakePeer("celery", turns, NotMeasured("a Celery task cannot be suspended"))

    rounds.measure(WORKLOAD, [peer], results, is_quick=False)

    assert results.notes == ["celery, w1: a Celery task cannot be suspended."]
    assert results.rows() == []
    assert not peer.has_ended


def test_a_rate_and_its_size_come_out_as_a_row(turns, results):
    rounds.measure(WORKLOAD, [FakePeer("limit", turns)], results, is_quick=False)

    assert results.rows() == [Row("w1", "limit", "steps_s", 100.0, 200)]
