"""Files that people upload into the form of a request, kept in the database until the request is forgotten."""

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from approvals import wording
from approvals.eligibility import eligibility_of
from approvals.errors import FieldError, InvalidInput, NotEligible, RequestNotFound
from approvals.files import File, upload_check
from approvals.models import ApprovalRequest, RequestFile
from approvals.operations.pending import pending_request
from approvals.operations.tallying import ballots_of
from approvals.outcomes import gettext_noop
from approvals.people import user_now

FILES_LIMIT = 20  # uploads of one person that belong to no answer yet
TOO_MANY = gettext_noop("You have uploaded %(limit)s files here already.")


def file_add(
    request_id: UUID | str,
    *,
    actor: Any,
    name: str,
    content_type: str,
    content: bytes,
    now: int,
    is_person: bool = True,
) -> File:
    """Keep a file for the answer that this person is about to give. The same file again is the one that is there.

    Locks the request, then its promise. Errors: RequestNotFound, NotEligible, AlreadyDecided, RequestClosed,
    InvalidInput.
    """
    file = upload_check(name, content_type, content)
    with pending_request(request_id, actor, now) as request:
        actor = user_now(actor)
        found = eligibility_of(request, actor, ballots_of(request), now, is_person=is_person)
        if (obstacle := found.obstacle) is not None:
            raise NotEligible(wording.of_rule(obstacle), found)
        mine = request.files.filter(uploaded_by=actor.get_username()).defer("content")
        known = mine.filter(sha256=file.sha256, name=file.name, content_type=file.content_type).first()
        if known is not None:
            return known.as_file
        if mine.filter(is_used=False).count() >= FILES_LIMIT:
            raise InvalidInput([FieldError("", TOO_MANY, {"limit": FILES_LIMIT})])
        kept = RequestFile.objects.create(
            request=request,
            name=file.name,
            content_type=file.content_type,
            size=file.size,
            sha256=file.sha256,
            content=content,
            uploaded_by=actor.get_username(),
            uploaded_at=now,
        )
    return kept.as_file


def file_content(id: str) -> bytes:
    """The content of a file. Errors: RequestNotFound."""
    return bytes(_get(RequestFile.objects.all(), id).content)


def file_of(request: ApprovalRequest, id: str, user: Any) -> RequestFile:
    """A file of the request, for somebody who may see the request: what belongs to an answer, and his own uploads.

    Errors: RequestNotFound.
    """
    file = _get(RequestFile.objects.filter(request=request), id)
    if not file.is_used and file.uploaded_by != user.get_username():
        raise RequestNotFound(_("There is no such file."))
    return file


def _get(files: Any, id: str) -> RequestFile:
    try:
        found: RequestFile = files.get(pk=id)
    except (RequestFile.DoesNotExist, ValidationError, ValueError):
        raise RequestNotFound(_("There is no such file.")) from None
    return found
