"""The options that name a configuration, and how a configuration that is refused is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chenu_server.cli.exit_codes import ExitCode
from chenu_server.cli.output import note
from chenu_server.values import dataclass

if TYPE_CHECKING:
    from chenu_server.config import Settings


@dataclass(frozen=True)
class Configured:
    """Where the configuration comes from."""

    config: Annotated[
        Path | None,
        typer.Option(help="A TOML file. Else the one that CHENU_CONFIG names, else chenu.toml."),
    ] = None
    set: Annotated[
        list[str] | None,
        typer.Option(help="One setting, as server.listen=127.0.0.1:0. Repeatable; wins."),
    ] = None

    def settings(self, more: Mapping[str, Any] | None = None) -> Settings:
        """
        The settings; `more`, by dotted key, lies over all but --set.

        Raises:
            typer.Exit: They are refused; every problem has been told.
        """
        from chenu_server.config import ConfigError

        try:
            return self.load(more)
        except ConfigError as error:
            note(f"chenu: {error}")
            raise typer.Exit(ExitCode.CONFIG) from error

    def load(self, more: Mapping[str, Any] | None = None) -> Settings:
        """
        As `settings`, but telling nobody.

        Raises:
            ConfigError: They are refused.
        """
        from chenu_server.config import load_settings

        overrides = dict(more or {}) | dict(_assigned(text) for text in self.set or ())
        return load_settings(self.config, overrides)


def _assigned(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator:
        raise typer.BadParameter(f"{text!r} is not key=value", param_hint="--set")
    try:
        # Numbers, flags and lists are JSON; what is none is a text, and needs no quotes inside
        # those of a shell.
        return key, json.loads(value)
    except ValueError:
        return key, value
