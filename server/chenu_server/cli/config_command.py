"""`chenu config`: is it accepted, and what does it come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from chenu_server.cli.configured import Configured
from chenu_server.cli.groups import local
from chenu_server.cli.output import Output

app = typer.Typer(help="The server's configuration.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@local(app, "check")
def check(configured: Configured, *, as_json: AsJson = False) -> None:
    """Say whether the configuration is accepted, and every reason why not."""
    configured.settings()
    if as_json:
        Output(as_json=True).json({"accepted": True})
    else:
        typer.echo("accepted")


@local(app, "show")
def show(configured: Configured, *, as_json: AsJson = False) -> None:
    """Show every setting as it comes out of file, environment and options, without secrets."""
    from chenu_server import config

    plain = config.show(configured.settings())
    if as_json:
        Output(as_json=True).json(plain)
    else:
        typer.echo("\n".join(f"{key} = {value}" for key, value in _flat(plain)))


def _flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value
