"""The command line as a whole: every command helps, and starts fast."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer.main
from typer.testing import CliRunner

from chenu_server.cli.app import app

HEAVY = ("grpc", "google.protobuf", "rich", "pydantic", "sqlalchemy", "chenu_server._core")


def commands(group: typer.Typer = app, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command by its words."""
    for command in group.registered_commands:
        assert command.name
        yield (*path, command.name)
    for below in group.registered_groups:
        assert below.typer_instance
        assert below.name
        yield from commands(below.typer_instance, (*path, below.name))


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_has_help_and_json(words: tuple[str, ...]) -> None:
    """What a command does is one flag away, and every command speaks to programs."""
    result = CliRunner().invoke(app, [*words, "--help"])

    assert 0 == result.exit_code
    assert "Usage: " in result.stdout
    assert words[0] in {"serve", "dev"} or "--json" in result.stdout


def test_help_imports_nothing_heavy() -> None:
    """`chenu --help` is typed often; what only a command needs is loaded by that command."""
    script = (
        "import sys; from chenu_server.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert "[]" == done.stdout.splitlines()[-1]


def test_the_module_is_the_command() -> None:
    """`python -m chenu_server` works where the script is not on the path."""
    command = [sys.executable, "-m", "chenu_server", "version", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert {"chenu-server", "chenu", "grpcio", "protobuf", "python"} == set(json.loads(done.stdout))
