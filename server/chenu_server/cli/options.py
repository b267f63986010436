"""Texts of a command line as Python's values.

Typer would build a pydantic validator for every option of the command: half a second of work for
conversions that are one call each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import typer
from typer._coercion import RuntimeParam, build_runtime_param
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from chenu_server.values import dataclass

if TYPE_CHECKING:
    from typer._click import Context, Parameter
    from typer.core import _TyperParameter

_CONVERT: Final[Mapping[Any, tuple[Callable[[Any], Any], str]]] = {
    str: (str, "a text"),
    Path: (Path, "a path"),
    int: (int, "a whole number"),
    float: (float, "a number"),
}


class PlainCommand(TyperCommand):
    """A command whose options are read without pydantic."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the command line."""
        for parameter in self.get_params(ctx):
            plain(parameter)
        return super().parse_args(ctx, args)


class PlainGroup(TyperGroup):
    """A group whose own options, such as `--help`, are read so too."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the command line up to the command's name."""
        for parameter in self.get_params(ctx):
            plain(parameter)
        return super().parse_args(ctx, args)


def plain(parameter: Parameter) -> None:
    """Have one parameter read without pydantic, from the next time on."""
    if isinstance(parameter, TyperOption | TyperArgument) and parameter._runtime_param is None:
        # By private names of Typer, which is pinned for that: any release may change them.
        wanted = parameter.type_descriptor
        parameter._runtime_param = _Plain(wanted.parameter_info, wanted.annotation)


@dataclass(frozen=True)
class _Plain(RuntimeParam):
    """One option's conversion."""

    def _coerce_value(self, value: Any, param: _TyperParameter, ctx: Context) -> Any:
        """What a text means, or one after the other where an option may be repeated.

        Raises:
            typer.BadParameter: It means nothing.
        """
        kind = get_args(self.annotation)[0] if param.type_descriptor.is_list else self.annotation
        if kind not in _CONVERT:  # rare, and then worth what it costs
            return build_runtime_param(param.type_descriptor).coerce(value, param, ctx)
        try:
            if param.type_descriptor.is_list:
                return [self._converted(kind, each) for each in value]
            return self._converted(kind, value)
        except ValueError as error:
            raise typer.BadParameter(str(error), ctx=ctx, param=param) from error

    def _converted(self, kind: Any, value: Any) -> Any:
        convert, what = _CONVERT[kind]
        least, most = self.parameter_info.min, self.parameter_info.max
        told = f"{value!r} is not {what}{_range(least, most)}"
        try:
            found = convert(value)
        except ValueError as error:
            raise ValueError(told) from error
        # So written that what is no number is in no range.
        if (least is not None and not found >= least) or (most is not None and not found <= most):
            raise ValueError(told)
        return found


def _range(least: float | None, most: float | None) -> str:
    if least is None and most is None:
        return ""
    if most is None:
        return f" from {least:,} up"
    return f" from {least:,} to {most:,}" if least is not None else f" up to {most:,}"
