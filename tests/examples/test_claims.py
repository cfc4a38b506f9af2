"""Reading claims: every way a CSV can be right or wrong, and that no text at all makes it crash."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import examples
from examples import claims
from examples.claims import Claim, claim_read, claimant_problems

TODAY = date(2026, 11, 24)
HEADER = "date,category,description,amount\n"
GOOD = "2026-11-03,meals,Supper,84.50\n"
SAMPLES = Path(examples.__file__).parent / "samples"


def read(text: str) -> Claim:
    return claim_read(text, TODAY)


def test_the_sample_is_in_order():
    claim = claim_read((SAMPLES / "expense.csv").read_text(), TODAY)
    assert claim.problems == []
    assert (len(claim.lines), claim.total) == (5, Decimal("404.80"))


def test_the_small_sample_needs_no_approval():
    claim = claim_read((SAMPLES / "expense-small.csv").read_text(), TODAY)
    assert (claim.problems, claim.total) == ([], Decimal("39.80"))


def test_the_wrong_sample_names_every_bad_line():
    claim = claim_read((SAMPLES / "expense-wrong.csv").read_text(), TODAY)
    assert [problem.split(":")[0] for problem in claim.problems] == [f"line {n}" for n in (3, 4, 5, 6, 7, 7)]


@pytest.mark.parametrize(
    ("text", "total"),
    [
        (HEADER + GOOD, "84.50"),
        ("\ufeff" + HEADER + GOOD, "84.50"),
        ((HEADER + GOOD).replace("\n", "\r\n"), "84.50"),
        ((HEADER + GOOD).replace("\n", "\r"), "84.50"),
        (HEADER + GOOD.strip(), "84.50"),
        (HEADER + "\n\n" + GOOD + "  \n,,,\n", "84.50"),
        ("Date, CATEGORY,Description ,Amount\n" + GOOD, "84.50"),
        ("amount,date,category,description\n1.10,2026-11-03,meals,Tea\n", "1.10"),
        (HEADER + '2026-11-03,"meals","Supper, ""late""","84.50"\n', "84.50"),
        (HEADER + '2026-11-03, meals, "Supper, two lines", 84.50\n', "84.50"),
        (HEADER + '2026-11-03,meals,"Supper\nfor four",84.50\n' + GOOD, "169.00"),
        (HEADER + "2026-11-24,travel,Today counts,5000\n", "5000.00"),
        (HEADER + "2024-02-29,lodging,Żółw 🐢 한국어,0.01\n", "0.01"),
        (HEADER + "2026-11-03,Supplies,Any case,007.5\n", "7.50"),
        (HEADER + "2026-11-03,software,=SUM(A1),5000.00\n" * 1000, "5000000.00"),
        (HEADER + "2026-11-03,meals,A tenth,0.10\n" * 3, "0.30"),
    ],
)
def test_a_claim_in_order(text: str, total: str):
    claim = read(text)
    assert claim.problems == []
    assert str(claim.total) == total
    assert all(line.amount.as_tuple().exponent == -2 for line in claim.lines)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: the file is empty"),
        (" \n\n", "line 1: the file is empty"),
        (HEADER, "line 2: the claim has no lines"),
        (GOOD, "line 1: missing column date"),
        ("date,category,amount\n2026-11-03,meals,1\n", "line 1: missing column description"),
        ("date,category,description,amount,note\n" + GOOD, "line 1: unexpected column 'note'"),
        ("date,category,description,amount,amount\n" + GOOD, "line 1: unexpected column 'amount'"),
        ("\n\ndate\n", "line 3: missing column category"),
        ("date;category;description;amount\n", "line 1: the cells are separated by semicolons"),
        (HEADER + "2026-11-03,meals,Supper\n", "line 2: needs 4 cells"),
        (HEADER + "2026-11-03,meals,Supper,1,234.50\n", "line 2: needs 4 cells"),
        (HEADER + "03.11.2026,meals,Supper,1\n", "line 2: date '03.11.2026' is no day"),
        (HEADER + "20261103,meals,Supper,1\n", "line 2: date '20261103' is no day"),
        (HEADER + "2026-W45-2,meals,Supper,1\n", "line 2: date '2026-W45-2' is no day"),
        (HEADER + "2026-02-29,meals,Supper,1\n", "line 2: date '2026-02-29' is no day"),
        (HEADER + "0000-01-01,meals,Supper,1\n", "line 2: date '0000-01-01' is no day"),
        (HEADER + "٢٠٢٦-11-03,meals,Supper,1\n", "line 2: date"),
        (HEADER + ",meals,Supper,1\n", "line 2: date '' is no day"),
        (HEADER + "2026-11-25,meals,Supper,1\n", "line 2: date 2026-11-25 is in the future"),
        (HEADER + "2026-11-03,party,Supper,1\n", "line 2: category 'party' is none of meals, travel"),
        (HEADER + "2026-11-03,,Supper,1\n", "line 2: category '' is none of"),
        (HEADER + "2026-11-03,meals,,1\n", "line 2: description is missing"),
        (HEADER + f"2026-11-03,meals,{'x' * 201},1\n", "line 2: description is longer than 200"),
        (HEADER + "2026-11-03,meals,a\x00b,1\n", "line 2: description has characters"),
        (HEADER + "2026-11-03,meals,a\ud800b,1\n", "line 2: description has characters"),
        (HEADER + "2026-11-03,meals,\u202e005 ylno,1\n", "line 2: description has characters"),
        (HEADER + "2026-11-03,me\x00als,Supper,1\n", "line 2: category 'me\\x00als' is none of"),
        (HEADER + "2026-11-03,meals,Supper,\n", "line 2: amount '' is no number"),
        (HEADER + "2026-11-03,meals,Supper,abc\n", "line 2: amount 'abc' is no number"),
        (HEADER + "2026-11-03,meals,Supper,NaN\n", "line 2: amount 'NaN' is no number"),
        (HEADER + "2026-11-03,meals,Supper,1e3\n", "line 2: amount '1e3' is no number"),
        (HEADER + "2026-11-03,meals,Supper,١٢\n", "line 2: amount '١٢' is no number"),
        (HEADER + '2026-11-03,meals,Supper,"1,50"\n', "line 2: amount '1,50' is no number"),
        (HEADER + "2026-11-03,meals,Supper,0\n", "line 2: amount '0' is not positive"),
        (HEADER + "2026-11-03,meals,Supper,0.00\n", "line 2: amount '0.00' is not positive"),
        (HEADER + "2026-11-03,meals,Supper,-5\n", "line 2: amount '-5' is not positive"),
        (HEADER + "2026-11-03,meals,Supper,1.234\n", "line 2: amount '1.234' has more than two decimals"),
        (HEADER + "2026-11-03,meals,Supper,5000.01\n", "line 2: amount '5000.01' is above 5000.00"),
        (HEADER + f"2026-11-03,meals,Supper,{'9' * 5000}\n", "line 2: amount '9999"),
        (HEADER + GOOD + "\n\n2026-11-03,meals,Supper,x\n", "line 5: amount 'x'"),
        (HEADER + '2026-11-03,meals,"a\nb",1\n2026-11-03,meals,c,x\n', "line 4: amount 'x'"),
        (HEADER + GOOD + '2026-11-03,meals,"never closed,1\n', "line 3: not readable as CSV"),
        (HEADER + '2026-11-03,meals,"quoted"badly,1\n', "line 2: not readable as CSV"),
        (HEADER + f"2026-11-03,meals,{'x' * 150_000},1\n", "line 2: not readable as CSV"),
        (HEADER + GOOD + "é" * 100_000, "line 1: the file is larger than 200000 bytes"),
        (HEADER + GOOD * 1001, "line 1002: more than 1000 lines"),
    ],
)
def test_a_problem_names_its_line(text: str, problem: str):
    assert [found for found in read(text).problems if found.startswith(problem)], read(text).problems


