"""The command `chenu` and its commands. Imports nothing heavy, so that `--help` is fast."""

from __future__ import annotations

import typer

from chenu_server.cli import (
    audit,
    budgets,
    checkpoints,
    config_command,
    dev,
    migrate,
    providers,
    queries,
    query,
    route,
    serve,
    token,
    version,
    watch,
)

app = typer.Typer(
    name="chenu",
    help="CHE·NU: a governed gateway between backend services and LLM providers.",
    epilog=(
        "Exit status: 0 done, 1 bug, 2 usage, 3 token, 4 denied, 5 a person must approve,"
        " 6 stopped, 7 budget, 8 busy, 9 provider or route, 10 conflict, 11 not found,"
        " 12 unavailable, 13 ledger broken, 14 configuration, 130 interrupted."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

serve.register(app)
dev.register(app)
migrate.register(app)
query.register(app)
watch.register(app)
route.register(app)
version.register(app)
app.add_typer(queries.app, name="queries")
app.add_typer(checkpoints.app, name="checkpoints")
app.add_typer(budgets.app, name="budgets")
app.add_typer(providers.app, name="providers")
app.add_typer(audit.app, name="audit")
app.add_typer(token.app, name="token")
app.add_typer(config_command.app, name="config")
