"""A stored decision can be made again: from the request, on the catalogue that it names."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.bootstrap.routes import CHAIN_MAX
from chenu_server.pipeline.lanes.encoding import EncodingLane
from chenu_server.pipeline.route_rules import RouteRules
from chenu_server.pipeline.routing import CatalogueRouter
from chenu_server.pipeline.stored import request_from
from chenu_server.providers.catalog import load_catalogue
from chenu_server.providers.model import ProviderRecord
from chenu_server.providers.prices import resolve_prices
from tests.harness import PROVIDERS, Stage


def stored(stage: Stage) -> list[Any]:
    """Requests as they were stored, with their chains and what these were decided on."""
    engine = sa.create_engine(stage.settings.database.url, poolclass=sa.NullPool)
    query = sa.text(
        "SELECT content.request, query.chain, query.route_snapshot FROM queries query"
        " JOIN query_contents content ON content.query_id = query.id ORDER BY request_id"
    )
    with engine.connect() as connection:
        rows = list(connection.execute(query))
    engine.dispose()
    return rows


def replayer(records: dict[str, ProviderRecord]) -> EncodingLane:
    """Lane C on these records."""
    enabled: Any = dict.fromkeys(PROVIDERS)
    router = CatalogueRouter(records, enabled, RouteRules(), chain_max=CHAIN_MAX)
    return EncodingLane(router, default_cap=1_024, least_cap=256)


async def test_a_stored_decision_can_be_replayed(stage: Stage) -> None:
    """The same catalogue, prices and signals give the same chain; others have other names."""
    client = stage.client()
    wishes: list[dict[str, Any]] = [
        {},
        {"agent_role": "nova"},
        {"routing": {"strategy": 2, "task_type": 2}},
        {"max_output_tokens": 300, "max_cost_nanousd": 40_000_000},
        {"context_items": [{"kind": "doc", "id": "1", "content": "x" * 9_000}]},
    ]
    for fields in wishes:
        answer = await client.query("Which day is it?", **fields)
        kept = await client.call(
            client.pipeline.GetQuery, pb.GetQueryRequest(request_id=answer.query.request_id)
        )
        assert answer.query.route_snapshot == kept.query.route_snapshot
    catalogue = resolve_prices(load_catalogue(), datetime.now(UTC).date())
    again = replayer(dict(catalogue.providers))

    rows = stored(stage)
    assert len(wishes) == len(rows)
    for request, chain, snapshot in rows:
        route = again.explain(request_from(request))
        names = [f"{each.provider}/{each.model}" for each in route.chain]
        assert (json.loads(chain), snapshot) == (names, route.snapshot)

    groq = catalogue.providers["groq"]
    dearer = replace(groq, models=(replace(groq.models[0], rates=None), *groq.models[1:]))
    other = replayer({**catalogue.providers, "groq": dearer})
    assert rows[0].route_snapshot != other.explain(request_from(rows[0].request)).snapshot
