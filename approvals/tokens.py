"""API tokens: what they look like, what they allow, and how a request proves that it has one. Only a hash is stored."""

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

SCOPES = (
    "executions:read",
    "executions:start",
    "promises:read",
    "promises:write",
    "schedules:read",
    "schedules:write",
    "approvals:create",
    "approvals:read",
    "approvals:decide",
    "approvals:admin",
    "metrics:read",
)
SHAPE = re.compile(r"cs_[a-z0-9]{8}_[A-Za-z0-9_-]{43}", re.ASCII)
PREFIX_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
USE_IS_NOTED_EVERY = timedelta(minutes=1)


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def valid(self, now: datetime) -> "ApiTokenQuerySet":
        """Neither revoked nor expired at `now` (aware)."""
        return self.filter(revoked_at=None).filter(models.Q(expires_at=None) | models.Q(expires_at__gt=now))


class ApiToken(models.Model):
    """Lets a program act for `user` within `scopes`. A token that is not `human` (an agent, a service) may never
    decide."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens", verbose_name=gettext_lazy("user")
    )
    prefix = models.CharField(gettext_lazy("prefix"), max_length=8, unique=True)
    secret_hash = models.CharField(gettext_lazy("hash"), max_length=64)
    scopes = models.JSONField(gettext_lazy("scopes"), default=list)
    human = models.BooleanField(gettext_lazy("acts for a person"), default=True)
    created_at = models.DateTimeField(gettext_lazy("created"))
    expires_at = models.DateTimeField(gettext_lazy("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(gettext_lazy("revoked"), null=True, blank=True)
    last_used_at = models.DateTimeField(gettext_lazy("last used"), null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        app_label = "approvals"
        verbose_name = gettext_lazy("API token")
        verbose_name_plural = gettext_lazy("API tokens")
        ordering = ("-created_at", "-pk")

    def __str__(self) -> str:
        return f"cs_{self.prefix}_…"

    def has_scope(self, scope: str) -> bool:
        return scope in self.scopes

    def is_valid(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


def token_create(
    user: Any, scopes: list[str], *, now: datetime, expires_at: datetime | None = None, human: bool = True
) -> tuple[ApiToken, str]:
    """A new token and its text, which is shown this once. Raises ValueError for a scope that does not exist, or
    for none."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        known = ", ".join(SCOPES)
        wrong = ", ".join(unknown) or _("none given")
        raise ValueError(_("Unknown scope (%(wrong)s). The scopes are: %(known)s.") % {"wrong": wrong, "known": known})
    prefix = "".join(secrets.choice(PREFIX_ALPHABET) for _i in range(8))
    text = f"cs_{prefix}_{secrets.token_urlsafe(32)}"
    token = ApiToken.objects.create(
        user=user,
        prefix=prefix,
        secret_hash=token_hash(text),
        scopes=sorted(set(scopes), key=SCOPES.index),
        human=human,
        created_at=now,
        expires_at=expires_at,
    )
    return token, text


def token_revoke(prefix: str, *, now: datetime) -> ApiToken | None:
    """Revoke the token with this prefix and return it; revoking again keeps the first time. None when there is no
    such token."""
    token = ApiToken.objects.filter(prefix=prefix.removeprefix("cs_").split("_", 1)[0]).first()
    if token is not None and token.revoked_at is None:
        token.revoked_at = now
        token.save(update_fields=["revoked_at"])
    return token


def token_find(text: str, *, now: datetime) -> ApiToken | None:
    """The valid token with this text, of an active user; its use is noted, at most once a minute."""
    if not SHAPE.fullmatch(text):
        return None
    token = ApiToken.objects.valid(now).select_related("user").filter(prefix=text[3:11], user__is_active=True).first()
    # 256 random bits need no slow hash, and comparing hashes in constant time tells nothing about the text.
    if token is None or not secrets.compare_digest(token.secret_hash, token_hash(text)):
        return None
    if token.last_used_at is None or token.last_used_at <= now - USE_IS_NOTED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def token_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer cs_…`. Sets `request.user` to the token's user and `request.auth` to the ApiToken."""

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        text = words[1].decode("ascii", "replace") if len(words) == 2 else ""
        token = token_find(text, now=timezone.now())
        if token is None:
            raise AuthenticationFailed(_("This token is not valid: unknown, expired or revoked."))
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
