"""One query against one kind of fault, and everything that can be seen of it from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc

from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu.api.pipeline.v1 import message_pb2, routing_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import router_service_pb2 as rb
from tests.faults.calls import IDLE, PARAMETERS, TOOL
from tests.faults.oracle import Prices
from tests.faults.script import Asks, Kind, Leave
from tests.faults.site import STEADY, Site
from tests.harness import Client, Failure, failure_of

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """How a kind is met: by `Query` or `Run`, with another candidate behind it or without."""

    streams: bool
    has_next: bool

    @property
    def name(self) -> str:
        """As the report calls it."""
        return f"{'Run' if self.streams else 'Query'}{', next' if self.has_next else ''}"


VARIANTS = tuple(
    Variant(streams=streams, has_next=has_next)
    for has_next in (False, True)
    for streams in (False, True)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a caller, an auditor and a budget's keeper see, and what the providers saw."""

    prices: Prices
    failure: Failure | None
    answer: Any  # of a query that completed
    query: Any  # as it ended
    live: list[Any] = field(default_factory=list)  # the events of `Run`
    log: list[Any]  # the events of `Watch`, from the start
    posted: int
    reserved: int
    overrun: int
    entries: tuple[str, ...]
    calls: int  # of the faulty provider
    body_bytes: int
    output_cap: int
    billed_next: int
    calls_next: int
    is_left: bool  # a provider that said nothing more

    @property
    def outcome(self) -> str:
        """In a line, what it came to."""
        basis = message_pb2.CostBasis.Name(self.query.cost_basis).removeprefix("COST_BASIS_")
        reason = self.failure.reason if self.failure else "OK"
        return f"{reason}, {self.query.cost_nanousd:,} nano-USD ({basis.lower()})"


def asked(kind: Kind, nonce: str, **fields: Any) -> pb.QueryRequest:
    """The request for a kind; the nonce tells this meeting from the others."""
    request = pb.QueryRequest(text=f"Say it. [[{kind.marker}#{nonce}]]", **fields)
    if kind.asks is Asks.TOOLS:
        read = cp.TOOL_EFFECT_READ
        request.tools.add(name=TOOL, effect=read, parameters=PARAMETERS)
        request.tools.add(name=IDLE, effect=read)
    elif kind.asks is Asks.JSON:
        request.response_format.kind = cp.RESPONSE_KIND_JSON
    elif kind.asks is Asks.SCHEMA:
        request.response_format.kind = cp.RESPONSE_KIND_JSON_SCHEMA
        request.response_format.schema = PARAMETERS
    return request


def routed(kind: Kind, *, has_next: bool) -> routing_pb2.RoutingRequest:
    """A chain that begins with the kind's provider; the steady one is the only other."""
    others = [STEADY] if has_next else []
    return routing_pb2.RoutingRequest(
        preferred_provider=kind.provider, allowed_providers=[kind.provider, *others]
    )


async def observe(site: Site, kind: Kind, variant: Variant) -> Seen:
    """Run it in an identity of its own, so that its books hold nothing else."""
    request_id = str(uuid4())
    nonce = request_id[-12:]
    marker = f"{kind.marker}#{nonce}"
    client = await site.funded(f"i-{nonce}")
    prices = await _prices(client, kind, variant, nonce)
    routing = routed(kind, has_next=variant.has_next)
    request = asked(kind, nonce, request_id=request_id, routing=routing)
    answer, live, failure = await _asked(client, request, streams=variant.streams)
    watched = pb.WatchRequest(request_id=request_id)
    log, _ = await client.events(client.pipeline.Watch, watched, timeout_s=TIMEOUT_S)
    stored = await client.call(client.pipeline.GetQuery, pb.GetQueryRequest(request_id=request_id))
    (budget,) = (await client.call(client.budgets.ListBudgets, bb.ListBudgetsRequest())).budgets
    listed = await client.call(
        client.audit.ListEntries, ab.ListEntriesRequest(resource_id=request_id, page_size=200)
    )
    arrivals = site.faulty.arrivals.pop(marker, [])
    followed = [each for each in site.steady.arrivals if each.marker == marker]
    return Seen(
        prices=prices,
        failure=failure,
        answer=answer or (stored.answer if stored.HasField("answer") else None),
        query=stored.query,
        live=live,
        log=log,
        posted=budget.posted_nanousd,
        reserved=budget.reserved_nanousd,
        overrun=budget.overrun_nanousd,
        entries=tuple(
            ab.LedgerDecision.Name(each.decision).removeprefix("LEDGER_DECISION_")
            for each in listed.entries
        ),
        calls=len(arrivals),
        body_bytes=arrivals[0].body_bytes if arrivals else 0,
        output_cap=arrivals[0].output_cap if arrivals else 0,
        billed_next=sum(each.billed_nanousd for each in followed),
        calls_next=len(followed),
        is_left=kind.script.leave is not Leave.SILENT or await site.faulty.is_left(marker),
    )


async def _asked(
    client: Client, request: pb.QueryRequest, *, streams: bool
) -> tuple[Any, list[Any], Failure | None]:
    """The answer if it came, the events if they streamed, and the refusal if it was one."""
    if streams:
        run = pb.RunRequest(query=request)
        live, failure = await client.events(client.pipeline.Run, run, timeout_s=TIMEOUT_S)
        return None, live, failure
    try:
        response = await client.call(client.pipeline.Query, request, timeout_s=TIMEOUT_S)
        return response.answer, [], None
    except grpc.aio.AioRpcError as error:
        return None, [], failure_of(error)


async def _prices(client: Client, kind: Kind, variant: Variant, nonce: str) -> Prices:
    shown = await client.call(client.router.GetProvider, rb.GetProviderRequest(name=kind.provider))
    (rates,) = [model.rates for model in shown.provider.models]
    bounds = []
    for has_next in (False, variant.has_next):
        routing = routed(kind, has_next=has_next)
        explained = asked(kind, nonce, routing=routing, validate_only=True)
        answer = await client.call(client.pipeline.Query, explained)
        bounds.append(answer.validation.cost_bound_nanousd)
    return Prices(
        input=rates.input_nanousd,
        output=rates.output_nanousd,
        cache_read=rates.cache_read_nanousd,
        cache_write=rates.cache_write_nanousd,
        cache_write_hour=rates.cache_write_hour_nanousd,
        bound=bounds[0],
        chain_bound=bounds[-1],
    )
