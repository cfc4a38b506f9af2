"""The clock: it does what is due, sleeps until the next deadline, and one of many leads."""

import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.db import connection, connections

from promises import store
from promises.clock import LEADER_LOCK, Clock
from promises.models import Process
from promises.presence import Presence, is_live
from promises.times import now_ms
from tests.promises.making import NOW, create, create_task, rows


@pytest.fixture
def started() -> Iterator[Callable[[Clock], threading.Thread]]:
    """Runs clocks in threads of their own; all are stopped at the end."""
    clocks: list[tuple[Clock, threading.Thread]] = []

    def start(clock: Clock) -> threading.Thread:
        def run() -> None:
            try:
                clock.run()
            finally:
                connections.close_all()

        thread = threading.Thread(target=run, daemon=True)
        clocks.append((clock, thread))
        thread.start()
        return thread

    yield start
    for clock, _ in clocks:
        clock.stop()
    for _, thread in clocks:
        thread.join(10)
        assert not thread.is_alive()


def wait_until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def test_ticks_do_everything_that_is_due() -> None:
    for number in range(450):  # more than one sweep takes
        store.promise_create(f"p{number}", timeout_at=NOW + 5, now=NOW)
    create_task("t", now=NOW - 100_000)
    clock = Clock([store.timeouts_sweep], [])
    assert [clock.tick(NOW + 5) for _ in range(4)] == [201, 200, 50, 0]
    assert {row["state"] for row in rows()["promise"] if row["id"] != "t"} == {"rejected_timedout"}


def test_a_sweep_that_fails_does_not_keep_the_others_from_their_work(caplog: pytest.LogCaptureFixture) -> None:
    def broken(now: int) -> int:
        raise ValueError("broken")

    create("p", timeout_at=NOW + 5)
    assert Clock([broken, store.timeouts_sweep], []).tick(NOW + 5) == 1
    assert "broken" in caplog.text


def test_what_it_calls_comes_from_the_settings(settings: object) -> None:
    settings.PROMISES = {  # type: ignore[attr-defined]
        "CLOCK_SWEEPS": ["promises.store.timeouts_sweep"],
        "CLOCK_STARTS": ["promises.store.schedules_fire"],
    }
    assert Clock().sweeps == [store.timeouts_sweep]
    assert Clock().starts == [store.schedules_fire]


def test_what_is_to_be_done_at_the_start_is_done_once_and_a_fault_in_it_keeps_nobody(
    started: Callable[[Clock], threading.Thread], caplog: pytest.LogCaptureFixture
) -> None:
    done: list[int] = []
    swept: list[int] = []

    def broken(now: int) -> int:
        raise ValueError("a faulty declaration")

    def start(now: int) -> int:
        done.append(now)
        return 1

    def sweep(now: int) -> int:
        swept.append(now)
        return int(len(swept) < 3)

    started(Clock([sweep], [broken, start]))
    wait_until(lambda: len(swept) >= 3)
    assert len(done) == 1
    assert "a faulty declaration" in caplog.text


def test_while_there_is_more_to_do_it_does_not_sleep_and_reads_the_time_anew(
    started: Callable[[Clock], threading.Thread],
) -> None:
    moments: list[int] = []

    def sweep(now: int) -> int:
        moments.append(now)
        time.sleep(0.002)
        return int(len(moments) < 50)

    started(Clock([sweep], []))
    wait_until(lambda: len(moments) >= 50)
    assert moments[49] - moments[0] < 1000  # one sleep alone may take as long
    assert moments[49] > moments[0]


def test_a_deadline_comes_on_time_even_when_it_is_created_while_the_clock_sleeps(
    started: Callable[[Clock], threading.Thread],
) -> None:
    started(Clock([store.timeouts_sweep], []))
    wait_until(lambda: is_live("clock", now_ms()))
    deadline = now_ms() + 60
    create("p", timeout_at=deadline, now=now_ms())
    wait_until(lambda: rows()["promise"][0]["state"] == "rejected_timedout")
    assert now_ms() - deadline < 500


def test_one_of_two_leads_and_the_other_takes_over(started: Callable[[Clock], threading.Thread]) -> None:
    led: list[str] = []
    clocks = {name: Clock([lambda now, name=name: led.append(name) or 0], []) for name in ("first", "second")}  # type: ignore[func-returns-value, misc]
    thread = started(clocks["first"])
    wait_until(lambda: led)
    started(clocks["second"])
    wait_until(lambda: Process.objects.filter(kind="clock").count() == 2)
    assert set(led) == {"first"}
    clocks["first"].stop()
    thread.join(10)
    wait_until(lambda: "second" in led)
    last = len(led)
    wait_until(lambda: len(led) > last)
    assert set(led[last:]) == {"second"}
    assert Process.objects.filter(kind="clock").count() == 1  # the first one has said good-bye


def test_a_stopped_leader_gives_the_lock_back(started: Callable[[Clock], threading.Thread]) -> None:
    clock = Clock([lambda now: 0], [])
    thread = started(clock)
    wait_until(lambda: is_live("clock", now_ms()))
    clock.stop()
    thread.join(10)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s), pg_advisory_unlock(%s)", [LEADER_LOCK, LEADER_LOCK])
        assert cursor.fetchone() == (True, True)


def test_a_leader_that_loses_its_connection_leads_again(started: Callable[[Clock], threading.Thread]) -> None:
    backends: list[int] = []

    def sweep(now: int) -> int:
        backends.append(connection.connection.info.backend_pid)
        return 0

    started(Clock([sweep], []))
    wait_until(lambda: backends)
    parameters = {k: v for k, v in connection.get_connection_params().items() if k not in ("cursor_factory", "context")}
    with psycopg.connect(**parameters, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (backends[0],))
    wait_until(lambda: backends[-1] != backends[0])


def test_presence_is_written_and_taken_away() -> None:
    presence = Presence("worker")
    presence.beat(NOW)
    presence.beat(NOW + 1_000)
    assert is_live("worker", NOW + 15_999)
    assert not is_live("worker", NOW + 16_000)
    assert not is_live("clock", NOW)
    assert [(p.started_at, p.seen_at) for p in Process.objects.all()] == [(NOW, NOW + 1_000)]
    presence.leave()
    assert not is_live("worker", NOW)


def test_the_dead_are_forgotten_after_an_hour() -> None:
    Presence("worker").beat(NOW)
    Presence("worker").beat(NOW + 3_600_001)
    assert Process.objects.count() == 1


def test_a_thread_can_keep_a_process_present() -> None:
    presence = Presence("worker")
    presence.start()
    wait_until(lambda: is_live("worker", now_ms()))
    presence.stop()
    wait_until(lambda: not is_live("worker", now_ms()), 10)
