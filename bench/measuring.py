"""`python -m bench.measuring PEER`: run workloads of one peer as lines of JSON on the standard input ask for.

The run starts one such process for each peer. Each line is `[workload, n]`; the answer is `{"samples": {metric:
[figures]}}`, `{"not_measured": reason}`, or `{"failure": reason}` when there is no more to come. It ends on
SIGTERM, and with its input: so also when the run was killed.
"""

import importlib
import json
import os
import signal
import sys
from typing import Any

from bench.processes import NotMeasured, PeerFailed


def main(name: str) -> int:
    signal.signal(signal.SIGTERM, end)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else is printed must not look like an answer
    try:
        peer = importlib.import_module(f"bench.peers.{name}").Peer()
        try:
            peer.start()
            print(json.dumps({"samples": {}}), file=answers)
            for line in sys.stdin:
                workload, n = json.loads(line)
                print(json.dumps(answer(peer, workload, n)), file=answers)
        finally:
            peer.stop()
    except PeerFailed as failure:
        print(json.dumps({"failure": str(failure)}), file=answers)
        return 1
    return 0


def answer(peer: Any, workload: str, n: int) -> dict[str, Any]:
    try:
        return {"samples": getattr(peer, workload)(n)}
    except NotMeasured as reason:
        return {"not_measured": str(reason)}


def end(*args: object) -> None:
    """Leave by an exception, so that the worker is stopped too; once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
