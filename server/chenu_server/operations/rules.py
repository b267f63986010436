"""What every decision is made by: policies, limits and identities of this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from chenu_server import asking, engine
from chenu_server.governance.checkpoints.model import Expiries
from chenu_server.governance.limits.model import ProviderLimit
from chenu_server.governance.policy.decide import Policies
from chenu_server.governance.tools.model import Tools
from chenu_server.ids import new_id
from chenu_server.values import dataclass, field
from chenu_server.vocabulary import CheckpointType

# Made once: `json.dumps` with options makes an encoder for each call.
_CANONICAL: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False
).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Never changed: a command is decided by them and by its rows, and by nothing else."""

    policies: Policies
    expiries: Expiries
    four_eyes: frozenset[CheckpointType] = frozenset()
    default_limit: ProviderLimit
    limits: Mapping[str, ProviderLimit] = field(default_factory=dict)
    ledger_number: int
    owner_id: str
    least_cap: int
    budget_required: bool
    pending_max: int
    tools: Tools = field(default_factory=Tools)
    make_id: Callable[[], str] = new_id
    kernel: engine.Rules = field(init=False)
    """The same, as the kernel has them."""

    def __post_init__(self) -> None:
        rules = asking.rules(
            ledger_number=self.ledger_number,
            limits=dict(self.limits),
            default_limit=self.default_limit,
            expiry_us=self.expiries.default_us,
            expiry_by_type_us=dict(self.expiries.by_type_us),
            four_eyes=sorted(self.four_eyes),
            owner_id=self.owner_id,
            least_cap=self.least_cap,
            budget_required=self.budget_required,
            pending_max=self.pending_max,
            policies_revision=self.policies.revision,
        )
        # Frozen, and this field is made of all the others.
        object.__setattr__(self, "kernel", rules)

    def limit_of(self, provider: str) -> ProviderLimit:
        """How many calls a provider takes."""
        return self.limits.get(provider, self.default_limit)


def payload(**values: Any) -> str:
    """Canonical JSON text: sorted keys, no spaces."""
    return _CANONICAL(values)
