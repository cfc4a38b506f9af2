"""What makes a claim payable: reads the CSV that somebody uploads and checks it line by line.

Pure functions: no clock, no database. Whatever the text is, the answer is a claim; what is wrong with it is
in its `problems`.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from io import StringIO

COLUMNS = ("date", "category", "description", "amount")
CATEGORIES = ("meals", "travel", "lodging", "supplies", "software")
MOST_PER_LINE = Decimal("5000.00")
MOST_LINES = 1000
MOST_BYTES = 200_000
MOST_PROBLEMS = 200
LONGEST_DESCRIPTION = 200
LONGEST_NAME = 150
LONGEST_QUOTE = 40

_iso_date = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_number = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
# Control characters, halves of surrogate pairs, and what turns the writing direction (so a card could lie).
_unfit = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Line:
    """One expense. `number` is its line in the file, the header being line 1; `amount` has two decimals."""

    number: int
    date: date
    category: str
    description: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as it was read: the lines that are in order, and what is wrong with the others, by line."""

    lines: list[Line]
    problems: list[str]

    @property
    def total(self) -> Decimal:
        """The sum of the lines that are in order."""
        return sum((line.amount for line in self.lines), Decimal("0.00"))


def claim_read(text: str, today: date) -> Claim:
    """The claim in a CSV text. Its header names `COLUMNS`, in any order and case; `today` is the last day
    allowed."""
    lines: list[Line] = []
    problems: list[str] = []
    try:
        for number, row in _expenses(text):
            found = _line_problems(row, today)
            problems += [f"line {number}: {problem}" for problem in found]
            if not found:
                lines.append(_line(number, row))
    except _Unreadable as error:
        problems.append(str(error))
    if not lines and not problems:
        problems.append("line 2: the claim has no lines")
    if len(problems) > MOST_PROBLEMS:
        problems[MOST_PROBLEMS:] = [f"and {len(problems) - MOST_PROBLEMS} more problems"]
    return Claim(lines, problems)


def claimant_problems(claimant: str) -> list[str]:
    """What is wrong with the claimant's name."""
    if claimant != claimant.strip() or not 1 <= len(claimant) <= LONGEST_NAME or _unfit.search(claimant):
        return [f"claimant: {_quote(claimant)} is no name of 1 to {LONGEST_NAME} characters"]
    return []


class _Unreadable(Exception):
    """From this line on the text is no list of expenses."""

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(f"line {number}: {problem}")


def _expenses(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, cells by column) of each line below the header that is not blank; a line with too few or
    too many cells comes with none."""
    rows = _rows(text)
    if len(text.encode(errors="surrogatepass")) > MOST_BYTES:
        raise _Unreadable(1, f"the file is larger than {MOST_BYTES} bytes; send several claims")
    number, header = next(rows, (1, []))
    columns = _columns(number, header)
    for count, (number, row) in enumerate(rows, start=1):
        if count > MOST_LINES:
            raise _Unreadable(number, f"more than {MOST_LINES} lines in one claim; send several")
        yield number, dict(zip(columns, row, strict=True)) if len(row) == len(columns) else {}


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, cells without outer spaces) of each row that is not blank."""
    reader = csv.reader(StringIO(text.removeprefix("\ufeff"), newline=""), strict=True, skipinitialspace=True)
    number = 1
    try:
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if any(row):
                yield number, row
            number = reader.line_num + 1
    except csv.Error as error:
        raise _Unreadable(number, f"not readable as CSV ({error})") from None


def _columns(number: int, header: list[str]) -> list[str]:
    columns = [name.lower() for name in header]
    if not columns:
        raise _Unreadable(number, f"the file is empty; it starts with {','.join(COLUMNS)}")
    if sorted(columns) == sorted(COLUMNS):
        return columns
    if len(columns) == 1 and ";" in columns[0]:
        raise _Unreadable(number, "the cells are separated by semicolons; separate them by commas")
    missing = [name for name in COLUMNS if name not in columns]
    others = [name for name in COLUMNS if columns.count(name) > 1] + [name for name in columns if name not in COLUMNS]
    wrong = [f"missing column {name}" for name in missing] + [f"unexpected column {_quote(name)}" for name in others]
    raise _Unreadable(number, f"{', '.join(wrong)}; the header is {','.join(COLUMNS)}")


def _line_problems(row: dict[str, str], today: date) -> list[str]:
    if not row:
        return [f"needs {len(COLUMNS)} cells: {','.join(COLUMNS)}"]
    problems = [
        _date_problem(row["date"], today),
        _category_problem(row["category"]),
        _description_problem(row["description"]),
        _amount_problem(row["amount"]),
    ]
    return [problem for problem in problems if problem]


def _line(number: int, row: dict[str, str]) -> Line:
    return Line(
        number=number,
        date=date.fromisoformat(row["date"]),
        category=row["category"].lower(),
        description=" ".join(row["description"].split()),
        amount=Decimal(row["amount"]).quantize(Decimal("0.01")),
    )


def _date_problem(text: str, today: date) -> str:
    try:
        day = date.fromisoformat(text) if _iso_date.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        return f"date {_quote(text)} is no day as YYYY-MM-DD"
    return f"date {text} is in the future" if day > today else ""


def _category_problem(text: str) -> str:
    if text.lower() in CATEGORIES:
        return ""
    return f"category {_quote(text)} is none of {', '.join(CATEGORIES)}"


def _description_problem(text: str) -> str:
    if not text:
        return "description is missing"
    if len(text) > LONGEST_DESCRIPTION:
        return f"description is longer than {LONGEST_DESCRIPTION} characters"
    if _unfit.search(" ".join(text.split())):
        return "description has characters that cannot be printed"
    return ""


def _amount_problem(text: str) -> str:
    if not _number.fullmatch(text):
        return f"amount {_quote(text)} is no number such as 84.50"
    amount = Decimal(text)
    if amount <= 0:
        return f"amount {_quote(text)} is not positive"
    if len(text.partition(".")[2]) > 2:
        return f"amount {_quote(text)} has more than two decimals"
    if amount > MOST_PER_LINE:
        return f"amount {_quote(text)} is above {MOST_PER_LINE} a line"
    return ""


def _quote(text: str) -> str:
    """The text as a message may carry it: short, with escapes for what cannot be printed."""
    return repr(text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 3]}...")