def test_all_that_is_wrong_with_a_line_is_said():
    problems = read(HEADER + "yesterday,party,,-1.234\n").problems
    assert [problem.split()[2] for problem in problems] == ["date", "category", "description", "amount"]


def test_the_lines_in_order_are_kept_beside_the_problems():
    claim = read(HEADER + GOOD + "x,x,x,x\n" + GOOD)
    assert [line.number for line in claim.lines] == [2, 4]


def test_a_flood_of_problems_is_cut_off():
    problems = read(HEADER + "x,x,x,x\n" * 1000).problems
    assert len(problems) == claims.MOST_PROBLEMS + 1
    assert problems[-1] == "and 2800 more problems"


@pytest.mark.parametrize("name", ["", " ", " ana", "a\x00na", "a\nb", "x" * 151, "\ud800"])
def test_a_claimant_needs_a_name(name: str):
    assert claimant_problems(name)[0].startswith("claimant: ")


@pytest.mark.parametrize("name", ["ana", "ana@example.com", "Ana Müller"])
def test_a_name_is_fine(name: str):
    assert claimant_problems(name) == []


cells = st.one_of(
    st.sampled_from(["2026-11-03", "meals", "Supper", "84.50", "", '"', "0.005", "99999", "1e999999", "-0"]),
    st.text(),
)
tables = st.lists(st.lists(cells, max_size=6).map(",".join), max_size=8).map("\n".join)


@given(st.one_of(st.text(), tables, tables.map(HEADER.__add__)))
def test_any_text_is_a_claim_or_has_problems(text: str):
    claim = read(text)
    assert bool(claim.problems) or bool(claim.lines)
    for problem in claim.problems:
        assert problem.startswith(("line ", "and "))
        assert problem.isprintable()


@given(st.lists(st.decimals(min_value="0.01", max_value="5000", places=2), min_size=1, max_size=30))
def test_the_total_is_exact(amounts: list[Decimal]):
    claim = read(HEADER + "".join(f"2026-11-03,meals,Supper,{amount}\n" for amount in amounts))
    assert claim.problems == []
    assert claim.total == sum(amounts)
    assert [line.amount for line in claim.lines] == amounts
