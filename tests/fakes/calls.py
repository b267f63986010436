"""A call as the interceptors leave it, for a servicer that is called directly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from chenu_server.caller import Caller, Principal
from chenu_server.infra.rpc.context import CALL, Call
from chenu_server.vocabulary import PrincipalType, Role

NO_CONTEXT = cast(Any, None)
"""For servicers that never touch gRPC's own context."""


def caller(identity_id: str, *roles: Role) -> Caller:
    """Carol, with these roles."""
    return Caller(
        principal=Principal(type=PrincipalType.USER, id="carol"),
        identity_id=identity_id,
        roles=frozenset(roles),
    )


@contextmanager
def calling(identity_id: str, *roles: Role) -> Iterator[Caller]:
    """Inside, Carol calls in this identity with these roles."""
    who = caller(identity_id, *roles)
    call = Call(method="m", peer="p", headers={}, started_ns=0, deadline_ns=None, caller=who)
    token = CALL.set(call)
    try:
        yield who
    finally:
        CALL.reset(token)
