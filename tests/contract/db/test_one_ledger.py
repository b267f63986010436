"""A database holds one ledger: its servers share every limit, and nobody starts another beside."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.infra.db import one_ledger
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.owners import StoreInUse
from chenu_server.infra.db.postgres import WRITER_LOCK, PostgresStore
from tests.contract.db.conftest import OpenWriter
from tests.contract.db.gate import queued, until
from tests.contract.db.sample import Change
from tests.harness import staged

_BLOCKED = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


async def test_a_server_with_another_ledger_does_not_start(
    database_url: str, tmp_path: Path
) -> None:
    """A provider's slots are counted for each ledger: two would let through twice its limit."""
    async with staged(database_url, tmp_path) as stage:
        await stage.budget()
    one_ledger.check(database_url, 0)

    with pytest.raises(StoreInUse, match=r"holds ledger 0, and ledger\.number is 1 here"):
        async with staged(database_url, tmp_path, {"ledger.number": 1}):
            pass


async def test_a_new_database_may_hold_any_ledger(database_url: str, tmp_path: Path) -> None:
    """And is found again by its number."""
    async with staged(database_url, tmp_path, {"ledger.number": 3}) as stage:
        await stage.budget()

    one_ledger.check(database_url, 3)
    with pytest.raises(StoreInUse):
        one_ledger.check(database_url, 0)


async def test_of_two_servers_that_began_together_the_first_to_write_stays(
    postgres_url: str, tmp_path: Path
) -> None:
    """Neither found a ledger at its start; the other decides nothing from then on."""
    async with (
        staged(postgres_url, tmp_path) as one,
        staged(postgres_url, tmp_path, {"ledger.number": 1}) as two,
    ):
        await one.budget()
        client = two.client()
        refused = await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hello"))

        answered = await one.client().query("Hello")

    assert "GOVERNANCE_UNAVAILABLE" == refused.reason
    assert answered.answer.text


async def test_writers_take_turns_whichever_ledger_they_write(
    only_postgres_url: str, open_writer: OpenWriter
) -> None:
    """Two first starts at once both find the database empty; budgets must not suffer for it."""
    store = PostgresStore(only_postgres_url, ledger_number=3)
    writer = await open_writer(store, ledger_number=3)
    with writer_engine(only_postgres_url).begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(*WRITER_LOCK)))
        (adding,) = await queued(writer, Change())
        await until(lambda: connection.execute(_BLOCKED).scalar())

    assert 1 == await adding
