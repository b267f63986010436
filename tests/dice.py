"""How many examples a random test runs: its own number, or more where `make torture` explores."""

from __future__ import annotations

import os

from hypothesis import settings

EXPLORES = "CHENU_TEST_SEED" in os.environ
EXPLORING_EXAMPLES = 1_000


def examples(count: int) -> settings:
    """`count` examples; an exploring run makes as many as it makes of every other test."""
    return settings(max_examples=max(count, EXPLORING_EXAMPLES) if EXPLORES else count)
