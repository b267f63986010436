"""A site for each test, on SQLite or PostgreSQL; every test here starts and kills servers."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chenu_server.providers.catalog import Catalogue, load_catalogue
from chenu_server.providers.prices import resolve_prices
from chenu_server.upstream import FakeUpstream
from loadtest.tokens import Mint
from tests.crash.site import Site
from tests.stores import Postgres


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """What the upstream knows; the same for all."""
    return resolve_prices(load_catalogue(), datetime.datetime.now(datetime.UTC).date())


@pytest.fixture
async def site(sqlite_url: str, tmp_path: Path, catalogue: Catalogue) -> AsyncIterator[Site]:
    """A site on a new SQLite file."""
    async with FakeUpstream(catalogue) as upstream:
        yield Site(sqlite_url, tmp_path, upstream, Mint(tmp_path))


@pytest.fixture
async def postgres_site(
    postgres_url: str, postgres: Postgres, tmp_path: Path, catalogue: Catalogue
) -> AsyncIterator[Site]:
    """A site on a new PostgreSQL database."""
    async with FakeUpstream(catalogue) as upstream:
        yield Site(postgres_url, tmp_path, upstream, Mint(tmp_path))
