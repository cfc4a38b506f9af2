"""Ask a person from any program, wait, and verify the receipt: `python examples/ask.py "Refund 12.50?" group:finance`.

Needs nothing beyond Python. COUNTERSIGN_PUBLIC_URL is the address when it is not http://127.0.0.1:8000,
COUNTERSIGN_TOKEN a token with the scopes approvals:create and approvals:read. Exit status: 0 approved, 1 refused,
2 nobody answered in time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from pathlib import Path
from typing import Any

API = os.environ.get("COUNTERSIGN_PUBLIC_URL", "http://127.0.0.1:8000") + "/api/approvals/"
ROOT = Path(__file__).resolve().parent.parent


def call(path: str, body: Any = None, **headers: str) -> Any:
    """The answer's JSON. Errors: urllib.error.HTTPError, whose body says what to do."""
    sent = {"Authorization": f"Bearer {os.environ['COUNTERSIGN_TOKEN']}", "Content-Type": "application/json", **headers}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(API + path, data, sent), timeout=70) as answer:  # noqa: S310
        return json.load(answer)


def ask(question: str, to: str, timeout: str, key: str) -> Any:
    """Ask, or find what was asked under this key before, and wait until it is answered or its time is over."""
    body = {"question": question, "to": to, "timeout": {"after": timeout, "then": "reject"}}
    asked = call("", body, **{"Idempotency-Key": key})
    print(f"asked: {asked['url']}", file=sys.stderr)
    while asked["state"] == "pending":
        asked = call(f"{asked['id']}/?wait=60s")
    return asked


def verify(id: str) -> None:
    """Check the decision's signature; a stranger would do it with the public key and no installation."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(call(f"{id}/receipt/"), file)
        file.flush()
        subprocess.run([sys.executable, ROOT / "manage.py", "receipt", "verify", file.name], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question")
    parser.add_argument("to", help="user:NAME, group:NAME or permission:APP.CODENAME")
    parser.add_argument("--timeout", default="24h")
    parser.add_argument("--key", default=str(uuid.uuid4()), help="your own name for the question")
    said = parser.parse_args()
    found = ask(said.question, said.to, said.timeout, said.key)
    print(f"{found['state']}: {found['outcome']} by {found['decided_by']}: {found['comment']}", file=sys.stderr)
    if found["state"] == "canceled":
        return 1
    verify(found["id"])
    return 2 if found["state"] == "timed_out" else int(found["outcome"] != "approve")


if __name__ == "__main__":
    sys.exit(main())
