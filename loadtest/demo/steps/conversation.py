"""A conversation: a tool that only reads, its result, JSON, a picture; and text work."""

from __future__ import annotations

import json
from collections.abc import Iterable

from chenu import errors, files
from chenu.api.pipeline.v1 import conversation_pb2 as c
from chenu.api.pipeline.v1 import message_pb2, pipeline_service_pb2
from loadtest.demo.picture import grey_square
from loadtest.demo.proof import refused, same, usd
from loadtest.demo.stage import Stage, ask, only

MODEL = "mistral-medium-3-5"  # of mistral, for this step alone
SEEING_MODEL = "claude-haiku-5-5"  # of anthropic
LINES = "Remove duplicate lines from this list:\nfig\nplum\nfig"
FORECAST = '{"city": "Paris", "rain": true}'
CITY = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'
WEATHER = c.Tool(
    name="get_weather", effect=c.TOOL_EFFECT_READ, description="Tells it.", parameters=CITY
)


async def talked(stage: Stage) -> list[str]:
    """Two turns: the model asks for the weather, is told it, answers in JSON; then a picture."""
    stage.upstream.behave(MODEL, calls=json.dumps([["get_weather", {"city": "Paris"}]]))
    turns = [_said(c.MESSAGE_ROLE_USER, c.Part(text="Is there rain in Paris?"))]
    first = await _ask(stage, turns)
    (called,) = first.parts
    same("get_weather", called.tool_call.name, "the tool that is called")
    same({"city": "Paris"}, json.loads(called.tool_call.arguments_json), "its arguments")
    came = c.ToolResult(call_id=called.tool_call.call_id, text="rain until noon")
    turns += [
        _said(c.MESSAGE_ROLE_ASSISTANT, *first.parts),
        _said(c.MESSAGE_ROLE_TOOL, c.Part(tool_result=came)),
    ]
    stage.upstream.behave(MODEL, answer=f"```json\n{FORECAST}\n```")
    wanted = c.ResponseFormat(kind=c.RESPONSE_KIND_JSON_SCHEMA, schema=CITY)
    second = await _ask(stage, turns, wanted)
    same(FORECAST, second.json, "the value in the answer")
    return [
        f"turn 1 -> {called.tool_call.name} {called.tool_call.arguments_json}, once it was settled",
        f"turn 2 -> {second.json}, checked against its schema",
        await _looked(stage),
    ]


async def _looked(stage: Stage) -> str:
    """A picture costs by its pixels, whatever its bytes, and reaches the model as it is."""
    stage.upstream.behave(SEEING_MODEL, answer="a grey square")
    picture = files.image(grey_square(56))
    request = pipeline_service_pb2.QueryRequest(
        messages=[_said(c.MESSAGE_ROLE_USER, picture, c.Part(text="What is to be seen?"))],
        routing=only(SEEING_MODEL),
        mode=c.QUERY_MODE_GENERATION,
    )
    request.validate_only = True
    bound = (await stage["orders"].pipeline.query(request)).validation.cost_bound_nanousd
    request.validate_only = False
    answer = (await stage["orders"].pipeline.query(request)).answer
    same("a grey square", answer.text, "what the model saw")
    return f"a picture of 56 by 56 pixels -> {answer.text!r}, for at most {usd(bound)}"


async def worked_on_text(stage: Stage) -> list[str]:
    """The same words wait for a person as a command, and for nobody as material."""
    stage.upstream.behave(MODEL, answer="fig\nplum")
    request = ask(LINES, MODEL)
    pending = await refused(errors.CheckpointPending, stage["orders"].pipeline.query(request))
    await stage["ada"].checkpoints.reject(pending.checkpoint_id, reason="it is a list of fruit")
    request.mode = c.QUERY_MODE_GENERATION
    # The SDK has put the first one's in, and that one is rejected for good.
    request.request_id = ""
    answer = (await stage["orders"].pipeline.query(request)).answer
    same("fig\nplum", answer.text, "the list without duplicates")
    return [
        f"as a command -> {pending.reason}, {pending.types[0]}",
        f"as generation -> {answer.text!r}, nobody was asked",
    ]


async def _ask(
    stage: Stage,
    turns: Iterable[c.ChatMessage],
    wanted: c.ResponseFormat | None = None,
) -> message_pb2.Answer:
    request = pipeline_service_pb2.QueryRequest(
        messages=turns,
        tools=[WEATHER],
        response_format=wanted,
        routing=only(MODEL),
        mode=c.QUERY_MODE_GENERATION,
    )
    return (await stage["orders"].pipeline.query(request)).answer


def _said(role: c.MessageRole.ValueType, *parts: c.Part) -> c.ChatMessage:
    return c.ChatMessage(role=role, parts=parts)
