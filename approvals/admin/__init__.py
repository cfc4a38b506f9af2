"""Approvals in the admin: everything can be looked at; what the machine owns is moved by its operations alone, each
with a reason; policies and delegations are made here, and recorded."""

from approvals.admin import record, requests, rules, tokens

__all__ = ["record", "requests", "rules", "tokens"]
