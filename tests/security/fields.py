"""Every field of every request, found by walking the contract, and requests that set just one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tests.service.cases import EVERY_RPC, valid_request

Path = tuple[str, ...]
_TEXT: Final = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
_CHOICE: Final = (FieldDescriptor.TYPE_ENUM,)


@dataclass(frozen=True)
class Place:
    """One field of one rpc's request, at whatever depth."""

    rpc: str
    path: Path

    @property
    def name(self) -> str:
        """Short enough for a test's id."""
        return f"{self.rpc.rpartition('/')[2]}.{'.'.join(self.path)}"

    def request(self, value: Any) -> Message:
        """A request of this rpc with this field set, and all else right."""
        whole = valid_request(self.rpc)
        request = type(whole)()
        request.CopyFrom(whole)
        holder: Any = request
        for name in self.path[:-1]:
            below = getattr(holder, name)
            if isinstance(below, MutableMapping):
                below.update({value: "v"} if self.path[-1] == "key" else {"k": value})
                return request
            holder = below.add() if hasattr(below, "add") else below
        field = holder.DESCRIPTOR.fields_by_name[self.path[-1]]
        chosen = value.encode() if field.type == FieldDescriptor.TYPE_BYTES else value
        if field.is_repeated:
            getattr(holder, field.name).append(chosen)
        else:
            setattr(holder, field.name, chosen)
        return request


def places(wanted: Callable[[FieldDescriptor], bool]) -> list[Place]:
    """The fields of all requests that are wanted."""
    return [
        Place(rpc, path)
        for rpc in EVERY_RPC
        for path in _paths(valid_request(rpc).DESCRIPTOR, wanted)
    ]


def is_text(field: FieldDescriptor) -> bool:
    """Whether a caller can write anything into it."""
    return field.type in _TEXT


def is_string(field: FieldDescriptor) -> bool:
    """Whether it is text and not just bytes."""
    return field.type == FieldDescriptor.TYPE_STRING


def is_choice(field: FieldDescriptor) -> bool:
    """Whether it is an enum."""
    return field.type in _CHOICE


def is_number(field: FieldDescriptor) -> bool:
    """Whether it is a signed integer."""
    return field.type in (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64)


def extremes(place: Place) -> tuple[int, int]:
    """The least and the largest number that fit in a field."""
    descriptor: Any = valid_request(place.rpc).DESCRIPTOR
    for name in place.path[:-1]:
        descriptor = descriptor.fields_by_name[name].message_type
    wide = descriptor.fields_by_name[place.path[-1]].type == FieldDescriptor.TYPE_INT64
    return (-sys.maxsize - 1, sys.maxsize) if wide else (-(2**31), 2**31 - 1)


def _paths(descriptor: Any, wanted: Callable[[FieldDescriptor], bool]) -> Iterator[Path]:
    for field in descriptor.fields:
        if field.message_type is not None:
            for path in _paths(field.message_type, wanted):
                yield (field.name, *path)
        elif wanted(field):
            yield (field.name,)
