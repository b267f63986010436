"""What is printed: JSON for programs, tables for people; rich only where a terminal shows it."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterable, Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

Row = Sequence[str]
M = TypeVar("M", bound="Message")
NANO = Decimal(1_000_000_000)


class Output:
    """
    Standard output. With `as_json`, every resource is one line: proto3 JSON with the contract's
    field names, where 64-bit integers are strings and bytes base64.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def message(self, message: Message, rows: Sequence[Row]) -> None:
        """One resource: `rows` are its names and values."""
        if self.as_json:
            self.json(message_object(message))
        else:
            width = max((len(name) for name, _ in rows), default=0)
            print("\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in rows))

    async def messages(
        self, messages: AsyncIterable[M], header: Row, row: Callable[[M], Row]
    ) -> None:
        """
        A list of resources, printed as it is read.

        A table on a terminal, which has to be read whole first; elsewhere tab-separated.
        """
        if self.as_json:
            async for message in messages:
                self.json(message_object(message))
        elif is_terminal():
            _table(header, [row(message) async for message in messages])
        else:
            print("\t".join(header))
            async for message in messages:
                print("\t".join(row(message)))

    def json(self, value: Any) -> None:
        """One line of JSON."""
        print(json.dumps(value, ensure_ascii=False, separators=(",", ":")), flush=True)

    def text(self, text: str) -> None:
        """A piece of text, as it comes; nothing with `as_json`."""
        if not self.as_json:
            print(text, end="", flush=True)


def is_terminal() -> bool:
    """Whether a person reads standard output."""
    return sys.stdout.isatty()


def note(text: str) -> None:
    """A remark for people, on standard error, so that it never mixes with what was asked for."""
    print(text, file=sys.stderr, flush=True)


def message_object(message: Message) -> dict[str, Any]:
    """A message as proto3 JSON with the contract's field names; zeros are there too."""
    from google.protobuf.json_format import MessageToDict

    return dict(
        MessageToDict(
            message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    )


def usd(nanousd: int) -> str:
    """An amount of nano-USD, exactly."""
    amount = f"{Decimal(nanousd) / NANO:f}"
    whole, _, rest = amount.partition(".")
    rest = rest.rstrip("0").ljust(2, "0")
    return f"{whole}.{rest} USD"


def when(time: Timestamp) -> str:
    """A time as RFC 3339 in UTC, to the second; empty if there is none."""
    if not time.seconds and not time.nanos:
        return ""
    return f"{time.ToDatetime():%Y-%m-%dT%H:%M:%SZ}"


def _table(header: Row, rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
