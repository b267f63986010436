"""Wire to model and back, for proposed tool calls."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Final

from chenu.api.pipeline.v1 import conversation_pb2, tool_call_pb2
from chenu.api.pipeline.v1 import tool_call_service_pb2 as pb
from chenu.release import ReleaseError, ReleaseProblem, verify_release
from chenu.release import ReleaseKeys as PublicKeys
from chenu_server.errors import InvalidField, ReleaseExpired, ReleaseInvalid
from chenu_server.governance.tools.model import Standing
from chenu_server.governance.tools.release_keys import ReleaseKeys
from chenu_server.governance.tools.release_token import TOKEN_MAX
from chenu_server.infra.rpc.fields import name
from chenu_server.infra.rpc.principals import principal_of
from chenu_server.infra.rpc.times import timestamp_of

AUDIENCE_MAX: Final = 256


def record_of(standing: Standing) -> tool_call_pb2.ToolCallRecord:
    """A call as the wire shows it: without its arguments."""
    call, refusal = standing.call, standing.refusal
    return tool_call_pb2.ToolCallRecord(
        call_id=call.call_id,
        request_id=call.query_id,
        identity_id=call.identity_id,
        principal=principal_of(standing.principal),
        part=call.part,
        tool=call.tool,
        effect=conversation_pb2.ToolEffect.ValueType(call.effect.number),
        audience=call.audience,
        state=tool_call_pb2.ToolCallState.ValueType(standing.state.number),
        checkpoint_id=standing.checkpoint_id,
        action_digest=standing.action_digest,
        reason=refusal.reason.value if refusal else "",
        create_time=timestamp_of(standing.created_us),
        update_time=timestamp_of(max(standing.updated_us, call.taken_us, call.redeemed_us)),
        take_time=timestamp_of(call.taken_us) if call.taken_us else None,
        release_expire_time=timestamp_of(call.expires_us) if call.expires_us else None,
        redeem_time=timestamp_of(call.redeemed_us) if call.redeemed_us else None,
    )


def redemption_of(standing: Standing) -> pb.RedeemReleaseResponse:
    """What an executor is told."""
    call = standing.call
    return pb.RedeemReleaseResponse(
        call_id=call.call_id,
        principal=principal_of(standing.principal),
        acting_for=standing.acting_for,
        effect=conversation_pb2.ToolEffect.ValueType(call.effect.number),
        basis=tool_call_pb2.ReleaseBasis.ValueType(standing.basis.number),
    )


def keys_of(keys: ReleaseKeys, issuer: str) -> pb.GetReleaseKeysResponse:
    """What releases are verified with."""
    return pb.GetReleaseKeysResponse(
        issuer=issuer,
        keys=[pb.ReleaseKey(kid=kid, public_key=key) for kid, key in keys.public_keys().items()],
        jwks_json=json.dumps(keys.jwks()),
    )


class _Unclaimed:
    """Claims nothing: what is used up is a row, and the kernel's to write."""

    def claim(self, call_id: str, expires_s: int) -> bool:
        return True


def claims_from(
    request: pb.RedeemReleaseRequest, keys: ReleaseKeys, issuer: str, now_us: Callable[[], int]
) -> tuple[str, str]:
    """
    The call and the identity of a release that is good for what stands beside it.

    Raises:
        InvalidField: A field is missing or too long.
        ReleaseInvalid, ReleaseExpired: It is good for nothing, or for something else.
    """
    if not request.release:
        raise InvalidField("release", "is empty")
    release = name(request.release, "release", TOKEN_MAX)
    try:
        found = verify_release(
            release,
            request.arguments_json.encode(),
            tool=name(request.tool, "tool"),
            audience=name(request.audience, "audience", AUDIENCE_MAX),
            issuer=issuer,
            keys=PublicKeys.read(json.dumps(keys.jwks())),
            store=_Unclaimed(),
            # The batches' time, by which it was issued: this process's may be behind it.
            clock=lambda: now_us() / 1e6,
        )
    except ReleaseError as error:
        if error.problem is ReleaseProblem.EXPIRED:
            raise ReleaseExpired(_signed_id(release)) from None
        raise ReleaseInvalid(error.problem.value) from None
    return found.call_id, found.identity_id


def _signed_id(release: str) -> str:
    """The call of a release whose signature holds; only then is it anybody's word."""
    payload = release.split(".")[1]
    claims: dict[str, str] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims["jti"]
