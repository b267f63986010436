"""Revisions: a server runs on its own schema or not at all."""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import chenu_server
from chenu_server.infra.db import migrate
from chenu_server.infra.db.engine import connect_parameters, writer_engine
from chenu_server.infra.db.metadata import METADATA
from tests.stores import Postgres


def declare_every_table() -> None:
    """Import every feature's `tables`, which declare on the one metadata."""
    for module in pkgutil.walk_packages(chenu_server.__path__, "chenu_server."):
        if module.name.endswith((".tables", ".ledger_tables", ".owner_sql", ".fleet", ".windows")):
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


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    """It holds what was asked and answered; so do its log files, which take its mode."""
    file = tmp_path / "chenu.db"
    migrate.upgrade(f"sqlite:///{file}")
    with writer_engine(f"sqlite:///{file}").connect() as connection:
        connection.execute(sa.text("SELECT * FROM alembic_version"))
        modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}

    assert {0o600} == modes


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


def test_a_newer_database_is_not_migrated(blank_url: str) -> None:
    """An upgrade that knows nothing of it says so, as a check does, and touches nothing."""
    migrate.upgrade(blank_url)
    with writer_engine(blank_url).begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(migrate.SchemaMismatch, match="newer version"):
        migrate.upgrade(blank_url)

    assert "9999" == migrate.current(blank_url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """A wrong path must not end in a stack trace, and never in a file that is written over."""
    file = tmp_path / "photo.jpg"
    file.write_bytes(b"not a database" * 400)
    for step in (migrate.check, migrate.upgrade):
        with pytest.raises(migrate.SchemaMismatch, match="no SQLite database"):
            step(f"sqlite:///{file}")

    assert b"not a database" * 400 == file.read_bytes()


def test_a_file_is_not_made_by_asking(tmp_path: Path) -> None:
    """A mistyped path must not leave an empty database behind."""
    with pytest.raises(migrate.SchemaMismatch, match="run `chenu migrate`"):
        migrate.check(f"sqlite:///{tmp_path}/absent.db")

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("step", [migrate.check, migrate.upgrade])
def test_a_server_that_is_away_is_told(step: Callable[[str], None]) -> None:
    """What to look at, in one line and without the password."""
    with pytest.raises(migrate.DatabaseUnavailable, match="does not answer") as caught:
        step("postgresql+psycopg://me:hunter2@127.0.0.1:1/chenu")

    assert 1 == len(str(caught.value).splitlines())
    assert "hunter2" not in str(caught.value)


def test_a_host_that_takes_no_writes_is_told_though_the_next_one_is_away(
    postgres: Postgres, postgres_url: str
) -> None:
    """Whoever reads that nobody answers looks for the fault at the wrong host."""
    given = sa.make_url(postgres_url)
    postgres.execute(f'ALTER DATABASE "{given.database}" SET default_transaction_read_only = on')
    read = connect_parameters(postgres_url)
    here = f"{read['host']}:{read['port']}" if read.get("port") else read["host"]
    both = given.set(host=None, port=None, query={"host": (here, "127.0.0.1:1")})
    with pytest.raises(migrate.DatabaseUnavailable, match=r"takes no writes: .* is read-only"):
        migrate.check(both.render_as_string(hide_password=False))


def test_a_url_that_cannot_be_read_is_not_repeated() -> None:
    """It may hold a password with a character that should have been escaped."""
    with pytest.raises(ValueError, match="%-escapes") as caught:
        migrate.check_url("postgresql+psycopg://me:hunter2@db:port/chenu")

    assert "hunter2" not in str(caught.value)


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
