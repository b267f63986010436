"""What every decision is made by: policies, limits and identities of this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from chenu_server.governance.checkpoints.model import Expiries
from chenu_server.governance.limits.model import ProviderLimit
from chenu_server.governance.policy.decide import Policies
from chenu_server.ids import new_id
from chenu_server.values import dataclass, field

# Made once: `json.dumps` with options makes an encoder for each call.
_CANONICAL: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False
).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Never changed: a unit decides by them and by its rows, and by nothing else."""

    policies: Policies
    expiries: Expiries
    default_limit: ProviderLimit
    limits: Mapping[str, ProviderLimit] = field(default_factory=dict)
    ledger_number: int
    owner_id: str
    least_cap: int
    budget_required: bool
    pending_max: int
    make_id: Callable[[], str] = new_id

    def limit_of(self, provider: str) -> ProviderLimit:
        """How many calls a provider takes."""
        return self.limits.get(provider, self.default_limit)


def payload(**values: Any) -> str:
    """Canonical JSON text of an entry's payload: sorted keys, no spaces."""
    return _CANONICAL(values)
