"""A served script for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.unit.rpc.samples import Served, serving


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    """A server with every layer and no limit on calls."""
    async with serving() as running:
        yield running
