"""The run: in each round every peer has its turn, so a drift of the machine meets them all."""

import time
from collections import defaultdict
from collections.abc import Sequence

from bench.processes import NotMeasured, PeerFailed, PeerProcess, say
from bench.results import Results
from bench.workloads import Workload

ROUNDS = 5
# A peer that has taken this long for a workload has no further turn in it.
ENOUGH_SECONDS = 15
LONGEST_SECONDS = 110


def measure(workload: Workload, peers: Sequence[PeerProcess], results: Results, *, is_quick: bool) -> None:
    """All sizes of a workload, with the peers that are still there."""
    for n in [workload.quick] if is_quick else workload.sizes:
        say(f"measuring {workload.name}, n = {n} ...")
        spent: defaultdict[str, float] = defaultdict(float)
        if not is_quick:  # warm: connections, prepared statements
            warming = Results(notes=results.notes)
            for peer in peers:
                turn(peer, workload, workload.quick, warming)
        for _ in range(1 if is_quick else ROUNDS):
            for peer in peers:
                if spent[peer.name] < ENOUGH_SECONDS:
                    spent[peer.name] += turn(peer, workload, n, results)


def turn(peer: PeerProcess, workload: Workload, n: int, results: Results) -> float:
    """One peer, once; the seconds it took. A peer that fails has no more turns, and the results say why."""
    if peer.has_ended:
        return 0
    started_at = time.monotonic()
    try:
        results.add(workload.name, peer.name, n, peer.ask(workload.name, n, seconds=LONGEST_SECONDS))
    except NotMeasured as reason:
        results.note(f"{peer.name}, {workload.name}: {reason}.")
    except PeerFailed as failure:
        results.note(f"{peer.name}, {workload.name}: not measured to its end, nor what follows: {failure}.")
        peer.stop()
    return time.monotonic() - started_at
