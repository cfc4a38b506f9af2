"""A script: run a command that refuses root, as root, without adding a user or changing the mode of any
folder.

`unprivileged.py COMMAND...` enters a user namespace of its own in which root's files belong to an ordinary
user. With `--account UID GID` first, it becomes that account instead, for machines that forbid namespaces.
Uses the standard library only, so that it starts in isolated mode (`python -I -S`) in a few milliseconds.
"""

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
INNER_ID = 1000


def namespace_enter() -> None:
    """Become user 1000 of a new user namespace, to which the present user's files belong. Raises OSError."""
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare"):
        raise OSError("this system has no user namespaces")
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare was refused")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{INNER_ID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{INNER_ID} {gid} 1")


def account_become(uid: int, gid: int) -> None:
    """Give up root for an account of this machine, for good."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--account"]:
        account_become(int(arguments[1]), int(arguments[2]))
        arguments = arguments[3:]
    else:
        namespace_enter()
    os.execv(arguments[0], arguments)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
