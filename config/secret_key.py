"""Where the signing key comes from: the environment, or, on a single machine, a file of the state folder."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def secret_key_read(given: str, path: Path, *, may_generate: bool) -> str:
    """The key given, else the one kept in `path`, which is made when `may_generate`."""
    if given:
        return given
    if not may_generate:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Every process and machine needs the same long random value. Make one by: "
            'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    return secret_file_read(path)


def secret_file_read(path: Path, size: int = 48) -> str:
    """The secret kept in `path` (mode 0600); if there is none, a new one of `size` random bytes in base64url.

    Several processes may start at once: the file appears complete or not at all, and the first one to link it
    wins.
    """
    if not path.exists():
        _create(path, size)
    return path.read_text().strip()


def _create(path: Path, size: int) -> None:
    """Write a new secret to `path`; does nothing when another process has written it meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".secret_key-")  # mkstemp creates with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(size) + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()
