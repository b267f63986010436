"""The contract's wire names: `delete` is INTENT_DELETE, `lane.start` EVENT_TYPE_LANE_START."""

from __future__ import annotations

from typing import Protocol, TypeVar

from google.protobuf.descriptor import EnumDescriptor

from chenu.api.governance.v1 import action_pb2
from chenu.api.pipeline.v1 import event_pb2, message_pb2

ZERO = "UNSPECIFIED"

V_co = TypeVar("V_co", bound=int, covariant=True)


class WireEnum(Protocol[V_co]):
    """A generated enum, such as `action_pb2.Intent`."""

    @property
    def DESCRIPTOR(self) -> EnumDescriptor:  # noqa: N802 - the generated name
        """What the contract says of it."""
        ...

    def Value(self, name: str) -> V_co:  # noqa: N802 - the generated name
        """The value with the contract's full name."""
        ...


def name_of(enum: WireEnum[int], value: int) -> str:
    """
    A value's wire name; empty for zero.

    A number that this version does not know is shown as it is, so that a reader survives a newer
    server.
    """
    if value == 0:
        return ""
    known = enum.DESCRIPTOR.values_by_number.get(value)
    return str(value) if known is None else _short(enum.DESCRIPTOR, known.name)


def names(enum: WireEnum[int]) -> tuple[str, ...]:
    """All wire names in the order of the enum, without zero."""
    values = enum.DESCRIPTOR.values
    return tuple(_short(enum.DESCRIPTOR, value.name) for value in values if value.number)


def value_of(enum: WireEnum[V_co], name: str) -> V_co:
    """
    The value with this wire name.

    Raises:
        ValueError: There is none; the message lists those that there are.
    """
    for value in enum.DESCRIPTOR.values:
        if value.number and _short(enum.DESCRIPTOR, value.name) == name:
            return enum.Value(value.name)
    raise ValueError(f"{name!r} is not one of {', '.join(names(enum))}")


def _short(enum: EnumDescriptor, name: str) -> str:
    # A lane's name begins with `lane_` on the wire, too.
    if enum is message_pb2.Lane.DESCRIPTOR:
        return name.lower()
    short = name.removeprefix(enum.values_by_number[0].name.removesuffix(ZERO)).lower()
    # What happens, and what a decision is about, is told as noun.verb.
    if enum in (event_pb2.EventType.DESCRIPTOR, action_pb2.OperationKind.DESCRIPTOR):
        noun, _, verb = short.rpartition("_")
        return f"{noun}.{verb}" if noun else verb
    return short
