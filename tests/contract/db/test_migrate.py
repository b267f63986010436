"""Revisions: a server runs on its own schema or not at all."""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import chenu_server
from chenu_server.infra.db import migrate
from chenu_server.infra.db.engine import writer_engine
from chenu_server.infra.db.metadata import METADATA
from tests.stores import STORES, Postgres


@pytest.fixture(params=STORES)
def blank_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a schema, on each store in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/blank.db"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.blank()
    yield url
    postgres.drop(url)


def declare_every_table() -> None:
    """Import every feature's `tables`, which declare on the one metadata."""
    for module in pkgutil.walk_packages(chenu_server.__path__, "chenu_server."):
        if module.name.endswith((".tables", ".ledger_tables", ".owners")):
            importlib.import_module(module.name)


def test_the_migrated_schema_is_the_declared_one(blank_url: str) -> None:
    """A table that was changed without a revision would fail on the first real database."""
    declare_every_table()
    migrate.upgrade(blank_url)
    with writer_engine(blank_url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert [] == compare_metadata(context, METADATA)


def test_the_migrated_tables_keep_their_rows_as_declared(tmp_path: Path) -> None:
    """A small row costs SQLite one page instead of two where it stands in its key's own tree."""
    declare_every_table()
    migrate.upgrade(f"sqlite:///{tmp_path}/blank.db")
    with writer_engine(f"sqlite:///{tmp_path}/blank.db").connect() as connection:
        made = connection.execute(sa.text("SELECT name, sql FROM sqlite_master WHERE type='table'"))
        without = {name for name, text in made if text.rstrip().endswith("WITHOUT ROWID")}
    declared = {
        table.name
        for table in METADATA.tables.values()
        if table.dialect_options["sqlite"]["with_rowid"] is False
    }

    assert declared == without


def test_a_migrated_database_is_accepted(blank_url: str) -> None:
    """And migrating it again changes nothing."""
    migrate.upgrade(blank_url)
    migrate.upgrade(blank_url)
    migrate.check(blank_url)

    assert migrate.current(blank_url) is not None


def test_a_revision_can_be_taken_back(blank_url: str) -> None:
    """An upgrade that went wrong must not be the end of a database."""
    migrate.upgrade(blank_url)
    migrate.downgrade(blank_url, "base")
    with writer_engine(blank_url).connect() as connection:
        left = sa.inspect(connection).get_table_names()

    assert ["alembic_version"] == left


def test_a_database_without_a_schema_is_refused(blank_url: str) -> None:
    """The message says what to do."""
    with pytest.raises(migrate.SchemaMismatch, match="run `chenu migrate`"):
        migrate.check(blank_url)


def test_an_unknown_revision_is_refused(blank_url: str) -> None:
    """An old server on a new schema would write rows that the new one cannot read."""
    migrate.upgrade(blank_url)
    with writer_engine(blank_url).begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(migrate.SchemaMismatch, match="newer version"):
        migrate.check(blank_url)


def test_an_old_revision_is_refused(blank_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new server does not guess at columns that are not there yet."""
    migrate.upgrade(blank_url)
    head = ScriptDirectory.get_current_head
    monkeypatch.setattr(ScriptDirectory, "get_current_head", lambda self: f"{head(self)}x")
    with pytest.raises(migrate.SchemaMismatch, match="run `chenu migrate`"):
        migrate.check(blank_url)


def test_replicas_that_migrate_at_once_wait_for_each_other(postgres: Postgres) -> None:
    """A rollout starts many; one upgrades, the others find it done."""
    url = postgres.blank()
    failures: list[BaseException] = []

    def upgrade() -> None:
        try:
            migrate.upgrade(url)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    migrate.check(url)
    postgres.drop(url)

    assert [] == failures


def test_a_failed_upgrade_leaves_nothing(blank_url: str) -> None:
    """Half a schema could be neither upgraded nor taken back."""
    with writer_engine(blank_url).begin() as connection:
        connection.execute(sa.text("CREATE TABLE ledger_payloads (other integer)"))
    with pytest.raises(sa.exc.DBAPIError):
        migrate.upgrade(blank_url)
    with writer_engine(blank_url).connect() as connection:
        left = sa.inspect(connection).get_table_names()

    assert ["ledger_payloads"] == left
