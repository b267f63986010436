"""A prompt that its images carry over a step of the price is held for and charged beyond it."""

from __future__ import annotations

import asyncio

import pytest

from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu.api.pipeline.v1 import message_pb2, routing_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.files import png
from tests.harness import Stage, only
from tests.service.money import books, bound_of

SOL, LUNA = ("openai", "gpt-6.1-sol"), ("openai", "gpt-6-luna")
STEP = 272_000
IMAGE = 73_800  # tokens of one of the largest
# In nano-USD a token: input, cache write, output.
BEYOND = (4_000, 5_000, 15_000)
LUNA_BEYOND = 250  # a cache write


def seen(model: tuple[str, str] = SOL, **fields: object) -> pb.QueryRequest:
    """A question about four large images."""
    large = cp.Image(data=png(8_000, 8_000), media_type="image/png")
    parts = [*(cp.Part(image=large) for _ in range(4)), cp.Part(text="What is this?")]
    message = cp.ChatMessage(role=cp.MESSAGE_ROLE_USER, parts=parts)
    chosen = {"messages": [message], "routing": only(*model), **fields}
    return pb.QueryRequest(**chosen)  # type: ignore[arg-type] # fields are checked by protobuf


async def test_images_beyond_a_step_are_held_for_and_charged_at_its_rates(purse: Stage) -> None:
    """What is held covers what is billed, and the books have the bill as exact."""
    client, request = purse.client(), seen(max_output_tokens=1_000)
    await purse.budget()
    purse.upstream.behave(extra_input_tokens=4 * IMAGE)
    bound = await bound_of(client, request)
    purse.upstream.hold()

    call = asyncio.create_task(client.call(client.pipeline.Query, request))
    async with asyncio.timeout(10):
        await purse.upstream.until_open(1)
    held = await books(purse)
    purse.upstream.release()
    query = (await call).query
    after = await books(purse)

    usage = (await client.call(client.pipeline.GetQuery, _get(query.request_id))).answer.usage
    assert usage.input_tokens > 4 * IMAGE > STEP
    cost = usage.input_tokens * BEYOND[0] + usage.output_tokens * BEYOND[2]
    assert (cost, message_pb2.COST_BASIS_EXACT) == (query.cost_nanousd, query.cost_basis)
    assert bound == held.reserved_nanousd >= cost
    assert bound > 4 * IMAGE * BEYOND[1] + 1_000 * BEYOND[2]
    assert purse.upstream.bill.total_nanousd == cost
    assert (cost, 0, 0) == (
        after.posted_nanousd,
        after.reserved_nanousd,
        after.overrun_nanousd,
    )


async def test_a_default_cap_is_lowered_by_the_rates_beyond_a_step(purse: Stage) -> None:
    """A budget that is short by the price of so many tokens there is short by so many tokens."""
    client, request = purse.client(), seen()
    cut = 24 * BEYOND[2]
    await purse.budget(limit_nanousd=await bound_of(client, request) - cut)

    answered = await client.call(client.pipeline.Query, request)

    assert 1_000 == answered.query.applied_output_cap


@pytest.mark.parametrize("short", [0, 1])
async def test_the_next_attempt_is_held_for_at_the_rates_beyond_a_step(
    purse: Stage, short: int
) -> None:
    """The failed one is charged its bound at them; the budget then has what the next may cost."""
    client, request = purse.client(), seen(max_output_tokens=1_000)
    first = await bound_of(client, request)
    second = await bound_of(client, seen(LUNA, max_output_tokens=1_000))
    await purse.budget(limit_nanousd=first + second - short)
    purse.upstream.behave(SOL[1], fault="refuse")
    request.routing.strategy = routing_pb2.STRATEGY_QUALITY

    failure = await client.outcome(client.pipeline.Query, request)
    after = await books(purse)

    assert first > 4 * IMAGE * BEYOND[1]
    assert second > 4 * IMAGE * LUNA_BEYOND
    assert [None, "PROVIDER_UNAVAILABLE"][short] == (failure and failure.reason)
    assert [LUNA[1], SOL[1]][short] == purse.upstream.arrivals[-1].model
    assert first <= after.posted_nanousd <= after.limit_nanousd


def _get(request_id: str) -> pb.GetQueryRequest:
    return pb.GetQueryRequest(request_id=request_id)
