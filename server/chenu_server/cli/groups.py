"""Commands whose options come in groups: a parameter that is a dataclass stands for its fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, TypeGuard, TypeVar

import typer

F = TypeVar("F", bound=Callable[..., None])


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
        call(**{each.name: _gathered(each, given) for each in parameters})

    options = [option for each in parameters for option in _spread(each)]
    signed = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in options]
    vars(command)["__signature__"] = inspect.Signature(signed)  # what typer reads
    command.__annotations__ = {option.name: option.annotation for option in signed}
    app.command(name, help=text)(command)


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
