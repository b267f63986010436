"""Pages over the wire: each thing once, whatever the size; a made-up token is refused."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from chenu.api.governance.v1 import audit_service_pb2 as audit
from chenu.api.governance.v1 import budget_service_pb2 as budgets
from chenu.api.governance.v1 import checkpoint_pb2, identity_service_pb2
from chenu.api.governance.v1 import checkpoint_service_pb2 as checkpoints
from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pipeline
from tests.harness import Client, Stage
from tests.service.asking import blocked
from tests.service.cases import AUDIT, BUDGETS, CHECKPOINTS, IDENTITY, PIPELINE

pytestmark = pytest.mark.asyncio(loop_scope="module")

MADE = 5


@dataclass(frozen=True)
class Listing:
    """One rpc that lists, what it lists and the id of one of them."""

    rpc: str
    request: Callable[..., Any]
    items: str
    id: str


LISTINGS = [
    Listing(f"{PIPELINE}ListQueries", pipeline.ListQueriesRequest, "queries", "request_id"),
    Listing(
        f"{CHECKPOINTS}ListCheckpoints",
        checkpoints.ListCheckpointsRequest,
        "checkpoints",
        "checkpoint_id",
    ),
    Listing(f"{BUDGETS}ListBudgets", budgets.ListBudgetsRequest, "budgets", "budget_id"),
    Listing(
        f"{IDENTITY}ListViolations",
        identity_service_pb2.ListViolationsRequest,
        "violations",
        "violation_id",
    ),
    Listing(f"{AUDIT}ListEntries", audit.ListEntriesRequest, "entries", "entry_id"),
]

every_listing = pytest.mark.parametrize("listing", LISTINGS, ids=lambda each: each.items)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def person(shared: Stage) -> Client:
    """Someone in whose identity there are several of everything."""
    person, client = shared.person(), shared.client()
    for period in (budgets.BUDGET_PERIOD_DAILY, budgets.BUDGET_PERIOD_MONTHLY):
        request = budgets.CreateBudgetRequest(
            scope=budgets.BUDGET_SCOPE_IDENTITY, period=period, limit_nanousd=10**15
        )
        await person.call(person.budgets.CreateBudget, request)
    for number in range(MADE):
        await blocked(client, f"Delete all archived items of {number}")
        request_id = str(uuid4())
        await client.fail(client.pipeline.GetQuery, pipeline.GetQueryRequest(request_id=request_id))
    return person


async def page(client: Client, listing: Listing, **fields: Any) -> tuple[list[str], str]:
    """The ids of one page, and the token of the next."""
    answer = await client.call(client.rpc(listing.rpc), listing.request(**fields))
    ids = [getattr(item, listing.id) for item in getattr(answer, listing.items)]
    return ids, answer.next_page_token


@every_listing
@pytest.mark.parametrize("size", [1, 2, 200, 100_000])
async def test_pages_of_any_size_show_each_thing_once_in_order(
    person: Client, listing: Listing, size: int
) -> None:
    """Nothing is missed, nothing is shown twice, the last page has no token."""
    whole, _ = await page(person, listing)

    seen, token = await page(person, listing, page_size=size)
    while token:
        more, token = await page(person, listing, page_size=size, page_token=token)
        seen += more

    assert len(whole) >= 3
    assert whole == seen


@every_listing
@pytest.mark.parametrize(
    "token",
    [
        "nonsense",
        "' OR '1'='1",
        "AAAA",
        "=" * 8,
        "a" * 5_000,
        base64.urlsafe_b64encode(bytes(12) + b'["1","2"]').decode(),
        base64.urlsafe_b64encode(b"[" * 3_000).decode(),
        "\u202e\u0000",
    ],
    ids=lambda token: token[:12].encode("unicode_escape").decode(),
)
async def test_a_made_up_token_is_refused(person: Client, listing: Listing, token: str) -> None:
    """A token comes from a listing or it is none."""
    request = listing.request(page_token=token)

    failure = await person.fail(person.rpc(listing.rpc), request)

    assert ("INVALID_FIELD", "page_token") == (failure.reason, failure.metadata["field"])


@every_listing
async def test_a_token_of_another_identity_is_refused(
    shared: Stage, person: Client, listing: Listing
) -> None:
    """A token gives no right and belongs to its listing."""
    _, token = await page(person, listing, page_size=1)
    stranger = shared.person("other")

    failure = await stranger.fail(stranger.rpc(listing.rpc), listing.request(page_token=token))

    assert ("INVALID_FIELD", "page_token") == (failure.reason, failure.metadata["field"])


@every_listing
async def test_a_negative_size_is_refused(person: Client, listing: Listing) -> None:
    """Zero is the default; less is a mistake."""
    failure = await person.fail(person.rpc(listing.rpc), listing.request(page_size=-1))

    assert ("INVALID_FIELD", "page_size") == (failure.reason, failure.metadata["field"])


@pytest.mark.parametrize(
    ("listing", "state", "count"),
    [
        (LISTINGS[0], message_pb2.QUERY_STATE_BLOCKED, MADE),
        (LISTINGS[0], message_pb2.QUERY_STATE_COMPLETED, 0),
        (LISTINGS[1], checkpoint_pb2.CHECKPOINT_STATE_PENDING, MADE),
        (LISTINGS[1], checkpoint_pb2.CHECKPOINT_STATE_EXPIRED, 0),
    ],
)
async def test_a_state_keeps_what_is_in_it(
    person: Client, listing: Listing, state: int, count: int
) -> None:
    """What waits is found among what is over."""
    ids, _ = await page(person, listing, states=[state])

    assert count == len(ids)


@pytest.mark.parametrize("listing", LISTINGS[:2], ids=lambda each: each.items)
async def test_a_token_belongs_to_its_filter(person: Client, listing: Listing) -> None:
    """Other states are another listing."""
    _, token = await page(person, listing, page_size=1)
    request = listing.request(page_token=token, states=[1])

    failure = await person.fail(person.rpc(listing.rpc), request)

    assert ("INVALID_FIELD", "page_token") == (failure.reason, failure.metadata["field"])
