"""`chenu dev`: one command, and everything is there to try it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner, Result

from chenu_server.cli import dev as dev_command
from chenu_server.cli.app import app
from chenu_server.cli.exit_codes import ExitCode
from chenu_server.config import KEY_VARIABLES, LOCAL_ISSUER
from chenu_server.governance.identity.tokens import create_key
from chenu_server.governance.tools.release_keys import ReleaseKeys
from chenu_server.upstream import FakeUpstream
from tests.dev_server import START_S, dev_server


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, str], Path]]:
    """A server that `chenu dev` runs: what it says to export, and its folder."""
    folder = tmp_path_factory.mktemp("dev")
    with dev_server([sys.executable, "-m", "chenu_server"], folder) as (_, exports):
        yield exports, folder


def chenu(exports: dict[str, str], *arguments: str) -> Result:
    """A command in the terminal where the exports were pasted."""
    return CliRunner().invoke(app, list(arguments), env=exports)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_pasted_commands_work(dev: tuple[dict[str, str], Path]) -> None:
    """What it prints is the tour: ask, be blocked, approve, run."""
    exports, folder = dev
    tokens = Path(exports["CHENUCLI_TOKEN_FILE"]).parent
    answered = chenu(exports, "query", "What changed since Monday?")
    blocked = chenu(exports, "query", "Delete all archived items")
    listed = chenu(exports, "checkpoints", "list", "--state", "pending").stdout.splitlines()
    checkpoint_id = listed[1].split("\t")[0]
    refused = chenu(
        exports, "checkpoints", "approve", checkpoint_id, "--yes", "--token-file", f"{tokens}/agent"
    )
    approved = chenu(
        exports,
        "checkpoints",
        "approve",
        checkpoint_id,
        "--yes",
        "--token-file",
        f"{tokens}/person",
    )
    request_id = approved.stdout.splitlines()[1].split()[1]
    continued = chenu(exports, "watch", "--continue", request_id)

    assert (0, ExitCode.BLOCKED) == (answered.exit_code, blocked.exit_code)
    assert "only a principal of type `user`" in refused.stderr
    assert "heard: What changed since Monday?" in answered.stdout
    assert f"chenu checkpoints approve {checkpoint_id}" in blocked.stderr
    assert "heard: Delete all archived items" in continued.stdout
    assert 0o600 == Path(exports["CHENUCLI_TOKEN_FILE"]).stat().st_mode & 0o777
    assert Path(exports["CHENUCLI_TOKEN_FILE"]).is_relative_to(folder)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_it_exports_verifies_offline(
    dev: tuple[dict[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's auditor reads the ledger, and anyone checks what was read."""
    exports, folder = dev
    monkeypatch.chdir(folder)
    tokens = Path(exports["CHENUCLI_TOKEN_FILE"]).parent
    system = {**exports, "CHENUCLI_TOKEN_FILE": f"{tokens}/system"}
    exported = chenu(system, "audit", "export", "-o", "ledger.jsonl")
    verified = chenu({}, "audit", "verify", "ledger.jsonl")

    assert (0, 0) == (exported.exit_code, verified.exit_code)
    assert "holds" in verified.stdout


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_a_model_proposes_can_be_taken(dev: tuple[dict[str, str], Path]) -> None:
    """It signs releases with a key of its own, which nobody else can read."""
    exports, _ = dev
    key_file = Path(exports["CHENUCLI_TOKEN_FILE"]).parent / "release.pem"
    keys = ReleaseKeys.load(key_file)
    published = chenu(exports, "tool-calls", "keys")

    assert (ExitCode.OK, 0o600) == (published.exit_code, key_file.stat().st_mode & 0o777)
    assert keys.signing_kid in published.stdout


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_second_one_on_the_folder_changes_nothing(
    dev: tuple[dict[str, str], Path], tmp_path: Path
) -> None:
    """It is refused, and the first one's tokens still hold: from whatever folder it was run."""
    exports, _ = dev
    folder = Path(exports["CHENUCLI_TOKEN_FILE"]).parent
    names = (*dev_command.CAST, "token.key", "release.pem")
    before = {name: (folder / name).read_bytes() for name in names}
    second = subprocess.run(
        [sys.executable, "-m", "chenu_server", "dev", "--folder", folder, "--listen", "[::1]:0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )

    assert ExitCode.CONFIG == second.returncode
    assert before == {name: (folder / name).read_bytes() for name in names}
    assert [] == list(tmp_path.iterdir())
    assert ExitCode.OK == chenu(exports, "query", "Still there?").exit_code


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_terminal_that_closes_ends_it_in_order(tmp_path: Path) -> None:
    """SIGHUP is what a closed window sends: it drains, and its provider ends with it."""
    with dev_server([sys.executable, "-m", "chenu_server"], tmp_path) as (process, exports):
        asked = chenu(exports, "query", "Still there?").exit_code
        process.send_signal(signal.SIGHUP)
        code = process.wait(START_S)

    assert (ExitCode.OK, 0) == (asked, code)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("provider", "variable"), [("anthropic", "ANTHROPIC_API_KEY"), ("openai", "OPENAI_API_KEY")]
)
async def test_a_real_providers_key_goes_to_it_and_nowhere_else(
    tmp_path: Path, provider: str, variable: str
) -> None:
    """Whoever has a key asks a real model with two commands; here another address stands in."""
    key = "sk-of-a-real-provider"
    plain = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    async with FakeUpstream() as upstream:
        url = upstream.provider_url(provider)
        options = ["--real", "--set", f"providers.settings.{provider}.base_url={url}"]

        def ask() -> Result:
            command = [sys.executable, "-m", "chenu_server"]
            with dev_server(command, tmp_path, plain | {variable: key}, options=options) as (_, it):
                return chenu(it, "query", "Hello there")

        answered = await asyncio.to_thread(ask)
        (request,) = upstream.requests

    assert ExitCode.OK == answered.exit_code, answered.stderr
    assert "heard: " in answered.stdout
    assert f"Bearer {key}" == request.headers["authorization"]
    assert [] == holding(tmp_path, key)


def holding(folder: Path, secret: str) -> list[Path]:
    """The files in which a secret stands."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if secret.encode() in path.read_bytes()]


def test_without_a_key_nobody_real_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which variables it looks for, before it makes anything."""
    for name in KEY_VARIABLES.values():
        monkeypatch.delenv(name, raising=False)

    result = CliRunner().invoke(app, ["dev", "--real"])

    assert (ExitCode.USAGE, True) == (result.exit_code, "ANTHROPIC_API_KEY" in result.stderr)


def test_tokens_are_private_whatever_lay_there(tmp_path: Path) -> None:
    """An older file may be open to others, and be read by them already."""
    issuer = LOCAL_ISSUER.model_copy(update={"key_file": tmp_path / "token.key"})
    settings = SimpleNamespace(identity=SimpleNamespace(issuers=[issuer]))
    create_key(issuer.key_file)
    older = tmp_path / "person"
    older.touch(mode=0o644)
    with older.open() as reader:
        tokens = dev_command._tokens(cast(Any, settings), tmp_path)
        read = reader.read()

    assert {0o600} == {(tmp_path / name).stat().st_mode & 0o777 for name in tokens}
    assert f"{tokens['person']}\n" == older.read_text()
    assert "" == read


@pytest.mark.parametrize(
    ("listen", "target"),
    [
        ("127.0.0.1:0", "127.0.0.1:7"),
        ("127.0.0.2:50051", "127.0.0.2:7"),
        ("localhost:0", "localhost:7"),
        ("[::1]:0", "[::1]:7"),
        ("0.0.0.0:0", "127.0.0.1:7"),
        ("[::]:0", "[::1]:7"),
    ],
)
def test_it_is_reached_where_it_listens(listen: str, target: str) -> None:
    """The address to paste is the one that answers, also on IPv6."""
    assert target == dev_command._target(listen, 7)
