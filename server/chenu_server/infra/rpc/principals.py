"""Principals on the wire: a type and an id, from the one spelling that everything else has."""

from __future__ import annotations

from typing import Final

from chenu.api.annotations.v1 import access_pb2
from chenu.api.governance.v1 import principal_pb2
from chenu_server.caller import Principal
from chenu_server.vocabulary import PrincipalType

_TYPES: Final = {
    kind.value: access_pb2.PrincipalType.Value(f"PRINCIPAL_TYPE_{kind.name}")
    for kind in PrincipalType
}


def principal_of(principal: Principal) -> principal_pb2.Principal:
    """Who it is."""
    return principal_pb2.Principal(type=_TYPES[principal.type], id=principal.id)


def noted_principal(kind: str, name: str) -> principal_pb2.Principal:
    """Who stands in the ledger; a damaged entry may hold any type, which is told as unspecified."""
    unknown = access_pb2.PRINCIPAL_TYPE_UNSPECIFIED
    return principal_pb2.Principal(type=_TYPES.get(kind, unknown), id=name)


def spelt_principal(text: str) -> principal_pb2.Principal | None:
    """Who a `type:id` is; nobody if it is empty."""
    return principal_of(Principal.spelt(text)) if text else None
