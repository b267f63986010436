"""`chenu token`: keys and tokens of a local issuer, for development."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chenu_server.cli.configured import Configured
from chenu_server.cli.exit_codes import ExitCode
from chenu_server.cli.failures import refused
from chenu_server.cli.groups import commands, local
from chenu_server.cli.output import Output
from chenu_server.values import dataclass
from chenu_server.vocabulary import PrincipalType, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chenu_server.config import IssuerSettings
    from chenu_server.governance.identity.model import Issuer

app = commands("Keys and tokens of a local issuer, for development.")

IssuerName = Annotated[str, typer.Option(help="The issuer's name; else the first configured.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True)
class Claims:
    """What a token says."""

    subject: Annotated[str, typer.Option(help="Who it is for.")]
    identity: Annotated[
        list[str], typer.Option(help="An identity and its roles: acme=member,approver. Repeatable.")
    ]
    type: Annotated[str, typer.Option(help="user, service or agent.")] = "service"
    lifetime: Annotated[int, typer.Option(min=1, help="How long it holds, in seconds.")] = 3_600
    acting_for: Annotated[
        list[str] | None,
        typer.Option(help="On whose behalf, as user:alice, nearest first. Repeatable."),
    ] = None
    method: Annotated[
        list[str] | None, typer.Option(help="How the person signed in, as amr. Repeatable.")
    ] = None


@local(app, "key")
def key(
    file: Annotated[
        Path | None, typer.Argument(help="The file to write; else the configured issuer's.")
    ] = None,
    *,
    configured: Configured,
    issuer: IssuerName = "",
    as_json: AsJson = False,
) -> None:
    """Make a key that only you can read. A key that is there already is left alone."""
    from chenu_server.governance.identity.tokens import create_key

    path = file or _configured_issuer(configured, issuer).key_file
    try:
        create_key(path)
    except FileExistsError as error:
        why = f"{path} exists, and tokens made with it would end if it were replaced"
        raise refused(ExitCode.CONFLICT, why, "name another file", as_json=as_json) from error
    except OSError as error:
        why = f"cannot write {path}: {error.strerror}"
        raise refused(ExitCode.CONFIG, why, "name another file", as_json=as_json) from error
    if as_json:
        Output(as_json=True).json({"key_file": str(path)})
    else:
        print(f"{path}: written")


@local(app, "issue")
def issue(
    claims: Claims, *, configured: Configured, issuer: IssuerName = "", as_json: AsJson = False
) -> None:
    """Print a token that a server with this configuration takes."""
    now_us = time.time_ns() // 1_000
    chosen = issuer_of(_configured_issuer(configured, issuer), as_json=as_json)
    token = issued(chosen, claims, now_us, as_json=as_json)
    if as_json:
        expires = datetime.fromtimestamp(now_us // 1_000_000 + claims.lifetime, UTC)
        shown = {"token": token, "expires_at": f"{expires:%Y-%m-%dT%H:%M:%SZ}"}
        Output(as_json=True).json(shown)
    else:
        print(token)


def issued(issuer: Issuer, claims: Claims, now_us: int, *, as_json: bool = False) -> str:
    """A token that says `claims`; what no server would take is told and refused."""
    from chenu_server.caller import Principal
    from chenu_server.errors import ChenuError
    from chenu_server.governance.identity.tokens import issue

    principal_type = _principal_type(claims.type)
    if principal_type not in issuer.principal_types:
        allowed = ", ".join(sorted(issuer.principal_types))
        raise refused(
            ExitCode.USAGE,
            f"issuer {issuer.name!r} may assert {allowed}, not {claims.type}",
            "see --type, or principal_types in its configuration",
            as_json=as_json,
        )
    identities = _identities(claims.identity)
    try:
        return issue(
            issuer,
            Principal(type=principal_type, id=claims.subject),
            identities,
            now_us=now_us,
            lifetime_s=claims.lifetime,
            acting_for=claims.acting_for or (),
            methods=claims.method or (),
        )
    except ChenuError as error:
        raise refused(
            ExitCode.USAGE,
            "no server takes such a token",
            "subjects have 1 to 256 characters, identities 1 to 64 of a-z, 0-9, dot, underscore"
            " and dash, whom one acts for is user:ID, service:ID or agent:ID; a user acts for"
            " nobody",
            as_json=as_json,
        ) from error


def _configured_issuer(configured: Configured, name: str) -> IssuerSettings:
    issuers = configured.settings().identity.issuers
    for each in issuers:
        if name in {"", each.name}:
            return each
    known = ", ".join(each.name for each in issuers)
    raise typer.BadParameter(f"{name!r} is not one of {known}", param_hint="--issuer")


def issuer_of(chosen: IssuerSettings, *, as_json: bool = False) -> Issuer:
    """An issuer with its key; a key that cannot be used is told."""
    from chenu_server.governance.identity.model import ClaimNames, Issuer
    from chenu_server.governance.identity.tokens import KeyFileError, read_key

    try:
        secret = read_key(chosen.key_file)
    except KeyFileError as error:
        what, _, do = str(error).partition("; ")
        raise refused(ExitCode.CONFIG, what, do, as_json=as_json) from error
    return Issuer(
        name=chosen.name,
        audience=chosen.audience,
        key=secret,
        principal_types=frozenset(map(PrincipalType, chosen.principal_types)),
        claims=ClaimNames(**chosen.claims.model_dump()),
    )


def _principal_type(text: str) -> PrincipalType:

    try:
        return PrincipalType(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not one of {', '.join(PrincipalType)}", param_hint="--type"
        ) from error


def _identities(texts: Sequence[str]) -> dict[str, list[Role]]:
    identities: dict[str, list[Role]] = {}
    for name, roles in map(_identity, texts):
        # The roles of the first would be lost, and nobody told.
        if name in identities:
            raise typer.BadParameter(
                f"{name!r} is given twice; give all of its roles at once: {name}=role,...",
                param_hint="--identity",
            )
        identities[name] = roles
    return identities


def _identity(text: str) -> tuple[str, list[Role]]:

    name, _, roles = text.partition("=")
    try:
        return name, [Role(role) for role in roles.split(",")]
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not identity=role,...; the roles are {', '.join(Role)}",
            param_hint="--identity",
        ) from error
