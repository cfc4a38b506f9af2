"""docs/reference is what the code says."""

import sys
from pathlib import Path

import pytest

from config import reference
from config.reference import docstrings, environment


def test_the_reference_is_what_the_code_says() -> None:
    written = {path.name: path.read_text() for path in reference.FOLDER.glob("*.md")}
    found = reference.pages()
    stale = sorted(name for name in written | found if written.get(name) != found.get(name))
    assert not stale, f"{', '.join(stale)} in docs/reference: not what the code says. Write it anew: ./run reference"


def test_writing_it_removes_what_is_no_page_any_more(tmp_path: Path) -> None:
    (tmp_path / "old.md").touch()
    reference.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(reference.pages())


def test_a_name_is_shown_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(docstrings, "OURS", {"shop"})
    try:
        assert docstrings.page("Shop", ["shop"]) == PAGE
    finally:
        sys.modules.pop("shop")


def test_a_variable_is_explained_by_the_comment_before_it() -> None:
    page = environment.page(
        "# For systemd.\n## --- Sizes ---\n## Views at once,\n## each a | thread.\n#THREADS=8\nKEY=\n"
    )
    assert page.splitlines()[-3:] == [
        "|---|---|---|",
        "| `THREADS` | `8` | Views at once, each a \\| thread. |",
        "| `KEY` |  |  |",
    ]


SHOP = '''\
"""Selling."""

from dataclasses import dataclass
from typing import overload

_UNSET = object()


@dataclass
class Price(dict):
    """In euros.

        Price(3)

    Never negative.
    """

    amount: int = 0
    _hidden: str = ""

    def add(self, other: "Price", *more: int, tax: float = _UNSET, **named: str) -> "Price":
        """The sum."""

    @property
    def text(self) -> str:
        """For people."""

    def _round(self) -> None:
        """Not for readers."""


@overload
def buy(what: str) -> int: ...
@overload
def buy(what: list[str]) -> list[int]: ...
def buy(what, a_parameter_with_a_name_that_is_long=None, *, and_another_one_that_is_no_shorter=""):
    """Pay."""


def sell(what: str, a_parameter_with_a_name_that_is_long=None, *, and_another_one_that_is_no_shorter="") -> None:
    """Take."""
'''

PAGE = """\
# Shop

## shop

Selling.

### buy

```python
def buy(what: str) -> int
def buy(what: list[str]) -> list[int]
```

Pay.

### Price

```python
class Price(dict):
    amount: int = 0
```

In euros.

    Price(3)

Never negative.

#### Price.add

```python
def add(other: Price, *more: int, tax: float = ..., **named: str) -> Price
```

The sum.

#### Price.text

```python
text: str
```

For people.

### sell

```python
def sell(
    what: str,
    a_parameter_with_a_name_that_is_long = None,
    *,
    and_another_one_that_is_no_shorter = "",
) -> None
```

Take.
"""
