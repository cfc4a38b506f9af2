"""Files in forms. A field of type `File` refers to an upload; what was uploaded is looked at when it arrives (size,
type, content) and again when an answer refers to it (what its field accepts)."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from approvals.errors import FieldError, InvalidInput
from approvals.outcomes import gettext_noop

if TYPE_CHECKING:
    from approvals.validation import FileRule

FILE_LIMIT = 8 * 1024 * 1024  # bytes of one file
NAME_LIMIT = 200
BINARY = "application/octet-stream"

# What the content of a file of some type begins with: a name that lies about it is refused.
SIGNATURES: Mapping[str, tuple[bytes, ...]] = {
    "application/pdf": (b"%PDF-",),
    "application/zip": (b"PK\x03\x04", b"PK\x05\x06"),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/webp": (b"RIFF",),
    **dict.fromkeys(
        (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.oasis.opendocument.spreadsheet",
            "application/vnd.oasis.opendocument.text",
        ),
        (b"PK\x03\x04",),
    ),
}
_type = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,80}", re.ASCII)

TOO_LARGE = gettext_noop("The file is larger than %(limit)s kB.")
EMPTY = gettext_noop("The file is empty.")
NOT_ACCEPTED = gettext_noop("A file of this type is not accepted (%(type)s); it takes %(accepted)s.")
LIES = gettext_noop("The content is not what its type says (%(type)s).")
NO_TYPE = gettext_noop("“%(type)s” is no type of a file.")
NO_UPLOAD = gettext_noop("This file has not been uploaded here by you.")


class File(BaseModel):
    """A file that somebody has uploaded into a form: what it is called and what it is. `sha256` is that of its content.

    In a form, `Annotated[File, accepts("application/pdf", max_bytes=500_000)]` says what it takes.
    """

    model_config = ConfigDict(frozen=True, json_schema_extra={"file": {}})

    id: str
    name: str = ""
    content_type: str = BINARY
    size: int = 0
    sha256: str = ""

    def read(self) -> bytes:
        """The content. For steps: it asks the database."""
        if self.id.startswith("data:"):  # virtual people carry their files with them
            return base64.b64decode(self.id.partition(",")[2])
        from approvals.operations import file_content

        return file_content(self.id)


def accepts(*types: str, max_bytes: int = FILE_LIMIT) -> FieldInfo:
    """What a file field takes: media types ("application/pdf", "image/*"; any when none is named) up to a size."""
    rule: dict[str, Any] = {"types": list(types), "max_bytes": min(max_bytes, FILE_LIMIT)}
    found: FieldInfo = Field(json_schema_extra={"file": rule})
    return found


def upload_check(name: str, content_type: str, content: bytes) -> File:
    """The file, if it can be kept; without its id. Errors: InvalidInput."""
    kind = content_type.partition(";")[0].strip().lower() or BINARY
    problem = _content_problem(kind, content)
    if problem is not None:
        raise InvalidInput([problem])
    digest = hashlib.sha256(content).hexdigest()
    return File(id="", name=_name(name), content_type=kind, size=len(content), sha256=digest)


def file_rule(find: Callable[[str], File | None]) -> "FileRule":
    """The check of references: `find(id)` gives the file that this person may use here. A reference is completed with
    what is known of the file, whatever it said itself."""

    def check(rule: Mapping[str, Any], reference: Any) -> FieldError | None:
        file = find(str(reference.get("id", "")))
        if file is None:
            return FieldError("", NO_UPLOAD)
        reference.clear()
        reference.update(file.model_dump())
        return _rule_problem(rule, file)

    return check


def files_in(value: Any) -> list[File]:
    """Every file that a JSON value refers to."""
    if isinstance(value, list):
        return [file for item in value for file in files_in(item)]
    if not isinstance(value, dict):
        return []
    if value.keys() == File.model_fields.keys():
        return [File(**value)]
    return [file for item in value.values() for file in files_in(item)]


def _rule_problem(rule: Mapping[str, Any], file: File) -> FieldError | None:
    types, limit = rule.get("types", ()), rule.get("max_bytes", FILE_LIMIT)
    if file.size > limit:
        return FieldError("", TOO_LARGE, {"limit": limit // 1024})
    if types and not any(_is_of(file.content_type, accepted) for accepted in types):
        return FieldError("", NOT_ACCEPTED, {"type": file.content_type, "accepted": ", ".join(types)})
    return None


def _is_of(kind: str, accepted: str) -> bool:
    return kind == accepted or (accepted.endswith("/*") and kind.startswith(accepted[:-1]))


def _content_problem(kind: str, content: bytes) -> FieldError | None:
    if not _type.fullmatch(kind):
        return FieldError("", NO_TYPE, {"type": kind[:80]})
    if not content:
        return FieldError("", EMPTY)
    if len(content) > FILE_LIMIT:
        return FieldError("", TOO_LARGE, {"limit": FILE_LIMIT // 1024})
    begins = SIGNATURES.get(kind)
    if (begins and not content.startswith(begins)) or (kind.startswith("text/") and b"\x00" in content):
        return FieldError("", LIES, {"type": kind})
    return None


def _name(name: str) -> str:
    """The last part of a name, without what could mislead or break a header."""
    last = re.split(r"[\\/]", name)[-1]
    clean = re.sub('[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff"]', "", last).strip(". ")
    return clean[-NAME_LIMIT:] or "file"
