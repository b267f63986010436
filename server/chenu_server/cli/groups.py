"""Commands whose options come in groups: a parameter that is a dataclass stands for its fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, TypeGuard, TypeVar, get_args

import typer
from typer.models import ArgumentInfo

from chenu_server.cli.options import PlainCommand, PlainGroup

F = TypeVar("F", bound=Callable[..., None])


def commands(text: str = "") -> typer.Typer:
    """What a module's command, or its commands, are registered with; `text` is their help."""
    return typer.Typer(
        cls=PlainGroup,
        help=text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def local(app: typer.Typer, name: str) -> Callable[[F], F]:
    """Register a function as a command that calls no server."""

    def register(function: F) -> F:
        add_command(app, name, parameters_of(function), function, help_of(function))
        return function

    return register


def add_command(
    app: typer.Typer,
    name: str,
    parameters: Sequence[inspect.Parameter],
    call: Callable[..., None],
    text: str,
) -> None:
    """Register `call` under these parameters, with `text` as its help."""

    def command(**given: Any) -> None:
        for option in options:
            _must_be_unicode(option, given[option.name])
        call(**{each.name: _gathered(each, given) for each in parameters})

    options = [option for each in parameters for option in _spread(each)]
    signed = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in options]
    vars(command)["__signature__"] = inspect.Signature(signed)  # what typer reads
    command.__annotations__ = {option.name: option.annotation for option in signed}
    app.command(name, help=text, cls=PlainCommand)(command)


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """A function's parameters with their types resolved."""
    return list(inspect.signature(function, eval_str=True).parameters.values())


def help_of(function: Callable[..., Any]) -> str:
    """A function's docstring."""
    return inspect.getdoc(function) or ""


def _spread(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    group = parameter.annotation
    return parameters_of(group) if _is_group(group) else [parameter]


def _gathered(parameter: inspect.Parameter, given: Mapping[str, Any]) -> Any:
    group = parameter.annotation
    if _is_group(group):
        return group(**{each.name: given[each.name] for each in parameters_of(group)})
    return given[parameter.name]


def _is_group(annotation: Any) -> TypeGuard[type]:
    return isinstance(annotation, type) and is_dataclass(annotation)


def _must_be_unicode(option: inspect.Parameter, value: Any) -> None:
    """Refuse a text with bytes that are not UTF-8: nothing in the contract can carry it."""
    for text in value if isinstance(value, list) else [value]:
        # So Python reads bytes of a command line that are no text (PEP 383).
        if isinstance(text, str) and any("\ud800" <= one <= "\udfff" for one in text):
            raise typer.BadParameter(
                "it is not UTF-8; convert it, for example with iconv", param_hint=_shown(option)
            )


def _shown(option: inspect.Parameter) -> str:
    """A parameter as it stands on the command line."""
    if any(isinstance(one, ArgumentInfo) for one in get_args(option.annotation)):
        return option.name.upper()
    return f"--{option.name.replace('_', '-')}"
