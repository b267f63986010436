"""The schema's revisions: bring a database up to date, and refuse one that is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from chenu_server.infra.db.engine import is_sqlite, writer_engine
from chenu_server.infra.db.postgres import WRITER_LOCK_CLASS

_SCRIPTS: Final = Path(__file__).parent / "migrations"
# Beside the writers' locks, whose second half is a ledger number and never negative.
_MIGRATION_LOCK: Final = -1


class SchemaMismatch(Exception):
    """The database's schema is not the one that this server was built for."""


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database to a revision, all of it in one transaction or nothing."""
    _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str) -> None:
    """Take the database back to a revision; `base` removes everything."""
    _run(url, lambda config: command.downgrade(config, revision))


def check(url: str) -> None:
    """Make sure that the database is at this server's revision.

    Raises:
        SchemaMismatch: It is not; the message says what to do.
    """
    scripts = ScriptDirectory.from_config(_config())
    wanted, found = scripts.get_current_head(), current(url)
    if found == wanted:
        return
    if found is None:
        raise SchemaMismatch("the database has no CHE·NU schema yet; run `chenu migrate`")
    if found not in {script.revision for script in scripts.walk_revisions()}:
        raise SchemaMismatch(
            f"the database is at revision {found}, which this server does not know; it was made"
            " by a newer version: run that one, or restore a backup from before the upgrade"
        )
    raise SchemaMismatch(
        f"the database is at revision {found} and this server needs {wanted}; run `chenu migrate`"
    )


def current(url: str) -> str | None:
    """The database's revision; None if it has none."""
    with writer_engine(url).connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


def _run(url: str, step: Callable[[Config], None]) -> None:
    config = _config()
    with writer_engine(url).begin() as connection:
        if not is_sqlite(url):
            lock = sa.func.pg_advisory_xact_lock(WRITER_LOCK_CLASS, _MIGRATION_LOCK)
            connection.execute(sa.select(lock))
        config.attributes["connection"] = connection
        step(config)
