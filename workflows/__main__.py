"""`python -m workflows`: see `workflows.terminal.command`."""

import os
import sys

from workflows.terminal.command import main
from workflows.terminal.sessions import INTERRUPTED

if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    if code == INTERRUPTED:
        os._exit(code)  # a step in a thread cannot be stopped, and would be waited for
    sys.exit(code)
