"""Proving again who one is, where much is at risk: by signing in, or by entering the password on the request's page."""

from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from promises.times import now_ms

KEY = "confirmed_at"


def confirmed_at(request: Any) -> int | None:
    """When the person behind this session last proved who he is (ms); None without a session."""
    found = request.session.get(KEY)
    return found if isinstance(found, int) else None


def confirm(request: HttpRequest, password: str, now: int) -> bool:
    """Note that the password was entered; False when one was given and it is another. The accounts' own backends look
    at it, with whatever limits they have."""
    if not password:
        return True
    user: Any = request.user
    found = authenticate(request, username=user.get_username(), password=password)
    if found is None or found.pk != user.pk:
        return False
    request.session[KEY] = now
    return True


@receiver(user_logged_in, dispatch_uid="approvals.confirming")
def signed_in(request: HttpRequest, **_more: Any) -> None:
    request.session[KEY] = now_ms()
