"""What every bench has in common: who has which core, what is asked, how much, and no limit."""

from __future__ import annotations

from typing import Final

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
CONCURRENCY: Final = 32
CONNECTIONS: Final = 4
PROVIDER: Final = "openai"
MODEL: Final = "gpt-6-luna"
TEXT: Final = "How many orders came in since Monday, and which of them are still open?"
OUTPUT_CAP: Final = 512
DELTAS: Final = 4
STREAM_DELTAS: Final = 50
STREAM_CHARS: Final = 20 * STREAM_DELTAS
BUDGET_NANOUSD: Final = 10**15
LIMITS: Final = {
    "provider_limit": 10_000_000,
    "identity_limit": 1_000_000,
    "identity_burst": 100_000,
    "calls_per_s": 100_000,
    "calls_burst": 100_000,
}
