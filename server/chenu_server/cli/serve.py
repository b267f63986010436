"""`chenu serve`: run a server until it is told to stop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from chenu_server.cli.configured import Configured
from chenu_server.cli.exit_codes import ExitCode, fail
from chenu_server.cli.groups import commands, local

app = commands()


@local(app, "serve")
def serve(
    configured: Configured,
    *,
    listen: Annotated[str, typer.Option(help="host:port; port 0 takes a free one.")] = "",
    insecure_dev: Annotated[
        bool, typer.Option("--insecure-dev", help="Take local tokens off loopback too.")
    ] = False,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then let what runs finish; SIGHUP reloads."""
    more: dict[str, Any] = {"server.listen": listen} if listen else {}
    if insecure_dev:
        more["server.insecure_dev"] = True
    settings = configured.settings(more)
    with told():
        import uvloop

        from chenu_server import bootstrap

        # A reload reads the file again under the same options, which win then as they do now.
        uvloop.run(bootstrap.serve(settings, lambda: configured.load(more)))


@contextmanager
def told() -> Iterator[None]:
    """Tell why a server does not start, and what to do about it."""
    from chenu_server.errors import GovernanceUnavailable
    from chenu_server.governance.identity.tokens import KeyFileError
    from chenu_server.infra.db.migrate import DatabaseUnavailable, SchemaMismatch
    from chenu_server.infra.db.owners import StoreInUse
    from chenu_server.infra.db.pooler import UnfitPooler
    from chenu_server.providers.catalog_schema import CatalogueError

    try:
        yield
    except (
        CatalogueError,
        KeyFileError,
        SchemaMismatch,
        StoreInUse,
        UnfitPooler,
        ValueError,
    ) as error:
        raise fail(ExitCode.CONFIG, str(error)) from error
    except DatabaseUnavailable as error:
        raise fail(ExitCode.UNAVAILABLE, str(error)) from error
    except GovernanceUnavailable as error:
        text = "the database does not answer; check database.url"
        raise fail(ExitCode.UNAVAILABLE, text) from error
    except OSError as error:
        raise fail(ExitCode.CONFIG, f"cannot start: {error}") from error
