"""Layer 5: the identity that the call acts in, and whether its role allows this rpc."""

from __future__ import annotations

from typing import Any

from chenu_server.caller import SYSTEM_IDENTITY, Caller
from chenu_server.engine import CallBuckets, choose_identity, monotonic_ns, role_allowed
from chenu_server.errors import RateLimited, RoleRequired
from chenu_server.governance.identity.model import VerifiedToken
from chenu_server.governance.identity.ports import Boundary
from chenu_server.infra.rpc.context import CALL, Call
from chenu_server.infra.rpc.interceptors.chain import Context, Handler
from chenu_server.infra.rpc.interceptors.request_context import IDENTITY
from chenu_server.infra.rpc.methods import Access, Method
from chenu_server.vocabulary import Role, ViolationType

_NO_ROLES: frozenset[Role] = frozenset()


class Identity:
    """Chooses the identity, records what names none that the token holds, checks the role."""

    def __init__(self, boundary: Boundary, buckets: CallBuckets) -> None:
        """`buckets` bounds what one principal can make the ledger record of refused identities."""
        self._boundary = boundary
        self._buckets = buckets

    def around(self, method: Method, proceed: Handler) -> Handler:
        """Give the call its caller."""
        access = method.access
        if access is None:
            return proceed

        async def identified(request: Any, context: Context) -> Any:
            call = CALL.get()
            token = call.token
            if token is None:
                raise LookupError("authentication must come before identity")
            named = call.headers.get(IDENTITY)
            verdict = choose_identity(list(token.identities), named)
            if verdict.identity is None:
                await self._refuse(call, token, named, ViolationType(verdict.violation or ""))
            else:
                roles = token.identities[verdict.identity]
                # Before the role is checked: the line of a call that is refused for it names who
                # called.
                call.caller = _caller(call, token, verdict.identity, roles)
                check_access(access, call.caller)
            return await proceed(request, context)

        return identified

    async def _refuse(
        self, call: Call, token: VerifiedToken, named: str | None, kind: ViolationType
    ) -> None:
        # By the principal, for there is no identity to count it by: each refusal costs a commit,
        # and one valid token would be enough to fill the ledger.
        wait_us = self._buckets.take(str(token.principal), monotonic_ns() // 1_000)
        if wait_us:
            raise RateLimited(wait_us, "calls")
        # Of several identities none can be picked to answer for it: the entry is the system's then.
        source = token.source_identity or SYSTEM_IDENTITY
        caller = _caller(call, token, source, _NO_ROLES)
        await self._boundary.refuse(caller, kind="identity", id=named or "", type=kind)


def check_access(access: Access, caller: Caller) -> None:
    """Refuse a caller that lacks the role, or is not of the type, that an rpc needs.

    Raises:
        RoleRequired: It does; the error says what is needed.
    """
    in_system = caller.identity_id == SYSTEM_IDENTITY
    # Also where such an rpc is asked for elsewhere: the refusal names the role that would do.
    role = access.system_role if in_system or access.system_only else access.role
    wanted = access.principal_type
    if (
        (access.system_only and not in_system)
        or (wanted is not None and caller.principal.type is not wanted)
        or not role_allowed(role.value, list(caller.roles))
    ):
        raise RoleRequired(role.value, wanted.value if wanted is not None else "")


def _caller(call: Call, token: VerifiedToken, identity_id: str, roles: frozenset[Role]) -> Caller:
    return Caller(
        principal=token.principal,
        identity_id=identity_id,
        roles=roles,
        acting_for=token.acting_for,
        methods=token.methods,
        client=token.client,
        method=call.method,
        peer=call.peer,
    )
