"""A budget for exactly three, and twenty who want it at once."""

from __future__ import annotations

import asyncio

from chenu import errors
from chenu.api.pipeline.v1 import pipeline_service_pb2, router_service_pb2
from loadtest.demo.proof import same, until, usd
from loadtest.demo.stage import BUDGET_MODEL, Stage, ask, only
from loadtest.site import fund

CALLERS = 20
FIT = 3
OUTPUT_CAP = 300


async def exhausted(stage: Stage) -> list[str]:
    """Twenty equal queries meet a budget that holds the worst case of three."""
    client = stage["thrift"]
    bound = await _worst_case(stage)
    await fund(client, FIT * bound)
    # Unanswered for now: the first that is settled gives back what it did not use, and a fourth
    # might then fit.
    stage.upstream.hold()
    try:
        calls = [
            asyncio.create_task(client.pipeline.query(_query(number), timeout_s=30))
            for number in range(CALLERS)
        ]
        await until(lambda: _decided(calls, stage), "all twenty are decided")
        held = await stage.budget("thrift")
    finally:
        stage.upstream.release()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    ran = [each for each in answers if isinstance(each, pipeline_service_pb2.QueryResponse)]
    no = [each for each in answers if isinstance(each, errors.BudgetRefused)]
    same((FIT, CALLERS - FIT), (len(ran), len(no)), "how many ran, and were refused")
    same({"BUDGET_EXHAUSTED"}, {each.reason for each in no}, "why")
    same((FIT * bound, 0), (held.reserved_nanousd, held.posted_nanousd), "held while they ran")
    return [
        f"budget {usd(FIT * bound)} = {FIT} x {usd(bound)}, the bound that Route tells",
        f"{CALLERS} at once: {len(ran)} ran, {len(no)} -> {no[0].reason}",
        await _books(stage),
    ]


async def _worst_case(stage: Stage) -> int:
    decision = await stage["thrift"].router.route(
        router_service_pb2.RouteRequest(
            text=_query(0).text, routing=only(BUDGET_MODEL), max_output_tokens=OUTPUT_CAP
        )
    )
    same([BUDGET_MODEL], [each.model for each in decision.chain], "the chain")
    return decision.cost_bound_nanousd


def _query(number: int) -> pipeline_service_pb2.QueryRequest:
    return ask(f"Who ordered part {number:04d}?", BUDGET_MODEL, max_output_tokens=OUTPUT_CAP)


def _decided(calls: list[asyncio.Task[pipeline_service_pb2.QueryResponse]], stage: Stage) -> bool:
    """Those that were refused have ended; the others wait at the provider."""
    refused = sum(call.done() for call in calls)
    return refused + int(stage.upstream.state()["calls_open"]) == CALLERS


async def _books(stage: Stage) -> str:
    budget = await stage.budget("thrift")
    billed = stage.upstream.billed_nanousd(BUDGET_MODEL)
    found = (budget.posted_nanousd, budget.reserved_nanousd, budget.overrun_nanousd)
    same((billed, 0, 0), found, "posted, reserved and overrun against the bill")
    return f"posted {usd(budget.posted_nanousd)} = the provider's own bill, to the last digit"
