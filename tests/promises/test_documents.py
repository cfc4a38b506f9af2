"""docs/state_machines.md says what states.py says; docs/glossary.md explains every state and verb."""

import re
from pathlib import Path

from promises import store
from promises.states import PROMISE_TRANSITIONS, TASK_TRANSITIONS, PromiseState, TaskState

DOCS = Path(__file__).parents[2] / "docs"


def section(name: str) -> str:
    text = (DOCS / "state_machines.md").read_text()
    (found,) = re.findall(rf"^## {name}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return str(found)


def table(name: str) -> dict[tuple[str, str], str]:
    """The table of a section: (from, event) -> to."""
    cells = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in section(name).splitlines()
        if line[:1] == "|"
    ]
    assert cells[0] == ["from", "event", "to"]
    rows = {(state, event): to for state, event, to in cells[2:]}
    assert len(rows) == len(cells) - 2, "a row is there twice"
    return rows


def drawing(name: str) -> str:
    return section(name).split("```")[1]


def test_the_table_of_promises() -> None:
    assert table("Promise") == {(str(state), event): str(to) for (state, event), to in PROMISE_TRANSITIONS.items()}


def test_the_table_of_tasks() -> None:
    assert table("Task") == {(str(state), event): str(to) for (state, event), to in TASK_TRANSITIONS.items()}


def test_the_drawings_show_every_state_and_every_event() -> None:
    for name, states, transitions in (
        ("Promise", PromiseState, PROMISE_TRANSITIONS),
        ("Task", TaskState, TASK_TRANSITIONS),
    ):
        words = {str(state) for state in states} | {event for _, event in transitions}
        assert {word for word in words if word not in drawing(name)} == set()


def test_final_states_have_no_way_out() -> None:
    assert {state for state, _ in PROMISE_TRANSITIONS} == {PromiseState.PENDING}
    assert TaskState.FULFILLED not in {state for state, _ in TASK_TRANSITIONS}


def test_the_glossary_knows_the_words_of_the_code() -> None:
    words = set(re.findall(r"[a-z_]+", (DOCS / "glossary.md").read_text()))
    verbs = {
        part
        for name in store.__all__
        for part in name.lower().removeprefix("promise_").removeprefix("task_").split("_")
    }
    ordinary = {"create", "get", "search", "delete", "register", "timeouts", "declare", "store", "warm"}
    missing = ({str(s) for s in PromiseState} | verbs - ordinary) - words
    assert missing == set()
