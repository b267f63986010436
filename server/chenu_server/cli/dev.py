"""`chenu dev`: everything that is needed to try it on this machine, with a fake provider."""

from __future__ import annotations

import ipaddress
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from chenu_server.cli.configured import Configured
from chenu_server.cli.exit_codes import ExitCode, fail
from chenu_server.cli.groups import commands, local
from chenu_server.cli.migrate import make_folder
from chenu_server.cli.output import note
from chenu_server.cli.remote import VARIABLE
from chenu_server.cli.serve import told
from chenu_server.cli.token import Claims, issued, issuer_of

if TYPE_CHECKING:
    from chenu_server.config import Settings

IDENTITY: Final = "demo"
PROVIDERS: Final = ("anthropic", "google", "groq", "mistral", "ollama", "openai")
# Who there is to be, by the name of the token's file: type, subject, identities with their roles.
CAST: Final = {
    "person": ("user", "ada", [f"{IDENTITY}=member,approver,budget_admin,auditor"]),
    "service": ("service", "orders", [f"{IDENTITY}=member"]),
    "agent": ("agent", "scout", [f"{IDENTITY}=member"]),
    "system": ("user", "olga", ["system=member,operator,auditor,system_auditor"]),
}
BUDGET_NANOUSD: Final = 10_000_000_000
TOKEN_LIFETIME_S: Final = 30 * 86_400


app = commands()


@local(app, "dev")
def dev(
    configured: Configured,
    *,
    folder: Annotated[
        Path, typer.Option(help="Where the database and the tokens are kept.")
    ] = Path("var/dev"),
    listen: Annotated[str, typer.Option(help="host:port; port 0 takes a free one.")] = "",
    real: Annotated[
        bool,
        typer.Option(
            "--real",
            help="Call real providers, with ANTHROPIC_API_KEY and OPENAI_API_KEY as far as set.",
        ),
    ] = False,
) -> None:
    """Serve on SQLite with a fake provider, a budget and tokens to try, until Ctrl-C."""
    keys = _keys() if real else {}
    folder.mkdir(parents=True, exist_ok=True)
    with told():
        import uvloop

        uvloop.run(_dev(configured, folder.resolve(), listen, keys))


def _keys() -> dict[str, str]:
    """The keys of real providers; without any there is nobody to call."""
    from chenu_server.config import KEY_VARIABLES, keys_in_environment

    if keys := keys_in_environment():
        return keys
    names = " or ".join(KEY_VARIABLES.values())
    raise fail(ExitCode.USAGE, f"--real has no key to call with; set {names}")


