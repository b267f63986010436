"""The command line as a whole: every command helps, and starts fast."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.testing import CliRunner

from chenu_server.cli import lazy
from chenu_server.cli.app import ChenuCommands, app
from chenu_server.cli.exit_codes import ExitCode

# What takes long to load, by what needs it. A command line loads none of it before it must.
SERVER = (
    "aiohttp",
    "alembic",
    "anthropic",
    "chenu_server._core",
    "chenu_server.bootstrap",
    "genai_prices",
    "httpx2",
    "jwt",
    "psycopg",
    "sqlalchemy",
    "structlog",
    "uvloop",
)
SETTINGS = ("pydantic", "pydantic_settings")
CALLS = ("asyncio", "google.protobuf", "grpc", "chenu")
TABLES = ("rich",)
NOT_FOR_HELP = (*SERVER, *SETTINGS, *CALLS, *TABLES)


def commands() -> Iterator[tuple[str, ...]]:
    """Every command by its words."""
    for name in ChenuCommands.lines:
        below = ChenuCommands.loaded(name)
        if isinstance(below, TyperGroup):
            yield from ((name, word) for word in below.commands)
        else:
            yield (name,)


def loaded(*lines: Sequence[str], **env: str) -> dict[tuple[str, ...], set[str]]:
    """The modules that are loaded after each of these commands, one after the other."""
    script = (
        "import json, sys\n"
        "from chenu_server.__main__ import main\n"
        "found = []\n"
        "for line in json.loads(sys.argv[1]):\n"
        "    sys.argv[1:] = line\n"
        "    try: main()\n"
        "    except SystemExit: found.append(list(sys.modules))\n"
        "print(json.dumps(found))"
    )
    # A measured child loads the coverage tool's own libraries.
    unmeasured = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(lines)],
        env=unmeasured | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return {tuple(line): set(modules) for line, modules in zip(lines, found, strict=True)}


def but_not(
    never: Sequence[str], after: dict[tuple[str, ...], set[str]]
) -> dict[tuple[str, ...], set[str]]:
    """By command what it should not have loaded."""
    found = {line: set(never) & modules for line, modules in after.items()}
    return {line: modules for line, modules in found.items() if modules}


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_has_help_and_json(words: tuple[str, ...]) -> None:
    """What a command does is one flag away, and every command speaks to programs."""
    result = CliRunner().invoke(app, [*words, "--help"])

    assert 0 == result.exit_code
    assert "Usage: " in result.stdout
    assert words[0] in {"serve", "dev"} or "--json" in result.stdout


def test_help_loads_nothing_heavy() -> None:
    """`--help` is typed often, and a wrong word as often; what runs loads what it needs."""
    lines = [("--help",), ("version",), ("version", "--json"), ("nonsense",), ("audit",)]
    lines += [(*words, "--help") for words in commands()]

    assert {} == but_not(NOT_FOR_HELP, loaded(*lines))


def test_a_call_loads_no_part_of_the_server(tmp_path: Path) -> None:
    """A client's command loads gRPC and the stubs: the database, the providers, settings and
    tables would be half a second more, every time.
    """
    lines = [
        ("query", "hi"),
        ("query", "hi", "--json", "--max-output-tokens", "7", "--timeout", "3", "--intent", "send"),
        ("watch", "q-1", "--after", "3"),
        ("route", "hi"),
        ("queries", "list"),
        ("checkpoints", "list", "--limit", "3"),
        ("checkpoints", "approve", "c-1", "--yes"),
        ("budgets", "list"),
        ("providers", "list"),
        ("tool-calls", "take", "t-1"),
        ("audit", "list"),
        ("audit", "export", "-o", str(tmp_path / "ledger")),
    ]
    after = loaded(*lines, CHENUCLI_TARGET="127.0.0.1:1")

    assert {} == but_not((*SERVER, *SETTINGS, *TABLES), after)
    assert all("grpc" in modules for modules in after.values())


def test_a_local_command_loads_its_own_part_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What calls no server loads no gRPC, and no database."""
    monkeypatch.chdir(tmp_path)
    lines = [("audit", "verify", "absent"), ("token", "key", "a.key"), ("config", "show")]
    after = loaded(*lines)

    assert {} == but_not(("grpc", "sqlalchemy", "aiohttp", "anthropic", "rich"), after)
    assert "chenu_server._core" in after["audit", "verify", "absent"]
    assert "pydantic" in after["config", "show"]


def test_the_list_of_commands_says_what_they_say_themselves() -> None:
    """It is written down, so that listing them loads none: it must not grow old."""
    told = {name: ChenuCommands.loaded(name).help or "" for name in ChenuCommands.lines}

    assert [] == [
        name
        for name, line in ChenuCommands.lines.items()
        if not " ".join(told[name].split()).startswith(line.removesuffix("."))
    ]


def test_every_module_with_a_command_is_listed() -> None:
    """A command that is not in the list does not exist."""
    named = {ChenuCommands.modules.get(name, name) for name in ChenuCommands.lines}
    holding = {
        path.stem
        for path in Path(lazy.__file__).parent.glob("*.py")
        if path.stem != "app" and "\napp = commands(" in path.read_text(encoding="utf-8")
    }

    assert named == holding


def test_a_word_that_is_nearly_a_command_is_put_right() -> None:
    """The names are known although nothing is loaded."""
    result = CliRunner().invoke(app, ["querys"])

    assert ExitCode.USAGE == result.exit_code
    assert "Did you mean 'query', 'queries'?" in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("query", "hi", "--timeout", "soon"), "'soon' is not a number from 0.001 to 86,400"),
        (("query", "hi", "--timeout", "0"), "'0' is not a number from 0.001 to 86,400"),
        (("query", "hi", "--timeout", "nan"), "'nan' is not a number from 0.001 to 86,400"),
        (("queries", "list", "--limit", "-1"), "'-1' is not a whole number from 0 up"),
        (("queries", "list", "--limit", "1.5"), "'1.5' is not a whole number from 0 up"),
        (("watch", "q-1", "--after", "9" * 20), "to 9,223,372,036,854,775,807"),
    ],
)
def test_a_value_that_does_not_fit_says_what_would(words: tuple[str, ...], told: str) -> None:
    """Options are read without pydantic, and as strictly."""
    result = CliRunner().invoke(app, list(words))

    assert ExitCode.USAGE == result.exit_code
    assert told in " ".join(result.stderr.split())


def test_the_module_is_the_command() -> None:
    """`python -m chenu_server` works where the script is not on the path."""
    command = [sys.executable, "-m", "chenu_server", "version", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert {"chenu-server", "chenu", "grpcio", "protobuf", "python"} == set(json.loads(done.stdout))
