"""A failed call as an exit status and a message: what happened, why, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import typer

from chenu_server.cli.exit_codes import ExitCode, fail
from chenu_server.cli.output import note_json, visible
from chenu_server.reasons import Reason

if TYPE_CHECKING:
    from chenu import errors

_NO_ADVICE: Final[Mapping[str, str]] = {}
# Of a call that the transport lost, and of one whose reason only a newer version knows.
_LOST: Final = (ExitCode.UNAVAILABLE, "check --target and that the server runs")
_UNKNOWN: Final = (ExitCode.FAILED, "this version does not know the reason; update chenu")


class _Known(dict[str, str]):
    # A server of another version may leave out what the advice names.
    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def exit_code_of(error: errors.ChenuError) -> ExitCode:
    """The exit status that says what kind of failure it was."""
    return _action(error.reason)[0]


def next_step(error: errors.ChenuError, advice: Mapping[str, str] = _NO_ADVICE) -> str:
    """What to do about it; `advice` is what the command that met it says by reason."""
    if error.retry_after is not None:
        return f"try again in {error.retry_after.total_seconds():.3f} s"
    advised = advice.get(error.reason) or _action(error.reason)[1]
    return advised.format_map(_Known(error.metadata))


def _action(name: str) -> tuple[ExitCode, str]:
    if name not in Reason.__members__:
        return _UNKNOWN if name else _LOST
    reason = Reason[name]
    return ExitCode[reason.exit.upper()], reason.advice


def as_text(error: errors.ChenuError, advice: Mapping[str, str] = _NO_ADVICE) -> str:
    """The failure for people."""
    return f"chenu: {visible(str(error))}\nnext: {visible(next_step(error, advice))}"


def as_object(error: errors.ChenuError, advice: Mapping[str, str] = _NO_ADVICE) -> dict[str, Any]:
    """The failure for programs."""
    after = error.retry_after
    return {
        "error": {
            "reason": error.reason,
            "status": error.code.name,
            "message": error.message,
            "metadata": dict(error.metadata),
            "fields": [{"field": name, "problem": problem} for name, problem in error.fields],
            "retry_after_ms": None if after is None else int(after.total_seconds() * 1_000),
            "next": next_step(error, advice),
        }
    }


def refused(code: ExitCode, message: str, do: str, *, as_json: bool) -> typer.Exit:
    """Say why a command that calls no server ends with `code`; raise what this returns."""
    if not as_json:
        return fail(code, f"{visible(message)}; {do}")
    told = {"reason": code.name, "status": "", "message": message, "metadata": {}}
    note_json({"error": told | {"fields": [], "retry_after_ms": None, "next": do}})
    return typer.Exit(code)
