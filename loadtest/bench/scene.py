"""What every bench has in common: who has which core, how much is asked at once, and no limit."""

from __future__ import annotations

from typing import Final

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
CONCURRENCY: Final = 32
STREAM_DELTAS: Final = 50
BUDGET_NANOUSD: Final = 10**15
LIMITS: Final = {
    "provider_limit": 10_000_000,
    "identity_limit": 1_000_000,
    "identity_burst": 100_000,
    "calls_per_s": 100_000,
    "calls_burst": 100_000,
}
