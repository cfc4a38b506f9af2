"""Which executions a caller may see, and which he may cancel."""

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string
from rest_framework.request import Request

from promises import queries
from promises.models import PromiseQuerySet
from promises.records import PromiseRecord
from workflows.api.outputs import requester_of

READ, START = "executions:read", "executions:start"
OPERATE = "promises:write"
MAY_VIEW, MAY_CHANGE = "promises.view_promise", "promises.change_promise"
MAY_OPERATE = "promises.change_task"


def sees_all(request: Request) -> bool:
    """A token with executions:read was given it by an operator for all of them; a person needs the permission."""
    token: Any = request.auth
    user: Any = request.user
    return bool(token.has_scope(READ)) if token is not None else bool(user.has_perm(MAY_VIEW))


def visible(request: Request, executions: PromiseQuerySet) -> PromiseQuerySet:
    """Of these executions, those that the caller may see.

    For people the project may know more reasons than having started it: `WORKFLOWS["EXECUTIONS_VISIBLE_TO"]` names
    a function (user, executions) -> executions.
    """
    if sees_all(request):
        return executions
    rule = getattr(settings, "WORKFLOWS", {}).get("EXECUTIONS_VISIBLE_TO")
    if rule and request.auth is None:
        found: PromiseQuerySet = import_string(rule)(request.user, executions)
        return found
    return executions.filter(tags__contains={"countersign:requester": username_of(request)})


def can_see(request: Request, root: PromiseRecord) -> bool:
    if is_requester(request, root) or sees_all(request):
        return True
    return visible(request, queries.executions().filter(pk=root.id)).exists()


def can_cancel(request: Request, root: PromiseRecord) -> bool:
    """Whoever asked for it, and those who may settle any promise."""
    token: Any = request.auth
    user: Any = request.user
    if is_requester(request, root):
        return True
    return bool(token.has_scope(OPERATE)) if token is not None else bool(user.has_perm(MAY_CHANGE))


def is_requester(request: Request, root: PromiseRecord) -> bool:
    return requester_of(root) == username_of(request)


def username_of(request: Request) -> str:
    user: Any = request.user
    return str(user.get_username())
