"""`serve`, `migrate`, `config` and `token`: what is refused, and how it is told."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from chenu_server.cli.app import app
from chenu_server.cli.exit_codes import ExitCode
from chenu_server.cli.serve import told
from chenu_server.errors import GovernanceUnavailable
from chenu_server.governance.identity.model import Issuer
from chenu_server.governance.identity.tokens import KeyFileError, read_key, verify
from chenu_server.infra.db.migrate import SchemaMismatch
from chenu_server.infra.db.owners import StoreInUse
from chenu_server.providers.catalog_schema import CatalogueError
from chenu_server.vocabulary import PrincipalType, Role

Run = Callable[..., Result]


@pytest.fixture
def chenu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line in an empty folder, with nothing in the environment."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_a_good_configuration_is_accepted(chenu: Run) -> None:
    """The defaults and a key are a configuration."""
    chenu("token", "key")

    assert (0, "accepted\n") == (
        (result := chenu("config", "check")).exit_code,
        result.stdout,
    )
    assert {"accepted": True} == json.loads(chenu("config", "check", "--json").stdout)


def test_every_mistake_of_a_configuration_is_told(chenu: Run, tmp_path: Path) -> None:
    """Whoever corrects one mistake a run corrects all of them in one."""
    (tmp_path / "chenu.toml").write_text("[server]\nlisen = 1\n[budgets]\nrequired = 7\n")
    result = chenu("config", "check")

    assert ExitCode.CONFIG == result.exit_code
    assert "server.lisen" in result.stderr
    assert "budgets.required" in result.stderr


def test_settings_are_shown_without_secrets(chenu: Run) -> None:
    """What is shown ends up in tickets."""
    keyed = (
        '--set=providers.enabled=["groq"]',
        '--set=providers.settings={"groq": {"api_key": "sk-secret"}}',
        "--set=database.url=postgresql+psycopg://me:hunter2@db/chenu",
    )
    lines = chenu("config", "show", *keyed).stdout
    plain = json.loads(chenu("config", "show", "--json", *keyed).stdout)

    assert "server.listen = 127.0.0.1:50051\n" in lines
    assert "127.0.0.1:50051" == plain["server"]["listen"]
    assert not any(secret in f"{lines}{plain}" for secret in ("sk-secret", "hunter2"))


def test_a_setting_is_json_where_it_can_be_and_text_elsewhere(chenu: Run) -> None:
    """Numbers and lists arrive as such; an address needs no quotes."""
    shown = chenu(
        "config", "show", "--json", "--set=limits.calls_per_s=7", "--set=server.listen=127.0.0.1:0"
    )

    assert 7 == json.loads(shown.stdout)["limits"]["calls_per_s"]
    assert "127.0.0.1:0" == json.loads(shown.stdout)["server"]["listen"]
    assert ExitCode.USAGE == chenu("config", "check", "--set", "server.listen").exit_code


def test_a_database_is_migrated_once(chenu: Run) -> None:
    """`--check` says whether it is due and changes nothing, not even the folder."""
    url = "--set=database.url=sqlite:///new/chenu.db"
    before = chenu("migrate", "--check", url)
    made = Path("new").exists()
    done = chenu("migrate", url, "--json")
    after = chenu("migrate", "--check", url)

    assert (ExitCode.CONFIG, False) == (before.exit_code, made)
    assert "run `chenu migrate`" in before.stderr
    assert (0, 0) == (done.exit_code, after.exit_code)
    assert json.loads(done.stdout)["revision"] in after.stdout


def test_a_database_that_is_behind_is_told(chenu: Run, tmp_path: Path) -> None:
    """The message names the command that helps."""
    url = f"--set=database.url=sqlite:///{tmp_path / 'empty.db'}"
    result = chenu("migrate", "--check", url)

    assert ExitCode.CONFIG == result.exit_code
    assert "run `chenu migrate`" in result.stderr


def test_a_token_says_what_was_asked(chenu: Run) -> None:
    """A server with the same configuration takes it."""
    assert 0 == chenu("token", "key").exit_code
    options = (
        "--subject bot --type agent --identity acme=member,approver --identity system=operator"
    )
    result = chenu(
        "token", "issue", *options.split(), "--acting-for", "user:ana", "--method", "otp"
    )
    issuer = Issuer(
        name="chenu-local",
        audience="chenu",
        key=read_key(Path("var/token.key")),
        principal_types=frozenset(PrincipalType),
    )
    token = verify(result.stdout.strip(), {issuer.name: issuer}, time.time_ns() // 1_000)

    assert ("agent", "bot") == (token.principal.type, token.principal.id)
    assert ("user:ana",) == token.acting_for
    assert ("otp",) == token.methods
    assert {
        "acme": {Role.MEMBER, Role.APPROVER},
        "system": {Role.OPERATOR},
    } == token.identities


def test_a_key_is_never_replaced(chenu: Run) -> None:
    """Every token that was made with it would end."""
    first = chenu("token", "key", "a.key", "--json")
    secret = Path("a.key").read_bytes()
    second = chenu("token", "key", "a.key")

    assert {"key_file": "a.key"} == json.loads(first.stdout)
    assert (ExitCode.CONFLICT, secret) == (second.exit_code, Path("a.key").read_bytes())
    assert 0o600 == Path("a.key").stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("options", "code", "told_text"),
    [
        ("--subject ana --identity acme", ExitCode.USAGE, "the roles are member"),
        ("--subject ana --identity acme=boss", ExitCode.USAGE, "the roles are member"),
        ("--subject ana --identity acme=member --type robot", ExitCode.USAGE, "is not one of"),
        (
            "--subject ana --identity a=member --type user --acting-for user:b",
            ExitCode.USAGE,
            "nobody",
        ),
        ("--subject b --identity a=member --acting-for robot:c", ExitCode.USAGE, "user:ID"),
        ("--subject ana --identity ACME=member", ExitCode.USAGE, "no server takes such a token"),
        ("--subject ana --identity acme=member --issuer no", ExitCode.USAGE, "chenu-local"),
        (
            "--subject ana --identity acme=approver --identity acme=member",
            ExitCode.USAGE,
            "'acme' is given twice",
        ),
    ],
)
def test_a_token_that_no_server_would_take_is_refused(
    chenu: Run, options: str, code: ExitCode, told_text: str
) -> None:
    """The mistake is told where it was made, and not by a server later."""
    chenu("token", "key")
    result = chenu("token", "issue", *options.split())

    assert code == result.exit_code
    assert told_text in " ".join(result.stderr.split())


def test_an_issuer_keeps_to_its_types(chenu: Run) -> None:
    """A server would refuse a person's token of an issuer for services."""
    chenu("token", "key", "a.key")
    issuer = '--set=identity.issuers=[{"name": "ci", "key_file": "a.key"}]'
    options = "--subject ana --identity acme=member --type user"
    result = chenu("token", "issue", *options.split(), issuer)

    assert ExitCode.USAGE == result.exit_code
    assert "issuer 'ci' may assert service, not user" in result.stderr


