"""`python -m bench.measuring PEER`: run workloads of one peer as lines of JSON on the standard input ask for.

The run starts one such process for each peer. Each line is `[workload, n]`, each answer `{"samples": {metric:
[figures]}}` or `{"failure": reason}`. It ends on SIGTERM, and with its input: so also when the run was killed.
"""

import importlib
import json
import os
import signal
import sys

from bench.processes import PeerFailed


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
                measure = getattr(peer, workload, None)
                print(json.dumps({"samples": measure(n) if measure else {}}), file=answers)
        finally:
            peer.stop()
    except PeerFailed as failure:
        print(json.dumps({"failure": str(failure)}), file=answers)
        return 1
    return 0


def end(*args: object) -> None:
    """Leave by an exception, so that the worker is stopped too; once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
