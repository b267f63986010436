"""`chenu config`: is it accepted, and what does it come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chenu_server.cli.configured import Configured
from chenu_server.cli.exit_codes import ExitCode
from chenu_server.cli.groups import commands, local
from chenu_server.cli.output import Output, note

if TYPE_CHECKING:
    from chenu_server.bootstrap import Probed

app = commands("The server's configuration.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@local(app, "check")
def check(
    configured: Configured,
    *,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Ask each provider for its models too, with its key."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether a server would start with this configuration, and every reason why not.

    Reads the files that it names and writes nothing; connects to nobody but with --probe, which
    asks each provider and instance for its models. Nothing is billed for that.
    """
    problems = _problems(configured)
    answers = _probed(configured) if probe and not problems else []
    failed = [f"{each.provider}: {problem}" for each in answers for problem in each.problems]
    if as_json:
        told: dict[str, Any] = {"problems": problems + failed} if problems or failed else {}
        told |= {"providers": [_plain(each) for each in answers]} if answers else {}
        Output(as_json=True).json({"accepted": not problems and not failed} | told)
    else:
        _tell(problems + failed, answers)
    if problems or failed:
        raise typer.Exit(ExitCode.CONFIG)


@local(app, "show")
def show(configured: Configured, *, as_json: AsJson = False) -> None:
    """Show every setting as it comes out of file, environment and options, without secrets."""
    from chenu_server import config

    plain = config.show(configured.settings())
    if as_json:
        Output(as_json=True).json(plain)
    else:
        print("\n".join(f"{key} = {value}" for key, value in _flat(plain)))


def _probed(configured: Configured) -> list[Probed]:
    from chenu_server.bootstrap import probe

    return probe(configured.load())


def _plain(probed: Probed) -> dict[str, Any]:
    plain = asdict(probed) | {"problems": list(probed.problems)}
    return {name: value for name, value in plain.items() if value not in (None, "")}


def _tell(problems: list[str], answers: list[Probed]) -> None:
    for each in answers:
        if not each.problems:
            print(f"{each.provider}: {each.note or f'lists {each.models} models'}")
    if problems:
        note("\n".join(f"chenu: {problem}" for problem in problems))
    else:
        print("accepted")


def _problems(configured: Configured) -> list[str]:
    """Why it is not accepted; what it names is read only once every setting is acceptable."""
    from chenu_server.config import ConfigError, explain

    try:
        settings = configured.load()
    except ConfigError as error:
        return [explain([problem]) for problem in error.problems]
    from chenu_server.bootstrap import problems_of

    return problems_of(settings)


def _flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value
