"""How the ledger names a bill beyond what was held (`decide/overruns.rs` of the kernel)."""

from __future__ import annotations

from typing import Final

FROZEN: Final = "BUDGET_FROZEN"
OVERRUN: Final = "BUDGET_OVERRUN"
