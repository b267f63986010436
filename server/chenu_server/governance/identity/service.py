"""Who calls, and what happens to what reaches over an identity's boundary."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, NoReturn

from chenu_server.caller import SYSTEM_IDENTITY, Caller
from chenu_server.command import Writer
from chenu_server.errors import IdentityBoundaryViolation, Retryable
from chenu_server.governance.identity.commands import RecordViolation
from chenu_server.governance.identity.model import Issuer, VerifiedToken, Violation
from chenu_server.governance.identity.ports import Arrivals, ViolationFilter, ViolationStore
from chenu_server.governance.identity.tokens import verify
from chenu_server.ids import new_id
from chenu_server.steady import wall_us
from chenu_server.vocabulary import ViolationType

VERDICT_US: Final = 60_000_000


class TokenService:
    """A `TokenVerifier` that keeps what verified for at most a minute.

    Only what verified is kept, by the token's SHA-256, so that neither tokens nor what a stranger
    sends stay in memory. The oldest of `verdicts_max` verdicts makes room for the newest.
    """

    def __init__(
        self,
        issuers: Iterable[Issuer],
        *,
        verdicts_max: int = 10_000,
        now_us: Callable[[], int] = wall_us,
    ) -> None:
        self._issuers = {issuer.name: issuer for issuer in issuers}
        self._verdicts: dict[bytes, tuple[int, VerifiedToken]] = {}
        self._verdicts_max = verdicts_max
        self._now_us = now_us

    def verify(self, token: str) -> VerifiedToken:
        """What the token says.

        Raises:
            TokenInvalid: It does not verify.
            TokenExpired: It did, but its time is over.
        """
        now_us = self._now_us()
        # The whole token and not its claims: by anything less, a forged signature would find the
        # verdict of the true one.
        digest = hashlib.sha256(token.encode("utf-8", errors="replace")).digest()
        until_us, verdict = self._verdicts.get(digest, (0, None))
        if verdict is not None and now_us < until_us:
            return verdict
        # Taken out, so that it goes in at the end again: the first of the dictionary has to be the
        # oldest.
        self._verdicts.pop(digest, None)
        verdict = verify(token, self._issuers, now_us)
        # One leaves for one that comes: to clear all at once would make every caller's next token
        # be verified anew in one moment.
        if len(self._verdicts) >= self._verdicts_max:
            del self._verdicts[next(iter(self._verdicts))]
        self._verdicts[digest] = (min(verdict.expires_us, now_us + VERDICT_US), verdict)
        return verdict


class BoundaryService:
    """A `Boundary` that answers only after the violation is in the ledger. Cannot be off."""

    def __init__(
        self,
        writer: Writer,
        *,
        ledger_number: int,
        arrivals: Arrivals,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        """`arrivals` counts violations as new work."""
        self._writer = writer
        self._ledger_number = ledger_number
        self._arrivals = arrivals
        self._make_id = make_id

    async def refuse(
        self,
        caller: Caller,
        *,
        kind: str,
        id: str,
        type: ViolationType = ViolationType.CROSS_IDENTITY_ACCESS,
    ) -> NoReturn:
        """Record the violation, then refuse the call.

        Raises:
            IdentityBoundaryViolation: It is recorded.
            GovernanceUnavailable: It could not be.
        """
        with suppress(Retryable):  # counted; recorded and answered all the same
            token = self._arrivals.arrive(caller.identity_id)
            await self._arrivals.counting(caller.identity_id, token)
        command = RecordViolation(
            violation_id=self._make_id(),
            ledger_number=self._ledger_number,
            caller=caller,
            type=type,
            target_kind=kind,
            target_id=id,
        )
        violation: Violation = await self._writer.submit(command)
        raise IdentityBoundaryViolation(violation.violation_id)


class ViolationService:
    """Recorded violations, for auditors."""

    def __init__(self, store: ViolationStore) -> None:
        self._store = store

    async def page(
        self, caller: Caller, *, before: tuple[int, str] | None, count: int
    ) -> Sequence[Violation]:
        """Those that came from the caller's identity, newest first; in `system`, all."""
        everywhere = caller.identity_id == SYSTEM_IDENTITY
        source = None if everywhere else caller.identity_id
        return await self._store.page(
            ViolationFilter(source_identity=source, before=before, count=count)
        )
