"""Text on a command line as the contract's values."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

    from chenu.names import V_co, WireEnum

NANOUSD_PER_USD: Final = 1_000_000_000
NANOUSD_MAX: Final = 2**63 - 1
INT32_MAX: Final = 2**31 - 1


def choice(option: str, enum: WireEnum[V_co], name: str) -> V_co:
    """The enum's value with a wire name; zero for an empty one."""
    from chenu.names import value_of

    if not name:
        return enum.Value(enum.DESCRIPTOR.values_by_number[0].name)
    try:
        return value_of(enum, name)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def choices(option: str, enum: WireEnum[V_co], names: list[str]) -> list[V_co]:
    """The enum's values with these wire names."""
    return [choice(option, enum, name) for name in names]


def nanousd(option: str, amount: str) -> int:
    """An amount of US dollars such as `0.05` in nano-USD, exactly; zero for an empty text."""
    try:
        exact = Decimal(amount or "0") * NANOUSD_PER_USD
        # In range first: as an int, `1e999999` would have a million digits.
        whole = int(exact) if 0 <= exact <= NANOUSD_MAX else -1
    except (ArithmeticError, ValueError) as error:
        raise typer.BadParameter(f"{amount!r} is not an amount", param_hint=option) from error
    if exact != whole or not 0 <= whole <= NANOUSD_MAX:
        raise typer.BadParameter(
            f"{amount!r} is not an amount from 0 up, in dollars, with at most 9 decimals",
            param_hint=option,
        )
    return whole


def time(option: str, text: str) -> Timestamp | None:
    """An ISO 8601 date or time; UTC unless it says otherwise."""
    from google.protobuf.timestamp_pb2 import Timestamp

    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not an ISO 8601 time", param_hint=option) from error
    timestamp = Timestamp()
    timestamp.FromDatetime(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))
    return timestamp


def digest(option: str, text: str) -> bytes:
    """32 bytes in hexadecimal; nothing for an empty text."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        # As long as no digest is.
        found = b"?"
    if len(found) not in {0, 32}:
        raise typer.BadParameter("a digest is 64 hexadecimal digits", param_hint=option)
    return found


def int32(option: str, value: int) -> int:
    """A number that fits the contract's int32."""
    if value > INT32_MAX:
        raise typer.BadParameter(f"{value} is more than {INT32_MAX}", param_hint=option)
    return value


def standard_input(argument: str) -> str:
    """All of standard input, as it is."""
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise typer.BadParameter(
            f"standard input is not UTF-8 at byte {error.start}; convert it, for example with"
            " iconv",
            param_hint=argument,
        ) from error


def text_file(option: str, path: Path) -> str:
    """All of a file, as it is."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise typer.BadParameter(
            f"cannot read {path}: {error.strerror}", param_hint=option
        ) from error
    except UnicodeDecodeError as error:
        raise typer.BadParameter(
            f"{path} is not UTF-8 at byte {error.start}", param_hint=option
        ) from error


def message_file(option: str, path: Path, message: Message) -> None:
    """Fill a message from a file that holds it as proto3 JSON."""
    from google.protobuf import json_format

    try:
        json_format.Parse(path.read_bytes(), message)
    except (OSError, UnicodeDecodeError, json_format.ParseError) as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint=option) from error
