"""What is printed: JSON for programs, tables for people; rich only where a terminal shows it."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import AsyncIterable, Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeVar

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

    from chenu.api.governance.v1 import principal_pb2

Row = Sequence[str]
M = TypeVar("M", bound="Message")
NANO = Decimal(1_000_000_000)
# What steers a terminal or its reader instead of being seen: C0, DEL and C1; format controls, of
# which some reverse the order of what follows; surrogates; line and paragraph separators.
# https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
STEERING: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# An answer is prose: it has lines, and the joiners that emoji and some scripts are spelt with.
IN_PROSE: Final = "\n\t\u200c\u200d"


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
            print("\n".join(fields(rows)))

    async def messages(
        self, messages: AsyncIterable[M], header: Row, row: Callable[[M], Row]
    ) -> None:
        """
        A list of resources, printed as it is read.

        A table on a terminal, which has to be read whole first; elsewhere tab-separated, with
        the header only once the server has not refused.
        """
        if self.as_json:
            async for message in messages:
                self.json(message_object(message))
        elif is_terminal():
            _table(header, [row(message) async for message in messages])
        else:
            await _lines(messages, header, row)

    def json(self, value: Any) -> None:
        """One line of JSON."""
        # At once: whoever follows a log through a pipe waits for each event.
        print(json_line(value, sys.stdout), flush=True)

    def line(self, text: str) -> None:
        """One line, whatever stands in it; nothing with `as_json`."""
        if not self.as_json:
            print(visible(text), flush=True)

    def text(self, text: str) -> None:
        """
        A piece of an answer; nothing with `as_json`.

        A pipe gets it as it is. A terminal gets its lines and tabs, and sees its other controls.
        """
        if not self.as_json:
            print(visible(text, IN_PROSE) if is_terminal() else text, end="", flush=True)


def is_utf8(stream: TextIO) -> bool:
    """Whether a stream carries every character."""
    return (stream.encoding or "").replace("-", "").lower() in {"utf8", "utf8sig"}


def note_json(value: Any) -> None:
    """A remark for programs, on standard error."""
    print(json_line(value, sys.stderr), file=sys.stderr, flush=True)


def is_terminal() -> bool:
    """Whether a person reads standard output."""
    return sys.stdout.isatty()


def note(text: str) -> None:
    """
    A remark for people, on standard error, so that it never mixes with what was asked for.

    It may have several lines: what others wrote goes through `visible` before it gets here.
    """
    print(visible(text, "\n"), file=sys.stderr, flush=True)


def thought(text: str) -> None:
    """A piece of what a model thought, on standard error; a terminal shows it dimmed."""
    shown = visible(text, IN_PROSE)
    dimmed = f"\x1b[2m{shown}\x1b[0m" if sys.stderr.isatty() else shown
    print(dimmed, end="", file=sys.stderr, flush=True)


def visible(text: str, kept: str = "") -> str:
    r"""
    A text on one line in which every control is seen, as `\x1b` or `\u202e`, and none is obeyed.

    Whoever asks writes what an approver reads: it must not clear the screen, reverse the order of
    the words or add a row. `kept` are the controls that may stay.
    """
    return _spelt(text, lambda one: one.encode("unicode_escape").decode(), kept)


def json_line(value: Any, stream: TextIO) -> str:
    """
    A value as JSON on one line. Controls are escaped, and what a stream cannot carry, which every
    parser reads as it was.
    """
    text = json.dumps(value, ensure_ascii=not is_utf8(stream), separators=(",", ":"))
    return _spelt(text, lambda one: json.dumps(one)[1:-1])


def fields(rows: Sequence[Row]) -> list[str]:
    """Names and values as aligned lines, one a row."""
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{name:<{width}}  {visible(value)}".rstrip() for name, value in rows]


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


def who(principal: principal_pb2.Principal) -> str:
    """A principal as `type:id`, as policies and tokens spell it; empty if there is none."""
    from chenu.api.annotations.v1 import access_pb2
    from chenu.names import name_of

    kind = name_of(access_pb2.PrincipalType, principal.type)
    return f"{kind}:{principal.id}" if kind else principal.id


def when(time: Timestamp) -> str:
    """A time as RFC 3339 in UTC, to the second; empty if there is none."""
    if not time.seconds and not time.nanos:
        return ""
    return f"{time.ToDatetime():%Y-%m-%dT%H:%M:%SZ}"


def _spelt(text: str, spell: Callable[[str], str], kept: str = "") -> str:
    if text.isprintable():
        return text
    return "".join(
        spell(one) if unicodedata.category(one) in STEERING and one not in kept else one
        for one in text
    )


async def _lines(messages: AsyncIterable[M], header: Row, row: Callable[[M], Row]) -> None:
    due = ["\t".join(header)]
    async for message in messages:
        due.append("\t".join(map(visible, row(message))))
        print("\n".join(due))
        due.clear()
    if due:
        print(due[0])


def _table(header: Row, rows: Sequence[Row]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        # As text: rich would take what stands in brackets for markup.
        table.add_row(*(Text(visible(cell)) for cell in row))
    Console().print(table)
