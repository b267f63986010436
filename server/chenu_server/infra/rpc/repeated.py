"""How many items a request may hold over all its lists, so that none of any number is walked.

Read from the descriptors. An item of two bytes costs microseconds wherever it is looked at, and a
request is looked at several times before anyone counts what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from chenu_server.errors import InvalidField

# The contract allows 200 messages, 1,024 parts, 128 tools and 64 items of context, and a few words.
ITEMS_MAX: Final = 2_048
# A request of so many bytes cannot hold more: each item has a tag and a length.
BYTES_OF_FEW: Final = 2 * ITEMS_MAX

# Items that have a tag and a length each; numbers stand packed, without them.
_WITH_LENGTH: Final = frozenset({FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_STRING})


class Lists:
    """Where a message holds lists: names of fields, of lists their paths, and what is inside."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Sequence[tuple[str, str, Lists | None]]) -> None:
        self._fields = tuple(fields)

    def __bool__(self) -> bool:
        return bool(self._fields)

    def refuse_many(self, message: Message) -> None:
        """
        Refuse more items than `ITEMS_MAX`, without looking at more than so many.

        Raises:
            InvalidField: There are; names the list at which they became too many.
        """
        self._left(message, ITEMS_MAX)

    def _left(self, message: Any, left: int) -> int:
        for name, list_path, inside in self._fields:
            if list_path:
                values = getattr(message, name)
                # By its length alone: of a list that is too long no item is looked at.
                left -= len(values)
                if left < 0:
                    raise InvalidField(list_path, "holds more than any request may")
                if inside is not None:
                    for each in values:
                        left = inside._left(each, left)
            elif inside is not None and message.HasField(name):
                left = inside._left(getattr(message, name), left)
        return left


def lists_in(message: Descriptor, path: str = "", above: frozenset[str] = frozenset()) -> Lists:
    """Where a message holds lists. `above` are the messages that it stands in, by its `path`."""
    around = above | {message.full_name}
    fields: list[tuple[str, str, Lists | None]] = []
    for field in message.fields:
        kind, at = field.message_type, f"{path}{field.name}"
        is_map = kind is not None and kind.GetOptions().map_entry
        inside = None
        # A message may hold its own kind, and the walk must end; a map's entries are bounded where
        # they are read.
        if kind is not None and not is_map and kind.full_name not in around:
            inside = lists_in(kind, f"{at}.", around)
        is_list = field.is_repeated and not is_map and field.type in _WITH_LENGTH
        if is_list or inside:
            fields.append((field.name, at if is_list else "", inside or None))
    return Lists(fields)
