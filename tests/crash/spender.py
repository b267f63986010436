"""A service that spends, whatever becomes of the servers."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration

from chenu.api.governance.v1 import action_pb2
from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from tests.crash.site import Callers, outcome_of

AMOUNT: Final = 1_000
SPENT: Final = 300
TTL_S: Final = 600


class Service:
    """Who spends, under one id."""

    def __init__(self, *, gated: bool = False, ttl_s: int = TTL_S) -> None:
        self.request = bb.ReserveRequest(
            request_id=str(uuid4()),
            amount_nanousd=AMOUNT,
            target=action_pb2.Target(operation="sms.send"),
            intents=[action_pb2.INTENT_PAYMENT] if gated else [],
            ttl=Duration(seconds=ttl_s),
        )

    async def reserve(self, at: Callers) -> str:
        """Hold the money."""
        budgets = at.backend.budgets
        return (await outcome_of(at.backend.call(budgets.Reserve, self.request)))[1]

    async def post(self, at: Callers) -> str:
        """Say what was spent."""
        asked = bb.PostRequest(request_id=self.request.request_id, amount_nanousd=SPENT)
        return (await outcome_of(at.backend.call(at.backend.budgets.Post, asked)))[1]

    async def void(self, at: Callers) -> str:
        """Say that nothing was."""
        asked = bb.VoidRequest(request_id=self.request.request_id)
        return (await outcome_of(at.backend.call(at.backend.budgets.Void, asked)))[1]

    async def approve(self, at: Callers) -> None:
        """A person says yes to what waits."""
        found = await at.backend.fail(at.backend.budgets.Reserve, self.request)
        asked = cb.ResolveCheckpointRequest(
            checkpoint_id=found.metadata["checkpoint_id"],
            decision_id=str(uuid4()),
            decision=cb.CHECKPOINT_DECISION_APPROVE,
        )
        await at.person.call(at.person.checkpoints.ResolveCheckpoint, asked)
