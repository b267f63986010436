"""`chenu version`: what runs here."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Annotated

import typer

from chenu_server.cli.groups import commands, local
from chenu_server.cli.output import Output

DISTRIBUTIONS = ("chenu-server", "chenu", "grpcio", "protobuf")


app = commands()


@local(app, "version")
def version(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show the versions of what runs here."""
    versions = {name: _version_of(name) for name in DISTRIBUTIONS}
    versions["python"] = platform.python_version()
    if as_json:
        Output(as_json=True).json(versions)
    else:
        width = max(map(len, versions))
        print("\n".join(f"{name:<{width}}  {number}" for name, number in versions.items()))


def _version_of(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"
