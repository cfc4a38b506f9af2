"""Where the signing key comes from: the environment, or, on a single machine, a file of the state folder."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def secret_key_read(given: str, path: Path, *, may_generate: bool) -> str:
    """The key given, else the one kept in `path` (mode 0600), which is made when `may_generate`.

    Several processes may start at once: the file appears complete or not at all, and the first one to link it
    wins.
    """
    if given:
        return given
    if not may_generate:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Every process and machine needs the same long random value. Make one by: "
            'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    if not path.exists():
        secret_key_create(path)
    return path.read_text().strip()


def secret_key_create(path: Path) -> None:
    """Write a new key to `path`; does nothing when another process has written it meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".secret_key-")  # mkstemp creates with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
