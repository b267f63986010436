"""A server for the tests that need a whole pipeline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Stage, staged


@pytest.fixture
def settings() -> Mapping[str, Any]:
    """What a test's server has otherwise than the harness; a test's parameters override it."""
    return {}


@pytest.fixture
async def stage(
    sqlite_url: str, tmp_path: Path, settings: Mapping[str, Any]
) -> AsyncIterator[Stage]:
    """A server with an upstream, and a budget for `acme`."""
    async with staged(sqlite_url, tmp_path, settings) as running:
        await running.budget()
        yield running
