"""`chenu config`: is it accepted, and what does it come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from chenu_server.cli.configured import Configured
from chenu_server.cli.exit_codes import ExitCode
from chenu_server.cli.groups import commands, local
from chenu_server.cli.output import Output, note

app = commands("The server's configuration.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@local(app, "check")
def check(configured: Configured, *, as_json: AsJson = False) -> None:
    """Say whether a server would start with this configuration, and every reason why not.

    Reads the files that it names; connects to nothing and writes nothing.
    """
    problems = _problems(configured)
    if as_json:
        told = {"problems": problems} if problems else {}
        Output(as_json=True).json({"accepted": not problems} | told)
    elif problems:
        note("\n".join(f"chenu: {problem}" for problem in problems))
    else:
        print("accepted")
    if problems:
        raise typer.Exit(ExitCode.CONFIG)


@local(app, "show")
def show(configured: Configured, *, as_json: AsJson = False) -> None:
    """Show every setting as it comes out of file, environment and options, without secrets."""
    from chenu_server import config

    plain = config.show(configured.settings())
    if as_json:
        Output(as_json=True).json(plain)
    else:
        print("\n".join(f"{key} = {value}" for key, value in _flat(plain)))


def _problems(configured: Configured) -> list[str]:
    """Why it is not accepted; what it names is read only once every setting is acceptable."""
    from chenu_server.config import ConfigError, explain

    try:
        settings = configured.load()
    except ConfigError as error:
        return [explain([problem]) for problem in error.problems]
    from chenu_server.bootstrap import problems_of

    return problems_of(settings)


def _flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value
