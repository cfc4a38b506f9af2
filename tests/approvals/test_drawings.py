"""Where the boxes and bars of a drawn call graph go."""

from approvals.drawings import BOX_HEIGHT, BOX_WIDTH, CHART_WIDTH, COLUMN, LABEL_WIDTH, ROW, drawing_of, timeline_of
from approvals.graphs import Node, nodes_of
from promises.records import PromiseRecord
from promises.times import NEVER
from promises.values import EMPTY

START = 1_000_000


def promise(id: str, func: str = "step", *, at: int = 0, until: int | None = 10, **tags: str) -> PromiseRecord:
    """A promise made `at` ms after the start and settled `until` ms after it; pending with None."""
    scope = {"resonate:scope": "local", **tags} if ":" in id else {"resonate:target": "celery://default"}
    parent = id.rpartition(".")[0] or id.partition(":")[0]
    lineage = {"countersign:func": func, **({"resonate:parent": parent} if parent != id else {})}
    state = "pending" if until is None else "resolved"
    settled_at = None if until is None else START + until
    return PromiseRecord(id, state, EMPTY, EMPTY, {**lineage, **scope}, NEVER, START + at, settled_at)


def tree(*promises: PromiseRecord, now: int = 10) -> list[Node]:
    root = promise("r", "flow", until=None) if not promises or promises[0].id != "r" else promises[0]
    return nodes_of([root, *(p for p in promises if p is not root)], {}, now=START + now)


def places(nodes: list[Node]) -> dict[str, tuple[int, int]]:
    """id -> (column, row)."""
    boxes = drawing_of(nodes).boxes
    return {box.node.id: ((box.x - 8) // COLUMN, (box.y - 8) // ROW) for box in boxes}


class TestDrawing:
    def test_columns_are_depths_and_a_caller_is_level_with_its_first_call(self) -> None:
        nodes = tree(promise("r:1", "one"), promise("r:2", "two"), promise("r:2.1", "inner"), promise("r:3", "three"))
        assert places(nodes) == {"r": (0, 0), "r:1": (1, 0), "r:2": (1, 1), "r:2.1": (2, 1), "r:3": (1, 2)}

    def test_no_two_boxes_overlap(self) -> None:
        nodes = tree(*[promise(f"r:{n}{inner}", f"f{n}") for n in range(1, 9) for inner in ("", ".1", ".2")])
        assert len(set(places(nodes).values())) == len(nodes)

    def test_lines_lead_from_the_caller_to_its_calls(self) -> None:
        drawing = drawing_of(tree(promise("r:1", "one"), promise("r:2", "two")))
        middle = 8 + BOX_HEIGHT // 2
        assert drawing.boxes[0].line == ""
        assert drawing.boxes[2].line.startswith(f"M{8 + BOX_WIDTH} {middle}")

    def test_many_equal_steps_are_one_box(self) -> None:
        boxes = drawing_of(tree(*[promise(f"r:{n}", "same", until=n) for n in range(1, 201)])).boxes
        assert [(box.count, box.took) for box in boxes[1:]] == [(200, sum(range(1, 201)))]

    def test_but_not_those_that_differ_or_call_something(self) -> None:
        few = [promise(f"r:{n}", "same") for n in range(1, 5)]
        failed = [promise(f"r:{n}", "other") for n in range(5, 10)]
        calling = promise("r:9.1", "inner")
        boxes = drawing_of(tree(*few, *failed, calling)).boxes
        assert [box.count for box in boxes[1:]] == [1] * 10

    def test_it_is_as_large_as_what_is_drawn(self) -> None:
        drawing = drawing_of(tree(promise("r:1", "one"), promise("r:2", "two")))
        assert (drawing.width, drawing.height) == (8 + COLUMN + BOX_WIDTH + 8, 8 + 2 * ROW + 8)

    def test_a_part_of_a_deep_tree_begins_at_the_left(self) -> None:
        nodes = tree(promise("r:1", "one"), promise("r:1.1", "two"))
        assert places(nodes[1:]) == {"r:1": (0, 0), "r:1.1": (1, 0)}

    def test_nothing_draws_nothing(self) -> None:
        assert drawing_of([]).boxes == []


class TestTimeline:
    def test_bars_span_the_life_of_the_run(self) -> None:
        nodes = tree(promise("r:1", until=50), promise("r:2", at=50, until=None), now=100)
        bars = timeline_of(nodes, nodes[0]).bars
        shown = [(bar.x - LABEL_WIDTH, bar.width) for bar in bars]
        assert shown == [(0, CHART_WIDTH), (0, CHART_WIDTH / 2), (CHART_WIDTH / 2, CHART_WIDTH / 2)]

    def test_waiting_is_told_from_computing(self) -> None:
        sleep = promise("r:1", **{"resonate:timer": "true", "resonate:scope": "global"})
        asked = promise("r:2", **{"countersign:approval": "1", "resonate:scope": "global"})
        nodes = tree(sleep, asked, promise("r:3"))
        assert [bar.look for bar in timeline_of(nodes, nodes[0]).bars] == ["span", "idle", "idle", "bar"]

    def test_the_shortest_can_be_seen_and_stays_inside(self) -> None:
        nodes = tree(promise("r:1", at=100_000, until=100_000), now=100_000)
        bar = timeline_of(nodes, nodes[0]).bars[1]
        assert bar.width == 3
        assert bar.x + bar.width <= LABEL_WIDTH + CHART_WIDTH

    def test_the_scale_has_few_lines_at_round_times(self) -> None:
        nodes = tree(now=3 * 3_600_000)
        assert [tick.after for tick in timeline_of(nodes, nodes[0]).ticks] == [n * 1_800_000 for n in range(7)]
