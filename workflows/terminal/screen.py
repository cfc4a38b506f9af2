"""The terminal: what is shown goes to stderr, so that stdout has the result alone; what is typed comes from stdin."""

import os
import re
import select
import sys
from collections.abc import Callable

from rich.console import Console, RenderableType
from rich.text import Text

from promises.times import to_datetime

LOOK_SECONDS = 0.2  # how soon a question that nobody needs to answer any more is taken back

# Control characters, and what turns the writing direction: a text could rewrite what the terminal shows.
_unfit = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """The text as it may be shown."""
    return _unfit.sub("\N{REPLACEMENT CHARACTER}", text)


class Screen:
    """One person's terminal. `console` may write elsewhere; `source` is a file descriptor."""

    def __init__(self, console: Console | None = None, source: int | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._source = source if source is not None else _stdin()
        self._typed = b""
        self._is_over = self._source is None

    @property
    def is_terminal(self) -> bool:
        """Whether what is shown can be redrawn."""
        return self.console.is_terminal

    def show(self, *renderables: RenderableType) -> None:
        self.console.print(*renderables)

    def say(self, text: str, style: str = "") -> None:
        """A line of plain text."""
        self.console.print(Text(clean(text), style), soft_wrap=True)

    def moment(self, ms: int) -> str:
        """A time as the person's own clock shows it."""
        found = to_datetime(ms)
        return "" if found is None else f"{found.astimezone():%Y-%m-%d %H:%M:%S}"

    def read(self, prompt: str, *, while_: Callable[[], bool]) -> str | None:
        """The line that is typed; None when `while_` has ended before. Raises EOFError."""
        self.console.print(Text(f"{clean(prompt)} ", "bold"), end="")
        line = None
        try:
            while line is None and while_():
                line = self._line()
        finally:
            if line is None or not self._is_typed_here:
                self.say(line or "")
        return line

    @property
    def _is_typed_here(self) -> bool:
        """Whether the terminal itself shows what is typed."""
        return self.is_terminal and self._source is not None and os.isatty(self._source)

    def _line(self) -> str | None:
        """The next line, if there is one soon. (Not by `input()`, which could not be left before one is typed.)"""
        if b"\n" not in self._typed and not self._is_over:
            assert self._source is not None
            if not select.select([self._source], [], [], LOOK_SECONDS)[0]:
                return None
            read = os.read(self._source, 65536)
            self._typed += read
            self._is_over = not read
        if b"\n" not in self._typed and not self._is_over:
            return None
        if not self._typed:
            raise EOFError
        line, _, self._typed = self._typed.partition(b"\n")
        return line.decode(errors="replace").strip()


def _stdin() -> int | None:
    try:
        return sys.stdin.fileno()
    except (AttributeError, ValueError, OSError):  # closed, or replaced by something that is no file
        return None
