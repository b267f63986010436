"""A wish that a query of another process ends: a row that its owner looks for.

Not governed: it decides nothing. The owner stops the query as it would for a call of its own, and
what ends it is the unit that settles it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import sqlalchemy as sa

from chenu_server.errors import GovernanceUnavailable
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.metadata import METADATA
from chenu_server.unit import Key

T = TypeVar("T")

QUERY_STOPS: Final = sa.Table(
    "query_stops",
    METADATA,
    sa.Column("owner_id", sa.Text, primary_key=True),
    sa.Column("identity_id", sa.Text, primary_key=True),
    sa.Column("request_id", sa.Text, primary_key=True),
    sqlite_with_rowid=False,
)


class SqlStops:
    """The wishes of a fleet, in a database that several processes serve."""

    def __init__(self, url: str) -> None:
        self._engine = writer_engine(url)

    async def ask(self, owner_id: str, key: Key) -> None:
        """
        Have a query's owner stop it.

        Raises:
            GovernanceUnavailable: The database does not answer.
        """
        row = _row(owner_id, key)
        known = sa.exists().where(*(QUERY_STOPS.c[name] == value for name, value in row.items()))
        values = sa.select(*(sa.literal(value) for value in row.values())).where(~known)
        await self._run(lambda c: c.execute(QUERY_STOPS.insert().from_select(list(row), values)))

    async def asked_of(self, owner_id: str) -> Sequence[Key]:
        """The queries of an owner that are to end, and have not been taken back."""
        columns = QUERY_STOPS.c
        wanted = sa.select(columns.identity_id, columns.request_id).where(
            columns.owner_id == owner_id
        )
        rows = await self._run(lambda c: c.execute(wanted).all())
        return [tuple(row) for row in rows]

    async def done(self, owner_id: str, key: Key) -> None:
        """The owner has heard it."""
        row = _row(owner_id, key)
        heard = QUERY_STOPS.delete().where(
            *(QUERY_STOPS.c[name] == value for name, value in row.items())
        )
        await self._run(lambda c: c.execute(heard))

    async def _run(self, work: Callable[[sa.Connection], T]) -> T:
        def run() -> T:
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except sa.exc.OperationalError as error:
                raise GovernanceUnavailable from error

        return await asyncio.get_running_loop().run_in_executor(None, run)

    def close(self) -> None:
        """Let go of the connections."""
        self._engine.dispose()


def _row(owner_id: str, key: Key) -> dict[str, object]:
    identity_id, request_id = key
    return {"owner_id": owner_id, "identity_id": identity_id, "request_id": request_id}
