"""Wire to model and back, for identities and violations."""

from __future__ import annotations

from typing import Final

from google.protobuf import timestamp_pb2

from chenu.api.annotations.v1 import access_pb2
from chenu.api.governance.v1 import identity_service_pb2 as pb
from chenu_server.caller import Caller, Principal
from chenu_server.governance.identity.model import VerifiedToken, Violation
from chenu_server.infra.rpc.principals import principal_of
from chenu_server.vocabulary import Role, ViolationType

_ROLES: Final = {role: access_pb2.Role.Value(f"ROLE_{role.name}") for role in Role}
_VIOLATION_TYPES: Final = {
    kind: pb.ViolationType.Value(f"VIOLATION_TYPE_{kind.name}") for kind in ViolationType
}


def who_of(caller: Caller, token: VerifiedToken) -> pb.WhoAmIResponse:
    """What the server read from a token."""
    return pb.WhoAmIResponse(
        principal=principal_of(token.principal),
        acting_for=token.acting_for,
        identities=[
            pb.HeldIdentity(identity_id=identity, roles=sorted(_ROLES[role] for role in roles))
            for identity, roles in sorted(token.identities.items())
        ],
        identity_id=caller.identity_id,
        expire_time=_time_of(token.expires_us),
    )


def violation_of(violation: Violation) -> pb.Violation:
    """A violation as the wire shows it."""
    return pb.Violation(
        violation_id=violation.violation_id,
        type=_VIOLATION_TYPES[violation.type],
        identity_id=violation.source_identity,
        principal=principal_of(Principal(type=violation.principal_type, id=violation.principal_id)),
        target_kind=violation.target_kind,
        target_id=violation.target_id,
        method=violation.method,
        time=_time_of(violation.time_us),
        peer=violation.peer,
    )


def _time_of(time_us: int) -> timestamp_pb2.Timestamp:
    time = timestamp_pb2.Timestamp()
    time.FromMicroseconds(time_us)
    return time
