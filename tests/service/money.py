"""What a request may cost, and what the books say."""

from __future__ import annotations

from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Client, Stage


async def bound_of(client: Client, request: pb.QueryRequest) -> int:
    """The most that a request can cost."""
    asked = pb.QueryRequest()
    asked.CopyFrom(request)
    asked.validate_only = True
    answer = await client.call(client.pipeline.Query, asked)
    bound: int = answer.validation.cost_bound_nanousd
    return bound


async def books(stage: Stage, identity: str = "acme") -> bb.Budget:
    """The identity's only budget as it stands."""
    admin = stage.operator() if identity == "system" else stage.person(identity)
    listed = await admin.call(admin.budgets.ListBudgets, bb.ListBudgetsRequest())
    budget: bb.Budget
    (budget,) = listed.budgets
    return budget
