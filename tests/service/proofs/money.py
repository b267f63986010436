"""Proofs of the reasons about money."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Failure, Stage, only
from tests.service.asking import blocked
from tests.service.proofs.registry import proves
from tests.service.spending import reserve, sms, unposted, void

UNPRICED = """
[models."unpriced-1"]
context_tokens = 131072
output_tokens_max = 65536
capabilities = ["text", "streaming"]
quality = 50
speed = 100
tier = "fast"
regions = ["us"]
"""


def unpriced_model(folder: Path) -> dict[str, Any]:
    """A catalogue with a model whose price nobody knows."""
    (folder / "catalogue").mkdir()
    (folder / "catalogue/groq.toml").write_text(UNPRICED)
    return {"providers.catalog_dir": str(folder / "catalogue")}


@proves("BUDGET_EXHAUSTED", budget=False)
async def too_little(stage: Stage) -> Failure:
    """The identity's own budget cannot cover the dearest bound."""
    await stage.budget(limit_nanousd=1)
    client = stage.client()
    request = pb.QueryRequest(text="Hello", routing=only("groq", "openai/gpt-oss-120b"))
    return await client.fail(client.pipeline.Query, request)


@proves("BUDGET_FROZEN", budget=False)
async def overrun(stage: Stage) -> Failure:
    """The provider bills for far more than it was let write, and that is noticed."""
    await stage.budget(limit_nanousd=10**9)
    stage.upstream.behave(extra_output_tokens=100_000)
    client = stage.client()
    request = pb.QueryRequest(text="Hello", routing=only("groq", "openai/gpt-oss-120b"))
    await client.call(client.pipeline.Query, request)
    return await client.fail(client.pipeline.Query, request)


@proves("RESERVATION_NOT_HELD")
async def spent_too_late(stage: Stage) -> Failure:
    """What a service gave back, it then says it has spent."""
    client, request = stage.client(), sms()
    await reserve(client, request)
    await void(client, request)
    return await unposted(client, request, request.amount_nanousd)


@proves("BUDGET_REQUIRED", budget=False)
async def no_budget(stage: Stage) -> Failure:
    """Nobody has made a budget."""
    client = stage.client()
    return await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hello"))


@proves("PRICE_UNKNOWN", configure=unpriced_model)
async def no_price(stage: Stage) -> Failure:
    """The only model that fits has no price."""
    client = stage.client()
    request = pb.QueryRequest(text="Hello", routing=only("groq", "unpriced-1"))
    return await client.fail(client.pipeline.Query, request)


@proves("BUDGET_EXISTS")
async def same_budget_again(stage: Stage) -> Failure:
    """A second total budget for one identity."""
    admin = stage.person()
    request = bb.CreateBudgetRequest(
        scope=bb.BUDGET_SCOPE_IDENTITY, period=bb.BUDGET_PERIOD_TOTAL, limit_nanousd=5
    )
    return await admin.fail(admin.budgets.CreateBudget, request)


@proves("BUDGET_IN_USE")
async def held_money(stage: Stage) -> Failure:
    """A blocked query holds money on the budget that is to go."""
    admin = stage.person()
    await blocked(stage.client())
    listed = await admin.call(admin.budgets.ListBudgets, bb.ListBudgetsRequest())
    request = bb.DeleteBudgetRequest(budget_id=listed.budgets[0].budget_id)
    return await admin.fail(admin.budgets.DeleteBudget, request)


@proves("ETAG_MISMATCH")
async def stale_etag(stage: Stage) -> Failure:
    """The budget has changed since its etag was read."""
    admin = stage.person()
    listed = await admin.call(admin.budgets.ListBudgets, bb.ListBudgetsRequest())
    request = bb.UpdateBudgetRequest(
        budget_id=listed.budgets[0].budget_id, limit_nanousd=7, etag=listed.budgets[0].etag
    )
    await admin.call(admin.budgets.UpdateBudget, request)
    return await admin.fail(admin.budgets.UpdateBudget, request)
