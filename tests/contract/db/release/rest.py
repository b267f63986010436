"""A server that only reads: nothing expires, nothing is taken over, and today is another day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from chenu_server.infra.db.writer import SqlWriter
from tests.contract.db.release.people import People
from tests.harness import staged

_APPLICATION: Final = import_module("chenu_server.bootstrap.application")


class _Resting:
    """A sweeper that lets everything lie."""

    async def expire(self) -> int:
        """Nothing."""
        return 0

    async def lapse(self) -> int:
        """Nothing."""
        return 0

    async def recover(self) -> int:
        """Nothing."""
        return 0


@asynccontextmanager
async def at_rest(url: str, folder: Path, now_us: int) -> AsyncIterator[People]:
    """Serve a database as it is, as of a time: budgets show the periods of that day.

    On any later day a server's start ends all that waits and all that dead servers ran.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_APPLICATION, "sweeper_of", lambda *_: _Resting())
        patch.setattr(_APPLICATION, "spawn_repeated", lambda *_: None)
        patch.setattr(SqlWriter, "now_us", lambda _: now_us)
        async with staged(url, folder) as stage:
            yield People(stage.channel, stage.issuer)
