"""A server for each test, on SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import Stage, staged


@pytest.fixture
async def stage(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server with an upstream, and a budget for `acme`."""
    async with staged(sqlite_url, tmp_path) as running:
        await running.budget()
        yield running
