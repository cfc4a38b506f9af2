"""For tests of workflows, ours and yours: local mode on a virtual clock, and a process that dies wherever it could.

    from workflows.testing import Playground, crash_everywhere

    def test_the_reminder_comes_after_a_day():
        play = Playground()
        play.start(order, 42)
        play.work()                      # as far as it goes now
        play.clock.advance("25h")        # whatever is due by then happens, in order
        assert play.result() == "reminded"

    async def test_the_same_where_tests_are_async():
        play = Playground()
        play.start(order, 42)
        await play.clock.advance("25h")
        assert play.result() == "reminded"

    def test_order_survives_any_crash():
        assert crash_everywhere(order, 42) == "done"

    def test_what_waits_in_production_goes_on_with_this_code():
        assert_replays(order, "tests/histories/order-waiting.json")

Nothing here waits, and nothing needs Django. `workflows.testing.fixtures` has a pytest fixture, `approvals.testing` has
people who answer.
"""

from workflows.local import Halted
from workflows.rehearsals import assert_replays
from workflows.testing.clock import START, Clock
from workflows.testing.crashes import Crash, CrashingStore, crash_everywhere, finish_crashing
from workflows.testing.playground import Playground, Stuck

__all__ = [
    "START",
    "Clock",
    "Crash",
    "CrashingStore",
    "Halted",
    "Playground",
    "Stuck",
    "assert_replays",
    "crash_everywhere",
    "finish_crashing",
]
