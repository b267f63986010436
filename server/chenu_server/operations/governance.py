"""The pipeline's `Governance` and the checkpoints' one, on the writer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import cast

from chenu_server.caller import Principal
from chenu_server.command import Writer
from chenu_server.errors import ChenuError
from chenu_server.governance.checkpoints.model import (
    AllResolved,
    Checkpoint,
    NoneResolved,
    Resolution,
    ResolveAnswer,
)
from chenu_server.governance.limits.commands import Dispatched, HeldBack, LetGo, NoSlot, Readmitted
from chenu_server.governance.limits.model import Slot
from chenu_server.operations.ask import Admit, Consume, Validate
from chenu_server.operations.rules import Rules
from chenu_server.operations.run import Retry, Settle
from chenu_server.operations.wait import Cancel, Resolve, ResolveAll
from chenu_server.pipeline.ports import (
    Admission,
    Admitted,
    Attached,
    Blocked,
    Closed,
    Conflict,
    FilesGone,
    Full,
    Known,
    NextAttempt,
    NotHeld,
    NotResumable,
    Resumption,
    Settlement,
    TooDear,
    Validation,
    Wait,
)
from chenu_server.pipeline.records import Operation
from chenu_server.values import replace


class WriterGovernance:
    """Each decision is one command to the one writer."""

    def __init__(self, writer: Writer, rules: Rules) -> None:
        self._writer = writer
        self._rules = rules

    def use(self, rules: Rules) -> None:
        """Decide by these from now on; a command that is under way goes on with its own."""
        self._rules = rules

    @property
    def rules(self) -> Rules:
        """What is decided by now."""
        return self._rules

    async def admit(
        self, admission: Admission, *, take_slot: bool
    ) -> Admitted | Blocked | Closed | Wait | Known | Attached | Full | FilesGone | Conflict:
        """See `pipeline.ports.Governance`."""
        answer = await self._writer.submit(Admit(admission, self._rules, take_slot=take_slot))
        return cast(
            "Admitted | Blocked | Closed | Wait | Known | Attached | Full | FilesGone | Conflict",
            answer,
        )

    async def validate(self, admission: Admission) -> Validation:
        """See `pipeline.ports.Governance`."""
        return cast(Validation, await self._writer.submit(Validate(admission, self._rules)))

    async def retry(self, following: NextAttempt) -> Admitted | TooDear | NotHeld | Wait:
        """See `pipeline.ports.Governance`."""
        answer = await self._writer.submit(Retry(following, self._rules))
        return cast("Admitted | TooDear | NotHeld | Wait", answer)

    async def consume(
        self, resumption: Resumption, *, take_slot: bool
    ) -> Admitted | Closed | NotResumable | Wait:
        """See `pipeline.ports.Governance`."""
        command = Consume(resumption, self._rules, take_slot=take_slot)
        answer = await self._writer.submit(command)
        return cast("Admitted | Closed | NotResumable | Wait", answer)

    async def settle(self, settlement: Settlement) -> Operation:
        """See `pipeline.ports.Governance`."""
        return cast(Operation, await self._writer.submit(Settle(settlement, self._rules)))

    async def cancel(self, query: Operation, by: Principal, reason: str) -> Operation:
        """See `pipeline.ports.Governance`."""
        command = Cancel(query.identity_id, query.request_id, query.checkpoint_id, by, reason)
        return cast(Operation, await self._writer.submit(command))

    async def withdraw(self, checkpoint: Checkpoint, by: Principal, reason: str) -> None:
        """End what waits and runs nowhere, and its checkpoint with it; else it is left as it is."""
        await self._writer.submit(
            Cancel(
                checkpoint.identity_id, checkpoint.request_id, checkpoint.checkpoint_id, by, reason
            )
        )

    async def resolve(self, checkpoint: Checkpoint, asked: Resolution) -> ResolveAnswer:
        """See `governance.checkpoints.ports.Resolver`."""
        command = Resolve(
            checkpoint.identity_id,
            checkpoint.request_id,
            checkpoint.checkpoint_id,
            asked,
            self._rules,
        )
        return cast(ResolveAnswer, await self._writer.submit(command))

    def needs_another(self, checkpoint: Checkpoint) -> bool:
        """See `governance.checkpoints.ports.Resolver`."""
        return not self._rules.four_eyes.isdisjoint(checkpoint.types)

    async def resolve_all(
        self, decisions: Sequence[tuple[Checkpoint, Resolution]]
    ) -> AllResolved | NoneResolved:
        """See `governance.checkpoints.ports.Resolver`."""
        answer = await self._writer.submit(ResolveAll(decisions, self._rules))
        return cast("AllResolved | NoneResolved", answer)

    def dispatched(self, admitted: Admitted, mono_ns: int) -> None:
        """See `pipeline.ports.Governance`."""
        limit = self._rules.limit_of(admitted.attempt.provider)
        with suppress(ChenuError):  # without the note the slot is free a second later
            # It rides ahead of the next batch: a slot that is free a second sooner is worth no
            # commit of its own.
            self._writer.note(Dispatched(self._slot(admitted), limit, mono_ns))

    async def hold_back(self, provider: str, told_ns: int, wait_ms: int) -> None:
        """See `pipeline.ports.Governance`."""
        command = HeldBack(self._rules.ledger_number, provider, told_ns, wait_ms * 1_000)
        with suppress(ChenuError):  # while nothing can be recorded, nothing can be admitted either
            await self._writer.submit(command)

    async def let_go(self, provider: str) -> None:
        """
        Nothing holds the provider back any more: it is called in another way.

        Raises:
            GovernanceUnavailable, ServerOverloaded: It cannot be recorded now.
        """
        await self._writer.submit(LetGo(self._rules.ledger_number, provider))

    async def readmit(self, admitted: Admitted) -> Admitted | Wait:
        """See `pipeline.ports.Governance`."""
        provider = admitted.attempt.provider
        limit = self._rules.limit_of(provider)
        slot = await self._writer.submit(Readmitted(self._slot(admitted), limit))
        if isinstance(slot, NoSlot):
            return Wait(free_times_us=slot.free_times_us)
        taken = cast(Slot, slot)
        # The note of its dispatch has to lower this slot, and not the one that it had lost.
        attempt = replace(admitted.attempt, slot=taken.slot)
        return replace(admitted, attempt=attempt, slot_free_at_us=taken.free_at_us)

    def _slot(self, admitted: Admitted) -> Slot:
        return Slot(
            ledger_number=self._rules.ledger_number,
            provider=admitted.attempt.provider,
            slot=admitted.attempt.slot,
            free_at_us=admitted.slot_free_at_us,
        )
