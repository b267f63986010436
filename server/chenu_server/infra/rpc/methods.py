"""What the contract says of each rpc: who may call it, which limit counts it, what it takes.

Read from the descriptors at start, so that the contract and the checks cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeAlias

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from chenu.api.annotations.v1 import access_pb2 as pb
from chenu_server.infra.rpc.media import Media, media_in
from chenu_server.infra.rpc.repeated import Lists, lists_in
from chenu_server.values import dataclass
from chenu_server.vocabulary import PrincipalType, Role

Decode = Callable[[bytes], Message]
RpcHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic in its stub alone


class Registrar(Protocol):
    """Takes the handlers of services, as a server does."""

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, RpcHandler]
    ) -> None:
        """Serve the rpcs of a service, by their bare names."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a caller needs besides a verified token and an identity that it holds.

    In the identity `system`, `system_role` takes the place of `role`; `system_only` rpcs are
    served there and nowhere else. `new_work` is counted by its own limit, not as a call.
    """

    role: Role
    system_role: Role
    principal_type: PrincipalType | None
    system_only: bool
    new_work: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One rpc as the layers see it. `access` is None for open to anyone.

    `media` is None where a request has no parts, `lists` where it has no lists.
    """

    name: str
    request_name: str
    access: Access | None
    media: Media | None = None
    lists: Lists | None = None
    decode: Decode | None = None
    request_streaming: bool = False
    response_streaming: bool = False


def governed(services: Iterable[ServiceDescriptor]) -> dict[str, Method]:
    """The rpcs of these services by wire name, each with its `access` option.

    Raises:
        ValueError: An rpc has none, or an incomplete one; it would be open to anyone.
    """
    return {
        name: Method(
            name=name,
            request_name=rpc.input_type.name,
            access=_access_of(rpc),
            media=media_in(rpc.input_type),
            lists=lists_in(rpc.input_type) or None,
        )
        for name, rpc in _named(services)
    }


def open_to_anyone(services: Iterable[ServiceDescriptor]) -> dict[str, Method]:
    """The rpcs of these services by wire name, callable without a token."""
    return {
        name: Method(name=name, request_name=rpc.input_type.name, access=None)
        for name, rpc in _named(services)
    }


def _named(services: Iterable[ServiceDescriptor]) -> Iterator[tuple[str, MethodDescriptor]]:
    for service in services:
        for rpc in service.methods:
            yield f"/{service.full_name}/{rpc.name}", rpc


def _access_of(rpc: MethodDescriptor) -> Access:
    options: Any = rpc.GetOptions()
    access: pb.Access = options.Extensions[pb.access]
    if access.role == pb.ROLE_UNSPECIFIED or access.work == pb.WORK_UNSPECIFIED:
        raise ValueError(f"{rpc.full_name} has no complete `access` option")
    role = Role(_word(pb.Role.Name(access.role), "ROLE_"))
    # Where none is named, `system` is an identity like any other.
    special = access.system_role != pb.ROLE_UNSPECIFIED
    kind = access.principal_type
    return Access(
        role=role,
        system_role=Role(_word(pb.Role.Name(access.system_role), "ROLE_")) if special else role,
        principal_type=PrincipalType(_word(pb.PrincipalType.Name(kind), "PRINCIPAL_TYPE_"))
        if kind
        else None,
        system_only=access.system,
        new_work=access.work == pb.WORK_NEW,
    )


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
