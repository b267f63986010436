"""What commands are made of: the kernel reads its fields by name, of mappings and of objects."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from chenu_server import engine
from chenu_server.caller import Caller, Principal

Plain = dict[str, Any]

_NEVER: Final = {"requests": 1, "window_us": 1, "guard_us": 0, "dispatch_within_us": 0}


def principal(of: Principal) -> Plain:
    """A principal."""
    return {"principal_type": of.type, "principal_id": of.id}


def caller(of: Caller) -> Plain:
    """Who calls, in which identity."""
    return {
        "principal_type": of.principal.type,
        "principal_id": of.principal.id,
        "identity_id": of.identity_id,
        "acting_for": of.acting_for,
    }


def rules(
    *,
    ledger_number: int = 0,
    limits: Mapping[str, object] | None = None,
    default_limit: object = _NEVER,
    **more: Any,
) -> engine.Rules:
    """Rules for the kernel; what is left out never decides anything."""
    return engine.Rules(
        {
            "expiry_us": 0,
            "expiry_by_type_us": {},
            "four_eyes": (),
            "default_limit": default_limit,
            "limits": limits or {},
            "ledger_number": ledger_number,
            "owner_id": "",
            "least_cap": 0,
            "budget_required": False,
            "pending_max": 0,
            "policies_revision": "",
            **more,
        }
    )


NO_RULES: Final = rules()
"""For what its rows alone decide."""


@lru_cache(maxsize=8)
def rules_of_ledger(number: int) -> engine.Rules:
    """For what is decided by no rule, but in a ledger."""
    return rules(ledger_number=number)
