"""Policies by name. What a name means is written in code, beside the workflows that use it, with a version; a request
freezes the policy that its name meant when it opened."""

from approvals.policies import Policy
from approvals.requirements import InvalidPolicy

_registered: dict[str, Policy] = {}


def policy_register(policy: Policy) -> Policy:
    """Make a policy known by its name; returns it. Registering the same again changes nothing; of several versions the
    highest holds. Errors: InvalidPolicy (no name, or another policy under this name and version)."""
    if not policy.name:
        raise InvalidPolicy('A registered policy needs a name: Policy("prod-deploy", stages=[...]).')
    known = _registered.get(policy.name)
    if known is not None and known.version == policy.version and known != policy:
        raise InvalidPolicy(
            f"Two different policies are called {policy.name!r}, version {policy.version}: a changed policy takes the "
            "next version."
        )
    if known is None or policy.version > known.version:
        _registered[policy.name] = policy
    return policy


def policy_named(name: str) -> Policy:
    """The registered policy of this name. Errors: InvalidPolicy, naming those that there are."""
    try:
        return _registered[name]
    except KeyError:
        known = ", ".join(sorted(_registered)) or "none"
        raise InvalidPolicy(f"No policy is registered as {name!r:.100}; there are: {known}.") from None


def is_registered(name: str) -> bool:
    """Whether a policy has this name."""
    return name in _registered


def policies_registered() -> list[Policy]:
    """Every registered policy, by name."""
    return [_registered[name] for name in sorted(_registered)]
