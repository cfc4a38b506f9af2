"""Who is who: Django's users, groups and permissions as the principals that policies name."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db.models import Q

from approvals.delegations import delegators_of
from approvals.policies import Policy
from approvals.rules import Voter


def principals_of(user: Any) -> list[str]:
    """Every principal that this user is: himself, his groups, his permissions. [] for nobody."""
    if not user.is_active:
        return []
    groups = user.groups.order_by("name").values_list("name", flat=True)
    return [
        f"user:{user.get_username()}",
        *(f"group:{name}" for name in groups),
        *(f"permission:{name}" for name in sorted(user.get_all_permissions())),
    ]


def mandates_of(user: Any, now: int) -> list[list[str]]:
    """The principals as which this user can decide: his own first, then those of each person for whom he stands in."""
    return [principals_of(user), *(principals_of(delegator) for delegator in delegators_of(user, now))]


def voter_of(user: Any, policy: Policy, *, is_person: bool = True) -> Voter:
    """The user as this policy sees him now. `is_person` is False for a token that acts for a machine; accounts of
    machines are never people."""
    named = {*policy.principals(), *policy.veto, *policy.barred}
    mine = principals_of(user)
    is_machine = f"group:{machines_group()}" in mine
    return Voter(user.get_username(), frozenset(named.intersection(mine)), is_person and not is_machine)


def machines_group() -> str:
    """The name of the group whose accounts are services and agents: they never decide."""
    return str(settings.APPROVALS["MACHINES_GROUP"])


def may_operate(user: Any) -> bool:
    """Whether the user may work on requests of others: reassign, add, escalate, remind, release, withdraw."""
    return bool(user.has_perm("approvals.change_approvalrequest"))


def user_now(user: Any) -> Any:
    """The account as the database has it at this moment: nothing that was looked up before is believed."""
    return get_user_model()._default_manager.get(pk=user.pk)


def user_named(name: str) -> Any | None:
    """The active account of this name."""
    users = get_user_model()
    return users._default_manager.filter(is_active=True, **{users.USERNAME_FIELD: name}).first()


def members_for(policy: Policy) -> dict[str, set[str]]:
    """The members of all principals that a verdict under this policy asks about."""
    return members_of([*policy.principals(), *policy.barred])


def members_of(principals: Iterable[str]) -> dict[str, set[str]]:
    """The names of the active people who match each principal; at most one query for each user, group, and permission
    named. Accounts of machines are no people."""
    field = get_user_model().USERNAME_FIELD
    users = get_user_model()._default_manager.filter(is_active=True).exclude(groups__name=machines_group())
    found: dict[str, set[str]] = {principal: set() for principal in principals}
    by_kind: dict[str, list[str]] = defaultdict(list)
    for principal in found:
        kind, _, name = principal.partition(":")
        by_kind[kind].append(name)
    if names := by_kind["user"]:
        for name in users.filter(**{f"{field}__in": names}).values_list(field, flat=True):
            found[f"user:{name}"].add(name)
    if names := by_kind["group"]:
        for group, name in users.filter(groups__name__in=names).values_list("groups__name", field):
            if f"group:{group}" in found:
                found[f"group:{group}"].add(name)
    for name in by_kind["permission"]:
        found[f"permission:{name}"] = set(users.filter(_holds(name)).values_list(field, flat=True))
    return found


def _holds(permission: str) -> Q:
    app, _, codename = permission.partition(".")
    rows = Permission.objects.filter(content_type__app_label=app, codename=codename)
    return Q(is_superuser=True) | Q(user_permissions__in=rows) | Q(groups__permissions__in=rows)
