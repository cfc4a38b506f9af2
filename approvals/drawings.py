"""The call graph as a drawing, and the life of its promises as a timeline: where each box and bar goes, in pixels. Pure
arithmetic; the templates draw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from approvals.graphs import Node

BOX_WIDTH, BOX_HEIGHT = 216, 44
COLUMN, ROW = BOX_WIDTH + 40, BOX_HEIGHT + 12
MARGIN = 8
# So many equal steps in a row are one box: a fan-out of hundreds stays a drawing that can be read.
GROUP_FROM = 5
ZOOMS = (50, 75, 100, 150)

LANE, LABEL_WIDTH, CHART_WIDTH = 28, 208, 552
SHORTEST_BAR = 3
STEPS_MS = [
    *(unit * n for unit in (1, 10, 100, 1000, 10_000) for n in (1, 2, 5)),
    *(60_000 * n for n in (1, 2, 5, 10, 30)),
    *(3_600_000 * n for n in (1, 2, 6, 12)),
    *(86_400_000 * n for n in (1, 2, 7, 30, 90, 365)),
]
# What is pending or was, without anything being computed.
_IDLE = {"sleep", "approval", "promise"}


@dataclass
class Box:
    """A promise of the drawing, or `count` equal steps that follow each other. `x`, `y`: its upper left corner."""

    node: Node
    depth: int
    count: int = 1
    took: int = 0
    x: int = 0
    y: int = 0
    parent: "Box | None" = None

    @property
    def line(self) -> str:
        """The path from the box of its caller: right, down, right."""
        if self.parent is None:
            return ""
        from_x, from_y = self.parent.x + BOX_WIDTH, self.parent.y + BOX_HEIGHT // 2
        return f"M{from_x} {from_y}H{self.x - 20}V{self.y + BOX_HEIGHT // 2}H{self.x}"


@dataclass
class Drawing:
    boxes: list[Box]
    width: int
    height: int


def drawing_of(nodes: Sequence[Node]) -> Drawing:
    """The boxes of a run of nodes in the order of the tree: columns by depth, callers level with their first call."""
    boxes: list[Box] = []
    above: list[Box] = []  # the boxes from the root down to the last one
    row = -1
    shallowest = min((node.depth for node in nodes), default=0)
    for box in _grouped(nodes):
        box.depth -= shallowest
        del above[box.depth :]
        box.parent = above[-1] if above else None
        is_first_call = bool(boxes) and boxes[-1] is box.parent
        row += 0 if is_first_call else 1
        box.x, box.y = MARGIN + box.depth * COLUMN, MARGIN + row * ROW
        boxes.append(box)
        above.append(box)
    columns = max((box.depth for box in boxes), default=0) + 1
    return Drawing(boxes, 2 * MARGIN + columns * COLUMN - (COLUMN - BOX_WIDTH), 2 * MARGIN + (row + 1) * ROW)


def _grouped(nodes: Sequence[Node]) -> Iterator[Box]:
    index = 0
    while index < len(nodes):
        alike = index + 1
        while alike < len(nodes) and _are_alike(nodes[index], nodes[alike]):
            alike += 1
        # What calls something is not alike, whatever its name.
        if alike < len(nodes) and nodes[alike].depth > nodes[alike - 1].depth:
            alike -= 1
        count = alike - index
        if count >= GROUP_FROM:
            yield Box(nodes[index], nodes[index].depth, count, sum(node.took for node in nodes[index:alike]))
            index = alike
        else:
            yield Box(nodes[index], nodes[index].depth, took=nodes[index].took)
            index += 1


def _are_alike(one: Node, other: Node) -> bool:
    return one.kind == other.kind == "step" and (one.depth, one.name, one.state) == (
        other.depth,
        other.name,
        other.state,
    )


@dataclass
class Bar:
    """The life of a promise, `x` and `width` in pixels of the chart."""

    node: Node
    y: int
    x: float
    width: float
    is_caller: bool = False

    @property
    def look(self) -> str:
        """ "span": it calls others, which have bars of their own; "idle": somebody or something is waited for; "bar":
        it computes."""
        if self.node.kind in _IDLE:
            return "idle"
        return "span" if self.is_caller else "bar"


@dataclass
class Tick:
    """A line of the scale: so long after the start (ms)."""

    x: float
    after: int


@dataclass
class Timeline:
    bars: list[Bar]
    ticks: list[Tick] = field(default_factory=list)
    width: int = LABEL_WIDTH + CHART_WIDTH + MARGIN

    @property
    def height(self) -> int:
        return (len(self.bars) + 1) * LANE + MARGIN


def timeline_of(nodes: Sequence[Node], root: Node) -> Timeline:
    """One lane for each node; the chart spans the life of `root`."""
    began = root.promise.created_at
    span = max((root.promise.settled_at or root.now) - began, 1)

    def at(moment: int) -> float:
        return round(LABEL_WIDTH + min(max((moment - began) / span, 0), 1) * CHART_WIDTH, 1)

    bars = []
    for lane, node in enumerate(nodes):
        start, end = at(node.promise.created_at), at(node.promise.settled_at or node.now)
        width = max(end - start, SHORTEST_BAR)
        is_caller = lane + 1 < len(nodes) and nodes[lane + 1].depth > node.depth
        x = min(start, LABEL_WIDTH + CHART_WIDTH - width)
        bars.append(Bar(node, LANE + lane * LANE, x, round(width, 1), is_caller))
    step = next((step for step in STEPS_MS if span / step <= 6), STEPS_MS[-1])
    return Timeline(bars, [Tick(at(began + after), after) for after in range(0, span + 1, step)])
