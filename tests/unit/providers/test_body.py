"""The size of a body, without making it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from chenu_server.providers.body import body_bytes_max, body_of, text_bytes
from chenu_server.providers.model import ChatRequest, Message

TEXTS = st.text(max_size=200)


@given(TEXTS)
def test_text_bytes_is_exact(text: str) -> None:
    """Escapes and wide characters are where a bound by length would fail."""
    assert len(json.dumps(text, ensure_ascii=False).encode()) == text_bytes(text)


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=5), st.integers(1, 10**8))
def test_the_bound_holds_for_any_number_of_turns(system: str, turns: list[str], cap: int) -> None:
    """A conversation's frame grows with its turns."""
    messages = [{"role": "assistant", "content": text} for text in turns]
    body = {
        "model": "m",
        "messages": [{"role": "system", "content": system}, *messages],
        "max_completion_tokens": cap,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    request = ChatRequest(
        model="m",
        system=system,
        messages=tuple(Message(role="assistant", text=text) for text in turns),
        output_cap=cap,
    )

    assert len(body_of(body)) <= body_bytes_max(request)
