"""What the golden flow's people do, each in one step."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.engine import ExportVerifier
from tests.harness import Client, Failure, Stage


class Flow:
    """A backend service, its approver, a stranger, and the system's auditor."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.service = stage.client("acme")
        self.ann = stage.person("acme", name="ann")
        self.stranger = stage.person("globex", name="gil")
        self.olga = stage.operator()

    async def ask(self, text: str, **fields: Any) -> tuple[str, pb.QueryResponse | Failure]:
        """Ask; the id, and what came of it."""
        request = pb.QueryRequest(text=text, request_id=str(uuid4()), **fields)
        failure = await self.service.outcome(self.service.pipeline.Query, request)
        if failure is not None:
            return request.request_id, failure
        answer = await self.service.call(self.service.pipeline.Query, request)
        return request.request_id, answer

    async def decide(self, who: Client, blocked: Failure, *, yes: bool) -> Failure | None:
        """Approve or reject what was blocked; how that was refused."""
        approve, reject = cb.CHECKPOINT_DECISION_APPROVE, cb.CHECKPOINT_DECISION_REJECT
        request = cb.ResolveCheckpointRequest(
            checkpoint_id=blocked.metadata["checkpoint_id"],
            decision_id=str(uuid4()),
            decision=approve if yes else reject,
            reason="" if yes else "not today",
        )
        return await who.outcome(who.checkpoints.ResolveCheckpoint, request)

    async def go_on(self, request_id: str) -> tuple[list[Any], Failure | None]:
        """Continue an approved query to its end."""
        request = pb.ContinueRequest(request_id=request_id)
        return await self.service.events(self.service.pipeline.Continue, request)

    async def state(self, request_id: str) -> int:
        """Where a query stands."""
        request = pb.GetQueryRequest(request_id=request_id)
        shown = await self.service.call(self.service.pipeline.GetQuery, request)
        return int(shown.query.state)

    async def budget(self) -> bb.Budget:
        """The identity's budget as it stands."""
        shown = await self.ann.call(self.ann.budgets.ListBudgets, bb.ListBudgetsRequest())
        budget: bb.Budget
        (budget,) = shown.budgets
        return budget

    async def decisions(self, request_id: str) -> list[str]:
        """What the ledger says of a query, in order."""
        request = ab.ListEntriesRequest(resource_id=request_id)
        listed = await self.ann.call(self.ann.audit.ListEntries, request)
        names = [ab.LedgerDecision.Name(entry.decision) for entry in listed.entries]
        return [name.removeprefix("LEDGER_DECISION_").lower() for name in names]

    async def ledger_failure(self) -> str | None:
        """What is wrong with the ledger, by the server and by the offline verifier."""
        verdict = await self.olga.call(self.olga.audit.VerifyLedger, ab.VerifyLedgerRequest())
        if verdict.verdict != ab.LEDGER_VERDICT_HOLDS:
            return str(verdict.failure)
        call = self.olga.audit.ExportEntries(
            ab.ExportEntriesRequest(), metadata=self.olga.metadata, timeout=20
        )
        data = b"".join([response.chunk async for response in call])
        verifier = ExportVerifier()
        lines = data.splitlines(keepends=True)
        failures = [failure for line in lines if (failure := verifier.line(line))]
        return failures[0] if failures else verifier.finish()
