"""A receipt verifies wherever the public key is, says what was decided, and shows every change."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from approvals import keys, operations, signing
from approvals.audit import events_of
from approvals.durations import after
from approvals.models import ApprovalRequest
from approvals.receipts import receipt_verify
from approvals.signing import NotGenuine, public_key_of
from tests.approvals.audit.conftest import HOUR, KEY, NOW, OTHER_KEY, OTHER_PUBLIC, PUBLIC, decide

Ask = Callable[..., ApprovalRequest]
ROOT = Path(__file__).resolve().parents[3]
KEYS = [public_key_of(PUBLIC)]


def test_it_says_what_was_decided_and_by_whom(story: ApprovalRequest) -> None:
    content = receipt_verify(story.decision.receipt, KEYS)
    assert (content["request"], content["outcome"], content["kind"]) == (str(story.pk), "approve", "approve")
    assert (content["by"], content["on_behalf_of"], content["timed_out"]) == ("erin", None, False)
    assert content["digest"] == story.digest
    assert [(ballot["by"], ballot["on_behalf_of"], ballot["as"]) for ballot in content["ballots"]] == [
        ("bob", None, ["user:bob"]),
        ("dave", "carol", ["group:finance"]),
        ("bob", None, ["group:finance"]),
        ("erin", None, ["group:sre", "user:erin"]),
    ]
    decided = events_of(story)[-1]
    assert content["audit"] == {"number": decided.number, "hash": decided.hash}


def test_a_deadline_has_a_receipt_without_a_name(people: dict[str, User], ask: Ask) -> None:
    request = ask(timeout=after("1h", then="reject"), now=NOW)
    operations.approvals_expire(NOW + HOUR)
    request.refresh_from_db()
    content = receipt_verify(request.decision.receipt, KEYS)
    assert (content["by"], content["timed_out"], content["outcome"]) == (None, True, "reject")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every leaf of a JSON value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))
    else:
        yield path


def test_no_word_of_it_can_be_changed(story: ApprovalRequest) -> None:
    receipt = story.decision.receipt
    tried = list(places(receipt))
    assert len(tried) > 40
    for path in tried:
        altered = deepcopy(receipt)
        inner = altered
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = "x" if inner[path[-1]] != "x" else "y"
        with pytest.raises(NotGenuine):
            receipt_verify(altered, KEYS)


@pytest.mark.parametrize("wrong", [None, [], "text", {}, {"receipt": {}}, {"receipt": {"format": "other"}}])
def test_what_is_no_receipt_is_said_so(wrong: object) -> None:
    with pytest.raises(NotGenuine, match="no receipt"):
        receipt_verify(wrong, KEYS)


def test_nothing_can_be_added_to_it_or_taken_away(story: ApprovalRequest) -> None:
    receipt = story.decision.receipt
    for content in (
        {**receipt["receipt"], "more": 1},
        {**receipt["receipt"], "ballots": receipt["receipt"]["ballots"][1:]},
    ):
        with pytest.raises(NotGenuine, match="altered"):
            receipt_verify({**receipt, "receipt": content}, KEYS)


def test_another_key_does_not_verify_it(story: ApprovalRequest) -> None:
    with pytest.raises(NotGenuine, match="not given"):
        receipt_verify(story.decision.receipt, [public_key_of(OTHER_PUBLIC)])
    resigned = {
        "receipt": story.decision.receipt["receipt"],
        "signature": {
            **signing.sign(story.decision.receipt["receipt"], signing.key_of(OTHER_KEY)),
            "key": signing.key_name(public_key_of(PUBLIC)),
        },
    }
    with pytest.raises(NotGenuine, match="altered"):
        receipt_verify(resigned, KEYS)


def test_a_former_key_verifies_what_it_has_signed(story: ApprovalRequest, settings: Any) -> None:
    settings.APPROVALS = {**settings.APPROVALS, "SIGNING_KEY": OTHER_KEY}
    assert receipt_verify(story.decision.receipt, keys.known_keys([PUBLIC, OTHER_PUBLIC]))


@pytest.mark.usefixtures("no_key")
def test_without_a_key_decisions_work_and_carry_none(people: dict[str, User], ask: Ask) -> None:
    request = ask(now=NOW)
    assert decide(request, people["bob"], NOW).is_decided
    assert request.decision.receipt is None
    with pytest.raises(CommandError, match="no receipt"):
        call_command("receipt", "show", str(request.pk))
    with pytest.raises(CommandError, match="COUNTERSIGN_SIGNING_KEY is not set"):
        call_command("receipt", "key")


@pytest.mark.usefixtures("no_key")
def test_a_deployment_without_a_key_is_warned_and_one_with_a_wrong_key_stopped(settings: Any) -> None:
    assert [message.id for message in keys.missing_key()] == ["approvals.W001"]
    settings.APPROVALS = {**settings.APPROVALS, "SIGNING_KEY": "too short"}
    assert [message.id for message in keys.malformed_key()] == ["approvals.E001"]
    settings.APPROVALS = {**settings.APPROVALS, "SIGNING_KEY": KEY}
    assert keys.malformed_key() + keys.missing_key() == []


def test_the_commands_show_and_verify_it(story: ApprovalRequest, tmp_path: Path) -> None:
    out = StringIO()
    call_command("receipt", "show", str(story.pk), stdout=out)
    file = tmp_path / "receipt.json"
    file.write_text(out.getvalue())
    public = tmp_path / "key.pub"
    out = StringIO()
    call_command("receipt", "key", stdout=out)
    public.write_text(out.getvalue())
    out = StringIO()
    call_command("receipt", "verify", str(file), "--key", str(public), stdout=out)
    assert out.getvalue().startswith("Genuine. Pay 12.50?: approve, by erin at 2027-01-15T")


@pytest.mark.parametrize("id", ["no-uuid", "5aef935e-8f0f-491c-9e8d-4df28ca8d7b9"])
def test_there_is_no_receipt_of_what_is_not_decided(people: dict[str, User], ask: Ask, id: str) -> None:
    for asked in (id, str(ask(now=NOW).pk)):
        with pytest.raises(CommandError):
            call_command("receipt", "show", asked)


def test_verifying_needs_no_database(story: ApprovalRequest, tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(story.decision.receipt))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "COUNTERSIGN_"))},
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "SECRET_KEY": "of nobody",
        "COUNTERSIGN_VAR": str(tmp_path / "var"),
    }
    command = [sys.executable, "-m", "config.launcher", "manage", "receipt", "verify", str(file), "--key", PUBLIC]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout[:8]) == (0, "Genuine."), done.stderr
    file.write_text(file.read_text().replace('"approve"', '"reject"'))
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "altered" in done.stderr) == (1, True), done.stderr
