"""The command `chenu` and its commands. Imports nothing heavy, so that `--help` is fast."""

from __future__ import annotations

import typer

from chenu_server.cli.lazy import Commands


class ChenuCommands(Commands):
    """The commands of `chenu`."""

    lines = {  # noqa: RUF012 - declared as the class's by `Commands`
        "serve": "Serve until SIGTERM or Ctrl-C, then let what runs finish; SIGHUP reloads.",
        "dev": "Serve on SQLite with a fake provider, a budget and tokens to try.",
        "migrate": "Bring the database to this version's schema, all of it or nothing.",
        "query": "Ask, and print the answer.",
        "watch": "Print a query's events to its end, live or long after.",
        "route": "Show which models fit, in order, and why the others do not.",
        "version": "Show the versions of what runs here.",
        "queries": "The identity's queries.",
        "checkpoints": "What waits for a person's approval.",
        "tool-calls": "Calls that a model proposed.",
        "budgets": "The limits on money.",
        "spending": "Money that a service spends itself.",
        "providers": "The providers and their models.",
        "audit": "The ledger of every decision.",
        "token": "Keys and tokens of a local issuer, for development.",
        "config": "The server's configuration.",
    }
    modules = {  # noqa: RUF012 - as above
        "config": "config_command",
        "tool-calls": "tool_calls",
    }


app = typer.Typer(
    name="chenu",
    cls=ChenuCommands,
    epilog=(
        "Exit status: 0 done, 1 bug, 2 usage, 3 token, 4 denied, 5 a person must approve,"
        " 6 stopped, 7 budget, 8 busy, 9 provider or route, 10 conflict, 11 not found,"
        " 12 unavailable, 13 ledger broken, 14 configuration, 15 output lost, 130 interrupted,"
        " 141 output closed."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def chenu() -> None:
    """CHE·NU: a governed gateway between backend services and LLM providers."""
