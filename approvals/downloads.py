"""How an uploaded file leaves the server: always as an attachment, never as something that a browser would run."""

from urllib.parse import quote

from django.http import HttpResponse

from approvals.models import RequestFile


def download(file: RequestFile) -> HttpResponse:
    """The content, under the name and type that it was uploaded with."""
    response = HttpResponse(bytes(file.content), content_type=file.content_type)
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cache-Control"] = "private, no-store"
    return response
