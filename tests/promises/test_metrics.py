"""What the database says of an installation: `/metrics`, and the queries behind it."""

import json
import logging
import socket
from typing import Any

import httpx
import pytest
from django.db import connection
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from promises import exporter, queries, store
from promises.metrics import Installation
from promises.models import Process
from promises.store.call import execute
from tests.promises.api.caller import assert_problem, make_user, nobody, with_session, with_token
from tests.promises.fixtures import RoundTrips, round_trips, transactional_db
from tests.promises.making import NOW, RETRY, TTL, create, create_acquired, create_suspended, create_task

__all__ = ["round_trips", "transactional_db"]


def sample(name: str, now: int = NOW, **labels: str) -> float | None:
    """The value that a scrape at `now` finds."""
    registry = CollectorRegistry()
    registry.register(Installation(now))
    return registry.get_sample_value(name, labels)


def tasks(queue: str = "default") -> dict[str, float | None]:
    states = ("ready", "acquired", "suspended", "halted")
    return {state: sample("countersign_tasks", queue=queue, state=state) for state in states}


@pytest.mark.django_db
class TestGauges:
    def test_tasks_are_counted_by_queue_and_state(self) -> None:
        create_task("ready-1")
        create_task("ready-2")
        create_acquired("acquired")
        create("s:x")
        create_suspended("s", "s:x")
        create_task("halted")
        store.task_halt("halted", "why", now=NOW)
        store.task_fulfill("done", create_acquired("done"), "resolved", now=NOW)
        create("other", target="celery://slow")
        assert tasks() == {"ready": 2, "acquired": 1, "suspended": 1, "halted": 1}
        assert tasks("slow") == {"ready": 1, "acquired": 0, "suspended": 0, "halted": 0}
        assert tasks("unheard") == dict.fromkeys(("ready", "acquired", "suspended", "halted"))

    def test_the_age_of_a_queue_is_that_of_its_oldest_ready_task(self) -> None:
        create_task("old", now=NOW)
        create_task("new", now=NOW + 5000)
        tags = {"resonate:target": "celery://default", "countersign:priority": "9"}
        store.promise_create("urgent", timeout_at=NOW + RETRY, now=NOW + 6000, tags=tags)
        assert sample("countersign_queue_age_seconds", NOW + 8000, queue="default") == 8
        store.task_acquire("old", 0, pid="p", ttl=TTL, now=NOW + 8000)
        assert sample("countersign_queue_age_seconds", NOW + 8000, queue="default") == 3

    def test_a_queue_without_ready_tasks_has_no_age(self) -> None:
        create_acquired("p")
        assert sample("countersign_queue_age_seconds", queue="default") == 0

    def test_processes_are_missed_by_name(self) -> None:
        assert sample("countersign_processes", kind="clock") == 0
        for id, kind, seen_at in (("1", "worker", NOW), ("2", "worker", NOW - 60_000), ("3", "clock", NOW)):
            Process.objects.create(id=id, kind=kind, host="here", started_at=0, seen_at=seen_at)
        assert sample("countersign_processes", kind="worker") == 1
        assert sample("countersign_processes", kind="clock") == 1

    def test_a_deadline_that_nobody_applies_is_a_lag(self) -> None:
        create("p", timeout_at=NOW + 1000)
        create("never")
        assert sample("countersign_deadline_lag_seconds", NOW + 500) == 0
        assert sample("countersign_deadline_lag_seconds", NOW + 3500) == 2.5
        store.timeouts_sweep(NOW + 3500)
        assert sample("countersign_deadline_lag_seconds", NOW + 3500) == 0

    def test_names_of_queues_are_bounded(self) -> None:
        for number in range(5):
            create(f"p{number}", target=f"celery://q{number}")
        create("again", target="celery://q4")
        assert [load.queue for load in queries.queue_loads(NOW, limit=2)] == ["q4", "q0"]

    def test_no_statement_looks_at_whole_tables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        plans: list[str] = []

        def explain(sql: str, params: Any) -> None:
            with connection.connection.cursor() as raw:
                plans.append(json.dumps(raw.execute(f"EXPLAIN (FORMAT JSON) {sql}", params).fetchone()[0]))

        def explained(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            explain(sql, params)
            return execute(sql, params, many, context)

        monkeypatch.setattr(queries, "execute", lambda sql, params: (explain(sql, params), execute(sql, params))[1])
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        with connection.execute_wrapper(explained):
            list(Installation(NOW).collect())
        assert len(plans) == 3
        assert not any("Seq Scan" in plan or "_pkey" in plan for plan in plans)


def test_a_scrape_is_three_statements(round_trips: RoundTrips) -> None:
    def scrape() -> None:
        list(Installation(NOW).collect())

    scrape()  # the first one also prepares
    assert round_trips(scrape) == (3, 3)


@pytest.mark.django_db
class TestTheView:
    def test_a_token_for_it_reads_the_text_format(self) -> None:
        response = with_token("prometheus", "metrics:read", human=False).get("/metrics")
        assert response.status_code == 200
        assert response["Content-Type"].startswith("text/plain")
        families = {family.name for family in text_string_to_metric_families(response.content.decode())}
        assert {"countersign_tasks", "countersign_processes", "countersign_deadline_lag_seconds"} <= families

    def test_nobody_else_does(self) -> None:
        assert_problem(nobody().get("/metrics"), 401)
        assert_problem(with_token("other", "promises:read").get("/metrics"), 403, "MissingScope", "metrics:read")
        assert_problem(with_session(make_user("ana")).get("/metrics"), 403, "MissingPermission")
        assert with_session(make_user("root", is_superuser=True)).get("/metrics").status_code == 200


class TestTheExporter:
    def test_a_process_serves_what_it_has_counted(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "promises.exporter")
        address = f"127.0.0.1:{free_port()}"
        exporter.metrics_serve(address)
        text = httpx.get(f"http://{address}/metrics").text
        assert 'countersign_swept_total{what="settled"}' in text
        assert address in caplog.text

    def test_a_taken_address_is_no_reason_to_stop(self, caplog: pytest.LogCaptureFixture) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            exporter.metrics_serve(f"127.0.0.1:{other.getsockname()[1]}")
        assert "an address of its own" in caplog.text

    @pytest.mark.parametrize("address", ["here:port", "127.0.0.1:99999"])
    def test_nor_is_one_that_is_none(self, address: str, caplog: pytest.LogCaptureFixture) -> None:
        exporter.metrics_serve(address)
        assert "an address of its own" in caplog.text

    def test_without_an_address_nothing_is_served(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(exporter, "start_http_server", None)
        exporter.metrics_serve("")


def test_the_clock_counts_what_it_did(transactional_db: None) -> None:
    def swept(what: str) -> float:
        return REGISTRY.get_sample_value("countersign_swept_total", {"what": what}) or 0

    before = {what: swept(what) for what in ("settled", "lapsed", "retried")}
    create("p", timeout_at=NOW + 10)
    create_acquired("lapsed", now=NOW)
    create_task("unanswered", now=NOW + TTL - RETRY)
    store.timeouts_sweep(NOW + TTL)
    assert {what: swept(what) - count for what, count in before.items()} == {"settled": 1, "lapsed": 1, "retried": 1}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
