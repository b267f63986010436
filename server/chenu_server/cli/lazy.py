"""Commands that are loaded when they are named: `chenu --help` loads none of them."""

from __future__ import annotations

from collections.abc import MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import typer.main

from chenu_server.cli.options import PlainGroup

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter

PACKAGE: Final = __package__


class Commands(PlainGroup):
    """A group of modules: each is named like its command and holds it as `app`."""

    # Each command with the line that tells of it, in the order in which they are listed.
    lines: ClassVar[dict[str, str]] = {}
    # The modules that cannot be named like their command.
    modules: ClassVar[dict[str, str]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # The names are enough to list them, and to suggest one for a name that is none.
        self.commands = cast("MutableMapping[str, Command]", dict.fromkeys(self.lines))

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Load a command."""
        if cmd_name in self.lines and self.commands.get(cmd_name) is None:
            self.commands[cmd_name] = self.loaded(cmd_name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.lines.items()))

    @classmethod
    def loaded(cls, name: str) -> Command:
        """A command, or a group of them, from its module."""
        module = import_module(f"{PACKAGE}.{cls.modules.get(name, name)}")
        return typer.main.get_command(module.app)
