"""Which Python measures a peer: ours, or that of an environment made for peers that the product does not depend on."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from bench.processes import ROOT, PeerFailed

LOCK = ROOT / "bench" / "requirements.lock"
INSTALL_SECONDS = 240


def python() -> str:
    """The Python of the peers' environment in the state folder, installed from the lock file when it is not there yet.

    Errors: PeerFailed (no network, no package index).
    """
    folder = Path(os.environ.get("COUNTERSIGN_VAR") or ROOT / "var").absolute() / "bench-environment"
    stamp = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    command = [sys.executable, ROOT / "config" / "virtual_environment.py", folder, LOCK, stamp]
    try:
        done = subprocess.run(command, stdout=sys.stderr, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise PeerFailed(f"its packages were not installed within {INSTALL_SECONDS} s") from None
    if done.returncode:
        raise PeerFailed(f"its packages could not be installed into {folder}; is there a network?")
    return str(folder / "bin" / "python")
