"""An export is verified without the database, and shows every change."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from approvals.exporting import export_lines, export_verify
from approvals.models import ApprovalRequest, AuditEvent
from approvals.signing import NotGenuine, public_key_of
from tests.approvals.audit.conftest import NOW, OTHER_PUBLIC, PUBLIC

KEYS = [public_key_of(PUBLIC)]


@pytest.fixture
def lines(story: ApprovalRequest) -> list[str]:
    return list(export_lines(AuditEvent.objects.order_by("stream", "number"), now=NOW))


def exported(*options: str) -> str:
    out = StringIO()
    call_command("audit", "export", *options, stdout=out)
    return out.getvalue()


def test_an_export_verifies(lines: list[str]) -> None:
    count, found = export_verify(lines, KEYS)
    assert (count, found) == (AuditEvent.objects.count(), [])
    assert len(lines) == count + 1


def test_a_line_says_everything_that_the_event_says(lines: list[str], story: ApprovalRequest) -> None:
    event = AuditEvent.objects.get(stream=str(story.pk), number=1)
    line = next(line for line in map(json.loads, lines) if line.get("stream") == str(story.pk))
    assert line == {
        "stream": str(story.pk),
        "number": 1,
        "kind": "opened",
        "actor": "frank",
        "channel": "workflow",
        "data": event.data,
        "at": NOW,
        "previous": "",
        "hash": event.hash,
    }


def test_a_part_of_a_stream_verifies_too(lines: list[str], story: ApprovalRequest) -> None:
    part = list(export_lines(AuditEvent.objects.filter(stream=str(story.pk), number__gte=3), now=NOW))
    assert export_verify(part, KEYS)[1] == []


def altered(lines: list[str], change: str) -> list[str]:
    match change:
        case "a word":
            return [line.replace('"dave"', '"fred"') for line in lines]
        case "a line less":
            return lines[1:]
        case "two lines exchanged":
            return [lines[1], lines[0], *lines[2:]]
        case "no end":
            return lines[:-1]
        case "something after the end":
            return [*lines, lines[0]]
        case "another end":
            return [*lines[:-1], lines[-1].replace(str(NOW), str(NOW + 1))]
        case "no signature":
            return [*lines[:-1], json.dumps({**json.loads(lines[-1]), "signature": None})]
        case "no json":
            return ["what?\n", *lines]
    raise AssertionError(change)


@pytest.mark.parametrize(
    "change",
    [
        "a word",
        "a line less",
        "two lines exchanged",
        "no end",
        "something after the end",
        "another end",
        "no signature",
        "no json",
    ],
)
def test_a_file_that_was_altered_is_not_genuine(lines: list[str], change: str) -> None:
    with pytest.raises(NotGenuine):
        export_verify(altered(lines, change), KEYS)


def test_a_chain_that_was_broken_before_it_was_exported_is_named(story: ApprovalRequest) -> None:
    events = list(AuditEvent.objects.filter(stream=str(story.pk)))
    events[3].actor = "carol"
    _count, found = export_verify(export_lines(events, now=NOW), KEYS)
    assert [(item.stream, item.number) for item in found] == [(str(story.pk), 4)]


def test_the_commands_write_and_verify_it(story: ApprovalRequest, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_text(exported("--stream", str(story.pk)))
    out = StringIO()
    call_command("audit", "verify", str(file), "--key", PUBLIC, stdout=out)
    assert "no link is broken" in out.getvalue()
    with pytest.raises(CommandError, match="not given"):
        call_command("audit", "verify", str(file), "--key", OTHER_PUBLIC)
    file.write_text(file.read_text().replace("dave", "fred"))
    with pytest.raises(CommandError, match="altered"):
        call_command("audit", "verify", str(file))


@pytest.mark.usefixtures("no_key")
def test_without_a_key_the_export_says_that_it_is_unsigned(
    story: ApprovalRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads(exported().splitlines()[-1])["signature"] is None
    assert "COUNTERSIGN_SIGNING_KEY is not set" in capsys.readouterr().err
