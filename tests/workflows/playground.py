"""The test kit that users get, under the names our own tests use."""

from promises.times import to_ms
from workflows import testing
from workflows.testing import Crash, CrashingStore, Playground, finish_crashing

START = to_ms(testing.START)  # when the virtual clock of a `Playground` begins, in ms

__all__ = ["START", "Crash", "CrashingStore", "Playground", "finish_crashing"]
