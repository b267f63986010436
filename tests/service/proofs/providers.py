"""Proofs of the reasons about routes, providers and what becomes of a running query."""

from __future__ import annotations

import json

from chenu.api.pipeline.v1 import conversation_pb2, routing_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import router_service_pb2 as rb
from chenu_server import failpoints
from tests.harness import Failure, Stage, only
from tests.service.proofs.rates import hello, started
from tests.service.proofs.registry import proves


@proves("NO_ROUTE")
async def nowhere(stage: Stage) -> Failure:
    """No provider does what is required."""
    client = stage.client()
    routing = routing_pb2.RoutingRequest(required_capabilities=["telepathy"])
    return await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hello", routing=routing))


@proves("PROVIDER_UNAVAILABLE", without=("retry_at",))
async def all_down(stage: Stage) -> Failure:
    """Every candidate answers with a server error."""
    stage.upstream.behave(status=503)
    client = stage.client()
    return await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hello"))


@proves("PROVIDER_REJECTED")
async def bad_request(stage: Stage) -> Failure:
    """The provider does not take the request."""
    stage.upstream.behave(status=400)
    client = stage.client()
    return await client.fail(client.pipeline.Query, hello())


@proves("STREAM_TRUNCATED")
async def cut(stage: Stage) -> Failure:
    """The provider hangs up in the middle of its answer."""
    stage.upstream.behave(fault="cut", fault_after=2, deltas=6)
    client = stage.client()
    return await client.fail(client.pipeline.Query, hello())


@proves("TOOL_CALL_INVALID")
async def undeclared_tool(stage: Stage) -> Failure:
    """The model calls a tool that nobody declared."""
    call = {"id": "a", "function": {"name": "drop_tables", "arguments": "{}"}}
    choice = {"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}
    stage.upstream.behave(raw=json.dumps({"choices": [choice]}))
    client = stage.client()
    return await client.fail(client.pipeline.Query, to_chat())


@proves("OUTPUT_INVALID")
async def no_json(stage: Stage) -> Failure:
    """JSON is asked for, and the model answers with prose."""
    client, request = stage.client(), to_chat()
    request.response_format.kind = conversation_pb2.RESPONSE_KIND_JSON
    return await client.fail(client.pipeline.Query, request)


def to_chat() -> pb.QueryRequest:
    """A query that goes to a provider of the chat wire."""
    return pb.QueryRequest(text="Hello", routing=only("groq", "openai/gpt-oss-120b"))


@proves("EXECUTION_INTERRUPTED")
async def shut_down(stage: Stage) -> Failure:
    """The server stops while a provider works."""
    running = await started(stage, stage.client())
    await stage.application.pipeline.drain(0.1)
    failure = await running
    assert failure is not None
    return failure


@proves("DEADLINE_EXCEEDED")
async def out_of_time(stage: Stage) -> Failure:
    """The provider never answers; the query's own time ends."""
    stage.upstream.behave(fault="hang")
    client, request = stage.client(), hello()
    request.request_id, request.detached = "4e7a2f60-8a34-4d12-9d0b-2f8d1c5f6a11", True
    await client.outcome(client.pipeline.Query, request, timeout_s=0.5)
    return await client.fail(client.pipeline.Query, request)


@proves("NOT_FOUND")
async def no_such_provider(stage: Stage) -> Failure:
    """The catalogue does not have it."""
    client = stage.client()
    return await client.fail(client.router.GetProvider, rb.GetProviderRequest(name="nobody"))


@proves("INTERNAL")
async def bug(stage: Stage) -> Failure:
    """A lane raises what no one expects."""
    failpoints.arm("execution.before_dispatch=error")
    client = stage.client()
    return await client.fail(client.pipeline.Query, hello())
