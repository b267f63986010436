"""A session on each store in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chenu_server.infra.db.session import Session
from tests.stores import store_at


@pytest.fixture
def session(database_url: str) -> Iterator[Session]:
    """A writer's session on a new database."""
    opened = store_at(database_url).connect()
    yield opened
    opened.close()
