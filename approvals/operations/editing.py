"""Editing a named policy where it runs: a new version, recorded, for requests that open from then on."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from approvals import policies
from approvals.audit import event_append, stream_lock
from approvals.calendars import calendar_named
from approvals.errors import NotAllowed
from approvals.policy_versions import PolicyVersion, policy_in_force
from approvals.registry import policy_named
from approvals.requirements import InvalidPolicy

MAY_EDIT_POLICIES = "approvals.add_policyversion"


def policy_edit(name: str, definition: Mapping[str, Any], *, by: Any, reason: str, now: int) -> PolicyVersion:
    """Let `name` mean what `definition` (JSON as `policies.freeze` writes it) says, from now on; open requests keep
    what they were opened with. The version is one more than the highest there is. A definition that changes nothing
    is refused.

    Locks the policy's stream of events. Errors: NotAllowed, InvalidPolicy.
    """
    if not by.has_perm(MAY_EDIT_POLICIES):
        raise NotAllowed(_("Editing a policy takes the permission to add versions of policies."))
    if not reason.strip():
        raise InvalidPolicy(_("Say why the policy is changed."))
    policy_named(name)
    with transaction.atomic():
        stream_lock(stream_of(name))
        old = policy_in_force(policy_named(name))
        new = policies.thaw({**definition, "name": name, "version": old.version + 1})
        if new.changed(version=old.version) == old:
            raise InvalidPolicy(_("This is what the policy is already."))
        if new.calendar:
            calendar_named(new.calendar)
        frozen = policies.freeze(new)
        made = PolicyVersion.objects.create(
            name=name,
            version=new.version,
            definition=frozen,
            reason=reason.strip(),
            created_by=by.get_username(),
            created_at=now,
        )
        data = {"version": new.version, "from": policies.freeze(old), "to": frozen, "reason": made.reason}
        event_append(stream_of(name), "policy_edited", now=now, actor=made.created_by, data=data)
    return made


def stream_of(name: str) -> str:
    """The stream of audit events about this policy."""
    return f"policy:{name}"
