"""Conversations made at random, of every kind of part and option."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from chenu_server.pipeline.conversation import (
    ChatMessage,
    Conversation,
    Part,
    ResponseFormat,
    Sampling,
    Thinking,
    Tool,
    ToolUse,
)
from chenu_server.vocabulary import MessageRole, PartKind, ToolEffect

_WORDS: Final = st.text(max_size=8)
_NUMBERS: Final = st.none() | st.floats(-2, 2)

parts = st.builds(
    Part,
    kind=st.sampled_from(PartKind),
    text=_WORDS,
    call_id=_WORDS,
    name=_WORDS,
    is_error=st.booleans(),
    signature=_WORDS,
    redacted=_WORDS,
    cached=st.booleans(),
)
texts = st.builds(Part, kind=st.just(PartKind.TEXT), text=st.text(min_size=1, max_size=8))
messages = st.builds(
    ChatMessage, st.sampled_from(MessageRole), st.lists(parts, min_size=1, max_size=3).map(tuple)
)
openings = st.builds(ChatMessage, st.just(MessageRole.USER), st.tuples(texts))
tools = st.builds(
    Tool,
    name=_WORDS,
    effect=st.sampled_from(ToolEffect),
    description=_WORDS,
    parameters=_WORDS,
)
conversations = st.builds(
    Conversation,
    messages=st.builds(
        lambda first, others: (first, *others), openings, st.lists(messages, max_size=4)
    ),
    tools=st.lists(tools, max_size=2).map(tuple),
    tool_use=st.builds(ToolUse, choice=_WORDS, tool=_WORDS, parallel=st.none() | st.booleans()),
    sampling=st.builds(
        Sampling,
        temperature=_NUMBERS,
        top_p=_NUMBERS,
        stop=st.lists(_WORDS, max_size=2).map(tuple),
        seed=st.none() | st.integers(-(2**63), 2**63 - 1),
        presence_penalty=_NUMBERS,
        frequency_penalty=_NUMBERS,
    ),
    response_format=st.builds(ResponseFormat, kind=_WORDS, name=_WORDS, schema=_WORDS),
    thinking=st.builds(Thinking, effort=_WORDS, budget_tokens=st.integers(0, 128_000)),
)
