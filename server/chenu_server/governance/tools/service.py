"""Proposed tool calls as backends use them: see one, take it, redeem its release."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from chenu_server.caller import Caller
from chenu_server.errors import GovernanceUnavailable, ReleaseUnavailable
from chenu_server.governance.tools.model import Standing
from chenu_server.governance.tools.ports import Boundary, Gate, ToolCallReader
from chenu_server.governance.tools.release_keys import ReleaseKeys
from chenu_server.governance.tools.release_token import ReleaseClaims
from chenu_server.values import dataclass

KIND: Final = "tool_call"
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Taken:
    """A call that may be executed, with exactly these arguments."""

    standing: Standing
    arguments: str
    release: str


class ToolCallService:
    """Who asked the query takes its calls; whoever executes one redeems it."""

    def __init__(
        self,
        reader: ToolCallReader,
        gate: Gate,
        boundary: Boundary,
        keys: ReleaseKeys | None,
        issuer: str,
    ) -> None:
        self._reader = reader
        self._gate = gate
        self._boundary = boundary
        self._keys = keys
        self.issuer: Final = issuer

    @property
    def keys(self) -> ReleaseKeys:
        """
        What releases are signed with.

        Raises:
            ReleaseUnavailable: This server has no key.
        """
        if self._keys is None:
            raise ReleaseUnavailable
        return self._keys

    async def get(self, caller: Caller, call_id: str) -> Standing:
        """
        One call of the caller's identity.

        Raises:
            IdentityBoundaryViolation: There is none, here or anywhere.
        """
        found = await self._reader.get(caller.identity_id, call_id)
        if found is None:
            await self._boundary.refuse(caller, kind=KIND, id=call_id)
        assert found is not None
        return found

    async def take(self, caller: Caller, call_id: str) -> Taken:
        """
        The call's arguments and its release; until that expires, the same bytes each time.

        Raises:
            ReleaseUnavailable: This server has no key to sign it with.
            IdentityBoundaryViolation: The caller's identity has no such call.
            ChenuError: As `Gate.take`.
        """
        # Before anything is used up: an approval without a release would be lost.
        keys = self.keys
        found = await self.get(caller, call_id)
        arguments = await self._reader.arguments(caller.identity_id, call_id)
        if arguments is None and found.refusal is not None:
            raise found.refusal  # of what a policy refused nothing was kept
        if arguments is None:
            raise GovernanceUnavailable
        taken = await self._gate.take(caller, found, arguments, keys.signing_kid)
        claims = _claims(taken, arguments, self.issuer)
        # By the key of the first take: signed by a newer one the bytes would differ, and one call
        # would have two releases.
        return Taken(taken, arguments, keys.sign(claims, taken.call.key_id))

    async def redeem(self, caller: Caller, call_id: str, identity_id: str) -> Standing:
        """
        Use up a release that was found good; its call and identity are those of its claims.

        Raises:
            IdentityBoundaryViolation: It is of another identity.
            ChenuError: As `Gate.redeem`.
        """
        if identity_id != caller.identity_id:
            await self._boundary.refuse(caller, kind=KIND, id=call_id)
        found = await self.get(caller, call_id)
        arguments = await self._reader.arguments(caller.identity_id, call_id)
        if arguments is None:
            raise GovernanceUnavailable
        return await self._gate.redeem(caller, found, arguments)


def _claims(taken: Standing, arguments: str, issuer: str) -> ReleaseClaims:
    call = taken.call
    return ReleaseClaims(
        issuer=issuer,
        audience=call.audience,
        call_id=call.call_id,
        principal=taken.principal,
        acting_for=taken.acting_for,
        identity_id=call.identity_id,
        tool=call.tool,
        effect=call.effect,
        basis=taken.basis,
        schema_sha256=call.schema_sha256,
        arguments_sha256=sha256(arguments.encode()).digest(),
        action_digest=taken.action_digest,
        issued_s=call.taken_us // _SECOND_US,
        expires_s=call.expires_us // _SECOND_US,
    )
