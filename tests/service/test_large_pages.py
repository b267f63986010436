"""Pages whose rows are large: shorter, and still read by a client as it comes."""

from __future__ import annotations

from uuid import uuid4

import pytest

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Stage
from tests.service.asking import blocked
from tests.service.test_lists import LISTINGS, Listing, page

MADE = 5
LARGE = {  # a megabyte in each row, far more than any field takes
    "queries": "UPDATE queries SET model = hex(zeroblob(500000))",
    "checkpoints": """UPDATE checkpoints SET preview = '"' || hex(zeroblob(500000)) || '"'""",
    "violations": "UPDATE violations SET target_id = hex(zeroblob(500000))",
    "entries": "UPDATE ledger_payloads SET payload = hex(zeroblob(500000))",
}


@pytest.mark.parametrize(
    "listing", [it for it in LISTINGS if it.items in LARGE], ids=lambda each: each.items
)
async def test_a_page_that_would_not_fit_is_shorter_and_goes_on(
    stage: Stage, listing: Listing
) -> None:
    """A page of 200 that no client takes would hide all that is behind it."""
    person, client = stage.person(), stage.client()
    for number in range(MADE):
        await blocked(client, f"Delete item {number}")
        request = pb.GetQueryRequest(request_id=str(uuid4()))
        await client.fail(client.pipeline.GetQuery, request)
    whole, _ = await page(person, listing, page_size=200)
    stage.sql(LARGE[listing.items])

    seen, token = await page(person, listing, page_size=200)
    sizes = [len(seen)]
    while token:
        more, token = await page(person, listing, page_size=200, page_token=token)
        seen, sizes = [*seen, *more], [*sizes, len(more)]

    assert whole == seen
    assert 3 == max(sizes)
