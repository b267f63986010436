"""A stored request is the very one that was asked: an approval is bound to all of it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chenu_server.engine import CanonicalRequest
from chenu_server.pipeline.conversation import Conversation, asked
from chenu_server.pipeline.model import QueryRequest
from chenu_server.pipeline.stored import request_from
from chenu_server.vocabulary import Intent, Mode
from tests.unit.pipeline.conversations import conversations

requests = st.builds(
    QueryRequest,
    request_id=st.just("q"),
    conversation=conversations,
    mode=st.sampled_from(Mode),
    intents=st.lists(st.sampled_from(Intent), unique=True, max_size=3).map(tuple),
    thread_id=st.text(max_size=4),
    run_id=st.text(max_size=4),
    labels=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3).map(
        lambda labels: tuple(sorted(labels.items()))
    ),
    agent_id=st.text(max_size=4),
    department=st.text(max_size=4),
)


def stored(conversation: Conversation) -> str:
    """The row of a request that says this."""
    return CanonicalRequest(QueryRequest(request_id="q", conversation=conversation)).to_json()


@given(request=requests)
def test_a_request_comes_back_as_it_was(request: QueryRequest) -> None:
    """Every bit of it, a number's too: its digest is compared before it runs."""
    read = CanonicalRequest(request)

    back = request_from(read.to_json())

    assert request == back
    assert read.content_digest() == CanonicalRequest(back).content_digest()


@given(conversation=conversations)
def test_what_was_not_said_is_not_stored(conversation: Conversation) -> None:
    """Most queries are one text; a row for them must not list what they might have said."""
    short = json.loads(stored(asked("Hi")))

    assert {"messages": [["user", [{"kind": "text", "text": "Hi"}]]]} == short["conversation"]
    assert conversation == request_from(stored(conversation)).conversation


def test_a_request_from_before_there_were_conversations_is_read() -> None:
    """What waits for a person over an upgrade is shown to them, and can be cancelled."""
    old: dict[str, Any] = {
        "request_id": "q",
        "text": "Delete it",
        "intents": ["delete"],
        "sphere": "personal",
        "target": ["", "", "", ""],
        "routing": ["chat", "normal", "balanced", "", "", [], [], [], []],
        "caps": [0, 0],
        "flags": [False, True],
    }

    request = request_from(json.dumps(old))

    assert asked("Delete it") == request.conversation
    assert (Mode.COMMAND, True) == (request.mode, request.resume_on_approval)
