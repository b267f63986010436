"""Servers: one for each test, or one for a module whose tests do not disturb it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.harness import Stage, staged
from tests.service.spending import USD


@pytest.fixture
async def stage(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server with an upstream, and a budget for `acme`."""
    async with staged(sqlite_url, tmp_path) as running:
        await running.budget()
        yield running


@pytest.fixture
async def purse(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server on which nobody has made a budget yet."""
    async with staged(sqlite_url, tmp_path, {"budgets.required": True}) as running:
        yield running


@pytest.fixture
async def funded(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server on either store, where acme may spend 10 USD."""
    async with staged(database_url, tmp_path) as running:
        await running.budget(limit_nanousd=10 * USD)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """A server for a whole module; its tests run in the module's loop.

    All of them together ask more than a provider takes in a minute: none is to wait for the others.
    """
    folder = tmp_path_factory.mktemp("shared")
    shutil.copy(sqlite_template, folder / "chenu.db")
    unlimited = {"limits.provider_limit": 100_000}
    async with staged(f"sqlite:///{folder / 'chenu.db'}", folder, unlimited) as running:
        await running.budget()
        yield running
