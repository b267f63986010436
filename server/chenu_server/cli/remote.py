"""Commands that call a server: their shared options, the connection, and how they fail."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, TypeGuard, cast

import typer

from chenu_server.cli.exit_codes import ExitCode
from chenu_server.cli.output import Output, note

if TYPE_CHECKING:
    from chenu.aio import Client

P = ParamSpec("P")


@dataclass(frozen=True)
class Reach:
    """How to reach a server: the options that every command has that calls one."""

    target: Annotated[
        str, typer.Option(envvar="CHENU_TARGET", help="The server: host:port, or unix:path.")
    ] = "127.0.0.1:50051"
    identity: Annotated[
        str, typer.Option(envvar="CHENU_IDENTITY", help="The identity to act in, of several.")
    ] = ""
    token: Annotated[
        str,
        typer.Option(
            envvar="CHENU_TOKEN",
            show_envvar=True,
            help="The bearer token. On a command line others can see it: prefer the variable.",
        ),
    ] = ""
    token_file: Annotated[
        Path | None, typer.Option(envvar="CHENU_TOKEN_FILE", help="A file that holds the token.")
    ] = None
    ca_file: Annotated[
        Path | None, typer.Option(envvar="CHENU_CA_FILE", help="Root certificates to trust, PEM.")
    ] = None
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Call another machine without TLS.")
    ] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False

    def connect(self) -> Client:
        """A client that connects on first use."""
        import grpc

        from chenu.aio import Client

        roots = _read("--ca-file", self.ca_file) if self.ca_file else None
        return Client(
            self.target,
            token=self._given_token() or None,
            identity=self.identity or None,
            credentials=grpc.ssl_channel_credentials(roots) if roots else None,
            insecure=self.insecure,
        )

    def _given_token(self) -> str:
        token = self.token
        if self.token_file:
            token = _read("--token-file", self.token_file).decode(errors="replace").strip()
        if not (token.isascii() and token.isprintable()):
            raise typer.BadParameter("it holds characters that no token has", param_hint="--token")
        return token


@dataclass(frozen=True)
class Session:
    """What such a command gets: a connected client, and where to print."""

    client: Client
    output: Output


Act = Callable[Concatenate[Session, P], Coroutine[Any, Any, None]]


def remote(app: typer.Typer, name: str) -> Callable[[Act[P]], Act[P]]:
    """
    Register an asynchronous function of a `Session` as a command that calls a server.

    It is given the options of `Reach`. A parameter whose type is a dataclass stands for the
    options that the dataclass's fields are.
    """

    def register(act: Act[P]) -> Act[P]:
        _, *own = inspect.signature(act, eval_str=True).parameters.values()

        def command(**given: Any) -> None:
            values = {each.name: _gathered(each, given) for each in own}
            reach = Reach(**{key: given[key] for key in _fields(Reach)})
            _run(reach, lambda session: cast(Any, act)(session, **values))

        _sign(command, [*(one for each in own for one in _spread(each)), *_fields(Reach).values()])
        app.command(name, help=inspect.getdoc(act))(command)
        return act

    return register


def _fields(group: type) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(group, eval_str=True).parameters


def _spread(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    group = parameter.annotation
    return list(_fields(group).values()) if _is_group(group) else [parameter]


def _gathered(parameter: inspect.Parameter, given: Mapping[str, Any]) -> Any:
    group = parameter.annotation
    if _is_group(group):
        return group(**{key: given[key] for key in _fields(group)})
    return given[parameter.name]


def _is_group(annotation: Any) -> TypeGuard[type]:
    return isinstance(annotation, type) and is_dataclass(annotation)


def _sign(command: Callable[..., None], parameters: list[inspect.Parameter]) -> None:
    """Give a command the parameters that typer turns into options."""
    signed = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    vars(command)["__signature__"] = inspect.Signature(signed)
    command.__annotations__ = {each.name: each.annotation for each in signed}


def fail(code: ExitCode, text: str) -> typer.Exit:
    """Say on standard error why the command ends with `code`; raise what this returns."""
    note(f"chenu: {text}")
    return typer.Exit(code)


def _run(reach: Reach, act: Act[[]]) -> None:
    from chenu import errors
    from chenu_server.cli import failures

    try:
        asyncio.run(_in_session(reach, act))
    except errors.ChenuError as error:
        shown = (
            json.dumps(failures.as_object(error), ensure_ascii=False)
            if reach.as_json
            else failures.as_text(error)
        )
        note(shown)
        raise typer.Exit(failures.exit_code_of(error)) from error
    except KeyboardInterrupt as interrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from interrupt


async def _in_session(reach: Reach, act: Act[[]]) -> None:
    async with reach.connect() as client:
        await act(Session(client, Output(as_json=reach.as_json)))


def _read(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(
            f"cannot read {path}: {error.strerror}", param_hint=option
        ) from error
