"""Requests made of what a caller gave: what no message can hold is refused before it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import grpc

from chenu import errors

P = ParamSpec("P")
M = TypeVar("M")


def made(kind: Callable[P, M], *args: P.args, **fields: P.kwargs) -> M:
    """
    A message with these fields.

    Raises:
        InvalidRequest: A text is no Unicode, as `surrogateescape` leaves it, or a number too large.
    """
    try:
        return kind(*args, **fields)
    except ValueError as error:
        # Protobuf does not say which field it could not take.
        wrong = next((name for name in fields if not _holds(kind, name, fields[name])), "request")
        raise errors.InvalidRequest(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"{wrong}: {error}",
            "INVALID_FIELD",
            {"field": wrong, "problem": str(error)},
            fields=((wrong, str(error)),),
        ) from error


def _holds(kind: Callable[..., object], name: str, value: object) -> bool:
    try:
        kind(**{name: value})
    except ValueError:
        return False
    return True