async def _dev(configured: Configured, folder: Path, listen: str, keys: Mapping[str, str]) -> None:
    from chenu_server import bootstrap

    # Nobody changes its configuration, and a terminal that closes must not leave it behind.
    stopping = bootstrap.told_by(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    # Outermost, so that it goes last: what the server drains may still be waiting for its answers.
    async with _providers(folder, keys) as providers:
        settings = configured.settings(_overrides(folder, providers, listen))
        _prepare(settings)
        async with bootstrap.application(settings) as application:
            tokens = _tokens(settings, folder)  # the folder is ours: the store is locked
            target = _target(settings.server.listen, application.port)
            await _with_budget(target, tokens["person"])
            _welcome(target, folder, " and ".join(keys) or "a fake provider")
            await stopping.wait()


@asynccontextmanager
async def _providers(
    folder: Path, keys: Mapping[str, str]
) -> AsyncIterator[dict[str, dict[str, str]]]:
    """The settings of the providers that are called: the real ones, else the fake that runs."""
    from chenu_server.cli.fake_provider import fake_provider

    if keys:
        yield {name: {"api_key": key} for name, key in keys.items()}
        return
    async with fake_provider(folder / "provider.log") as base_url:
        yield {
            name: {
                "base_url": f"{base_url}/{name}{'' if name == 'anthropic' else '/v1'}",
                "api_key": "a-key-for-the-fake-provider",
            }
            for name in PROVIDERS
        }


def _overrides(
    folder: Path, providers: Mapping[str, Mapping[str, str]], listen: str
) -> dict[str, Any]:
    """What makes it a toy, over file and environment."""
    from chenu_server.config import LOCAL_ISSUER
    from chenu_server.infra.db.urls import sqlite_url

    return {
        "server.listen": listen or "127.0.0.1:50051",
        "database.url": sqlite_url(folder / "chenu.db"),
        "identity.issuers": [LOCAL_ISSUER.model_dump() | {"key_file": folder / "token.key"}],
        "log.level": "warning",
        "providers.enabled": list(providers),
        "providers.settings": providers,
        "tools.release_key_file": folder / "release.pem",
    }


def _prepare(settings: Settings) -> None:
    """Make the schema and the keys, if they are not there."""
    from chenu_server.governance.identity.tokens import create_key
    from chenu_server.governance.tools.release_keys import create_release_key
    from chenu_server.infra.db import migrate

    make_folder(settings.database.url)
    migrate.upgrade(settings.database.url)
    with suppress(FileExistsError):
        create_key(settings.identity.issuers[0].key_file)
    assert settings.tools.release_key_file is not None
    with suppress(FileExistsError):
        create_release_key(settings.tools.release_key_file)


def _tokens(settings: Settings, folder: Path) -> dict[str, str]:
    """Make a token for everyone; each is kept in a file too."""
    issuer = issuer_of(settings.identity.issuers[0])
    tokens = {}
    for name, (kind, subject, identities) in CAST.items():
        claims = Claims(subject=subject, type=kind, identity=identities, lifetime=TOKEN_LIFETIME_S)
        tokens[name] = issued(issuer, claims, time.time_ns() // 1_000)
        # Private before anything is in it: written first, it could be read in between. And new: an
        # older file keeps its mode, and whoever has it open.
        (folder / name).unlink(missing_ok=True)
        (folder / name).touch(mode=0o600, exist_ok=False)
        (folder / name).write_text(f"{tokens[name]}\n")
    return tokens


def _target(listen: str, port: int) -> str:
    """Where this machine reaches a server that listens there."""
    host = listen.rpartition(":")[0]
    with suppress(ValueError):  # a name
        address = ipaddress.ip_address(host.strip("[]"))
        if address.is_unspecified:
            host = "127.0.0.1" if address.version == 4 else "[::1]"
    return f"{host}:{port}"


async def _with_budget(target: str, token: str) -> None:
    """Give the identity money to spend, unless it has."""
    from chenu import errors
    from chenu.aio import Client
    from chenu.api.governance.v1 import budget_service_pb2

    async with Client(target, token=token) as client:
        with suppress(errors.Conflict):  # it is there from an earlier run
            await client.budgets.create(
                scope=budget_service_pb2.BUDGET_SCOPE_IDENTITY,
                period=budget_service_pb2.BUDGET_PERIOD_DAILY,
                limit_nanousd=BUDGET_NANOUSD,
            )


def _welcome(target: str, folder: Path, called: str) -> None:
    who = f"--token-file {folder}/"
    note(
        f"\nCHE·NU listens on {target} with {called}. In another terminal:\n\n"
        f"  export {VARIABLE}TARGET={target} {VARIABLE}TOKEN_FILE={folder / 'service'}\n"
        '  chenu query "What changed since Monday?"     # the service asks\n'
        '  chenu query "Delete all archived items"      # a person must approve\n'
        f"  chenu checkpoints list {who}person\n"
        f"  chenu checkpoints approve ID {who}agent      # an agent may not\n"
        f"  chenu checkpoints approve ID {who}person\n"
        "  chenu watch --continue REQUEST_ID            # it runs, once\n"
        f"  chenu budgets list {who}person\n"
        f"  chenu audit check {who}system\n\n"
        f"{folder} holds a token for a person, a service, an agent and the system's auditor.\n"
        "Ctrl-C ends it.\n"
    )
