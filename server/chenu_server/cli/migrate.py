"""`chenu migrate`: bring the database to this version's schema."""

from __future__ import annotations

from typing import Annotated

import typer

from chenu_server.cli.configured import Configured
from chenu_server.cli.exit_codes import ExitCode, fail
from chenu_server.cli.groups import commands, local
from chenu_server.cli.output import Output

app = commands()


@local(app, "migrate")
def migrate(
    configured: Configured,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; say if it is due.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring the database to this version's schema, all of it or nothing."""
    from sqlalchemy.exc import DBAPIError

    from chenu_server.infra.db import migrate
    from chenu_server.infra.db.pooler import UnfitPooler

    url = configured.settings().database.url
    try:
        migrate.check_url(url)
        if not check:
            make_folder(url)
            migrate.upgrade(url)
        migrate.check(url)
        # Of the database itself, and not what was meant to be reached.
        revision = migrate.current(url)
    except (migrate.SchemaMismatch, UnfitPooler, ValueError) as error:
        raise fail(ExitCode.CONFIG, str(error)) from error
    except OSError as error:
        text = f"the database's folder cannot be made: {error}; correct database.url"
        raise fail(ExitCode.CONFIG, text) from error
    except migrate.DatabaseUnavailable as error:
        raise fail(ExitCode.UNAVAILABLE, str(error)) from error
    except DBAPIError as error:
        text = f"the migration failed, so nothing of it holds: {error.orig}; correct it and repeat"
        raise fail(ExitCode.UNAVAILABLE, text) from error
    if as_json:
        Output(as_json=True).json({"revision": revision})
    else:
        print(f"the database is at revision {revision}")


def make_folder(url: str) -> None:
    """Make the folder of an embedded database, which SQLite itself does not make."""
    from chenu_server.infra.db.urls import is_sqlite, sqlite_file

    if is_sqlite(url):
        sqlite_file(url).parent.mkdir(parents=True, exist_ok=True)
