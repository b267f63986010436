"""Commands that call a server: their shared options, the connection, and how they fail."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, ParamSpec, cast

import typer

from chenu_server.cli.exit_codes import ExitCode
from chenu_server.cli.groups import add_command, help_of, parameters_of
from chenu_server.cli.output import Output, note, note_json
from chenu_server.values import dataclass, replace

if TYPE_CHECKING:
    from chenu.aio import Client

P = ParamSpec("P")
# Not CHENU_: that is the server's configuration, which refuses what it does not know.
VARIABLE = "CHENUCLI_"


@dataclass(frozen=True)
class Reach:
    """How to reach a server: the options that every command has that calls one."""

    target: Annotated[
        str, typer.Option(envvar=f"{VARIABLE}TARGET", help="The server: host:port, or unix:path.")
    ] = "127.0.0.1:50051"
    identity: Annotated[
        str, typer.Option(envvar=f"{VARIABLE}IDENTITY", help="The identity to act in, of several.")
    ] = ""
    token: Annotated[
        str,
        typer.Option(
            envvar=f"{VARIABLE}TOKEN",
            help="The bearer token. On a command line others can see it: prefer the variable.",
        ),
    ] = ""
    token_file: Annotated[
        Path | None,
        typer.Option(envvar=f"{VARIABLE}TOKEN_FILE", help="A file that holds the token."),
    ] = None
    ca_file: Annotated[
        Path | None,
        typer.Option(envvar=f"{VARIABLE}CA_FILE", help="Root certificates to trust, PEM."),
    ] = None
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Call another machine without TLS.")
    ] = False
    proxy: Annotated[
        str | None,
        typer.Option(
            envvar=f"{VARIABLE}PROXY",
            help="The URL of the HTTP proxy to another machine; '' for none. Else the one that"
            " grpc_proxy, https_proxy or http_proxy name. Never used for loopback.",
        ),
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False

    def connect(self) -> Client:
        """A client that connects on first use."""
        import grpc

        from chenu.aio import Client

        roots = _read("--ca-file", self.ca_file) if self.ca_file else None
        return Client(
            self.target,
            token=self._given_token() or None,
            identity=_header("--identity", self.identity) or None,
            credentials=grpc.ssl_channel_credentials(roots) if roots else None,
            insecure=self.insecure,
            http_proxy=self.proxy,
        )

    def _given_token(self) -> str:
        if not self.token_file:
            return _header("--token", self.token)
        # No check here: what stands in for a byte that is no text cannot be sent, and is refused by
        # place.
        text = _read("--token-file", self.token_file).decode(errors="replace")
        return _header("--token-file", text)

    def preferring(self, options: set[str]) -> Reach:
        """The same, but of the two ways to give a token the one among `options` wins."""
        if {"token", "token_file"} <= options:
            raise typer.BadParameter(
                "--token names one and --token-file another; leave one out", param_hint="--token"
            )
        return replace(self, token_file=None) if "token" in options else self


@dataclass(frozen=True)
class Session:
    """What such a command gets: a connected client, and where to print."""

    client: Client
    output: Output


NO_ADVICE: Final[Mapping[str, str]] = {}

Act = Callable[Concatenate[Session, P], Coroutine[Any, Any, None]]


def remote(
    app: typer.Typer, name: str, *, advice: Mapping[str, str] = NO_ADVICE
) -> Callable[[Act[P]], Act[P]]:
    """Register an asynchronous function of a `Session` as a command with the options of `Reach`.

    `advice` says, by reason, what to do next where this command has something better to say.
    """

    def register(act: Act[P]) -> Act[P]:
        # The first is the session, which no option gives.
        _, *own = parameters_of(act)
        reach = inspect.Parameter("reach", inspect.Parameter.KEYWORD_ONLY, annotation=Reach)

        context = inspect.Parameter(
            "context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context
        )

        def call(reach: Reach, context: typer.Context, **given: Any) -> None:
            chosen = reach.preferring(_typed(context))
            _run(chosen, lambda session: cast(Any, act)(session, **given), advice)

        add_command(app, name, [*own, reach, context], call, help_of(act))
        return act

    return register


def _run(reach: Reach, act: Act[[]], advice: Mapping[str, str]) -> None:
    import asyncio

    from chenu import errors
    from chenu_server.cli import failures

    try:
        asyncio.run(_in_session(reach, act))
    except errors.ChenuError as error:
        if reach.as_json:
            note_json(failures.as_object(error, advice))
        else:
            note(failures.as_text(error, advice))
        raise typer.Exit(failures.exit_code_of(error)) from error
    except KeyboardInterrupt as interrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from interrupt


async def _in_session(reach: Reach, act: Act[[]]) -> None:
    async with reach.connect() as client:
        await act(Session(client, Output(as_json=reach.as_json)))


def _typed(context: typer.Context) -> set[str]:
    """The options that stand on the command line; the others come from the environment."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}


def _header(option: str, value: str) -> str:
    """A value that a header of a call can carry, without the line break that a file ends with."""
    from chenu import errors
    from chenu.headers import header_value

    if not value.strip():
        return ""
    what = option.split("-")[2]
    try:
        return header_value(what, value)
    except errors.InvalidSetting as error:
        raise typer.BadParameter(error.problem, param_hint=option) from error


def _read(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(
            f"cannot read {path}: {error.strerror}", param_hint=option
        ) from error
