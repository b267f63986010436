"""Requests that ask for what a model can do, and the bodies that its provider takes for them."""

from __future__ import annotations

import json
from pathlib import Path

from chenu_server.pipeline.conversation import (
    ChatMessage,
    Conversation,
    Part,
    ResponseFormat,
    Sampling,
    Thinking,
    Tool,
    ToolUse,
    text_part,
)
from chenu_server.pipeline.lanes.encoding import engine_prompt
from chenu_server.providers.model import ChatRequest, ModelRecord
from chenu_server.vocabulary import MessageRole, PartKind, ToolEffect

RICH_CAP = 321
CITY = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'
RAIN = '{"type":"object","properties":{"rain":{"type":"boolean"}},"required":["rain"]}'
_FOLDER = Path(__file__).with_name("bodies")
BODIES = {file.stem: json.loads(file.read_text()) for file in sorted(_FOLDER.glob("*.json"))}
"""By provider and request, the body that arrives there."""

_CALL = Part(kind=PartKind.TOOL_CALL, text='{"city":"Paris"}', call_id="c1", name="weather")
_RESULT = Part(kind=PartKind.TOOL_RESULT, text="rain", call_id="c1", name="weather")
_TOOL = Tool(name="weather", effect=ToolEffect.READ, description="Now.", parameters=CITY)
_ASKED = (
    ChatMessage(MessageRole.SYSTEM, (text_part("Be brief."),)),
    ChatMessage(MessageRole.USER, (text_part("Hello"),)),
    ChatMessage(MessageRole.ASSISTANT, (text_part("Hello. What is it?"),)),
    ChatMessage(
        MessageRole.USER, (text_part("Does it rain in Paris?"), text_part(" Answer in JSON."))
    ),
)
_CALLED = (ChatMessage(MessageRole.ASSISTANT, (_CALL,)), ChatMessage(MessageRole.TOOL, (_RESULT,)))


def rich_requests(model: ModelRecord) -> dict[str, ChatRequest]:
    """What is asked of a model, as far as it takes it: a `turn` in its format; and `tools`."""
    able = set(model.capabilities)
    formats = [kind for kind in ("json_schema", "json") if kind in able]
    kind = formats[0] if formats else "text"
    wanted = ResponseFormat(kind="json_schema", name="rain", schema=RAIN)
    effort = "low" if "reasoning_effort" in able else ""
    turn = Conversation(
        messages=_ASKED,
        sampling=_sampling(model),
        response_format=wanted if kind == "json_schema" else ResponseFormat(kind=kind),
        thinking=Thinking(effort=effort),
    )
    asked = {"turn": turn}
    if "functions" in able:
        asked["tools"] = Conversation(
            messages=(*_ASKED, *_CALLED),
            tools=(_TOOL,),
            tool_use=ToolUse(choice="required"),
            sampling=_sampling(model),
        )
    return {name: _request(model, conversation) for name, conversation in asked.items()}


def _sampling(model: ModelRecord) -> Sampling:
    return Sampling(
        temperature=None if "temperature" in model.refuses else 0.5,
        top_p=None if "top_p" in model.refuses else 0.9,
        stop=() if "stop" in model.refuses else ("END",),
    )


def _request(model: ModelRecord, conversation: Conversation) -> ChatRequest:
    return ChatRequest(
        model=model.name,
        prompt=engine_prompt(conversation, conversation.messages),
        output_cap=RICH_CAP,
    )
