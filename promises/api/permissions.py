"""Who may call a route: a token needs the route's scope, a signed-in person the route's Django permission, if it
names one."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from promises.problems import Problem


class HasScope(BasePermission):
    """Reads `view.scopes` ({method: scope}) and `view.user_permissions` ({method: "app.codename"}); HEAD counts as GET.

    A token is whatever `request.auth` holds, as long as it has `has_scope(scope) -> bool`; None means a session.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user or not request.user.is_authenticated:
            raise NotAuthenticated()
        method = "GET" if request.method == "HEAD" else str(request.method)
        if request.auth is not None:
            require_scope(request, getattr(view, "scopes", {}).get(method))
        else:
            _require_permission(request, getattr(view, "user_permissions", {}).get(method))
        return True


def require_scope(request: Request, scope: str | None) -> None:
    """403, naming the scope, when the request's token lacks it."""
    token: Any = request.auth
    if scope and not token.has_scope(scope):
        detail = _("This token lacks the scope %(scope)s.") % {"scope": scope}
        challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
        raise Problem(403, "MissingScope", detail, headers={"WWW-Authenticate": challenge}, scope=scope)


def is_allowed(request: Request, *, scope: str, permission: str) -> bool:
    """Whether the caller has `scope` (a token) or the Django permission (a session)."""
    token: Any = request.auth
    if token is not None:
        return bool(token.has_scope(scope))
    user: Any = request.user
    return bool(user.has_perm(permission))


def _require_permission(request: Request, permission: str | None) -> None:
    user: Any = request.user
    if permission and not user.has_perm(permission):
        detail = _("Your account lacks the permission %(permission)s.") % {"permission": permission}
        raise Problem(403, "MissingPermission", detail, permission=permission)