def test_a_missing_key_is_told(chenu: Run) -> None:
    """The message names the command that makes one."""
    result = chenu("token", "issue", "--subject", "ana", "--identity", "acme=member")

    assert ExitCode.CONFIG == result.exit_code
    assert "chenu token key" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SchemaMismatch("behind"), ExitCode.CONFIG),
        (StoreInUse("in use"), ExitCode.CONFIG),
        (CatalogueError("unknown"), ExitCode.CONFIG),
        (KeyFileError("open"), ExitCode.CONFIG),
        (ValueError("policy"), ExitCode.CONFIG),
        (OSError(98, "address in use"), ExitCode.CONFIG),
        (GovernanceUnavailable(), ExitCode.UNAVAILABLE),
    ],
)
def test_a_server_that_does_not_start_says_why(
    capsys: pytest.CaptureFixture[str], error: Exception, code: ExitCode
) -> None:
    """No traceback for what an operator can correct."""
    with pytest.raises(typer.Exit) as caught, told():
        raise error

    assert code == caught.value.exit_code
    assert capsys.readouterr().err.startswith("chenu: ")


def test_serve_refuses_a_database_without_a_schema(tmp_path: Path) -> None:
    """The whole way: the process ends with the status, and nothing listens."""
    (tmp_path / "var").mkdir()
    chenu = (sys.executable, "-m", "chenu_server")
    for command in ((*chenu, "token", "key"), (*chenu, "serve", "--listen", "127.0.0.1:0")):
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
        )

    assert ExitCode.CONFIG == done.returncode
    assert "run `chenu migrate`" in done.stderr
