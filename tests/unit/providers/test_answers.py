"""What the events of an answer add up to, on wires that providers speak with an accent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chenu_server.providers.anthropic import MessagesAnswer
from chenu_server.providers.model import ProviderFailure, Retry, Usage
from chenu_server.providers.openai_wire import ChatAnswer

STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
COUNTED = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}
START = {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}
DELTA = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
END = {"type": "message_stop"}


def chat(*chunks: dict[str, Any]) -> ChatAnswer:
    """An answer after these chunks and the terminator."""
    answer = ChatAnswer("asked")
    for chunk in chunks:
        answer.read(json.dumps(chunk).encode())
    answer.read(b"[DONE]")
    return answer


def messages(*events: dict[str, Any]) -> MessagesAnswer:
    """An answer after these events."""
    answer = MessagesAnswer("asked")
    for event in events:
        answer.read(json.dumps(event).encode())
    return answer


def test_cached_tokens_are_taken_out_of_the_prompts_count() -> None:
    """Counted twice, they would be billed twice."""
    details = {"cached_tokens": 30, "cache_write_tokens": 20}
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": details}

    expected = Usage(input_tokens=50, output_tokens=5, cache_read_tokens=30, cache_write_tokens=20)
    assert expected == chat(STOP, {"choices": [], "usage": usage}).finished().usage


def test_reasoning_that_only_the_total_tells_is_output() -> None:
    """Some providers bill it and leave it out of `completion_tokens`."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115}

    counted = chat(STOP, {"choices": [], "usage": usage}).finished().usage
    assert counted is not None and 105 == counted.output_tokens


def test_usage_may_come_with_the_last_choice() -> None:
    """Mistral sends no chunk of its own for it."""
    counted = chat({**STOP, "usage": COUNTED["usage"]}).finished().usage
    assert counted is not None and 9 == counted.input_tokens


def test_done_before_a_reason_to_stop_is_truncated() -> None:
    """A proxy that closes a broken stream politely does not make it whole."""
    with pytest.raises(ProviderFailure, match="truncated"):
        chat({"choices": [{"delta": {"content": "half"}}]}, COUNTED)


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": [7]},
        {"choices": {"0": {}}},
        {"choices": [{"delta": "text"}]},
        {"choices": [{"delta": {"content": 7}}]},
        {"usage": {"prompt_tokens": "9"}},
    ],
)
def test_a_chunk_of_another_shape_is_malformed(chunk: dict[str, Any]) -> None:
    """Text lost in silence would be an answer that nobody gave."""
    with pytest.raises(ProviderFailure, match="malformed"):
        ChatAnswer("asked").read(json.dumps(chunk).encode())


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "refusal"),
        ("tool_calls", "other"),
    ],
)
def test_chat_reasons_have_one_vocabulary(reason: str, expected: str) -> None:
    """Callers switch on the reason without knowing the wire."""
    last = {"choices": [{"delta": {}, "finish_reason": reason}]}

    assert expected == chat(last, COUNTED).finished().stop_reason


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("refusal", "refusal"),
        ("pause_turn", "other"),
    ],
)
def test_messages_reasons_have_the_same_vocabulary(reason: str, expected: str) -> None:
    """As above, on the other wire."""
    delta = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {}}

    assert expected == messages(START, delta, END).finished().stop_reason


def test_counts_in_message_delta_replace_those_of_message_start() -> None:
    """They are cumulative; added up, a prompt would be billed twice. Null says nothing."""
    delta = {**DELTA, "usage": {"output_tokens": 40, "input_tokens": 12, "cache": None}}

    usage = messages(START, delta, END).finished().usage
    assert usage is not None
    assert (12, 40) == (usage.input_tokens, usage.output_tokens)


def test_message_stop_without_a_reason_is_malformed() -> None:
    """The terminator alone settles nothing."""
    with pytest.raises(ProviderFailure, match="no reason to stop"):
        messages(START, END)


def test_a_whole_answer_may_say_nothing_of_its_usage() -> None:
    """Who knows no count does not invent one."""
    assert messages(DELTA, END).finished().usage is None
    assert chat(STOP).finished().usage is None


@pytest.mark.parametrize("kind", ["content_block_delta", "message_start", "message_delta"])
def test_an_event_without_its_object_is_malformed(kind: str) -> None:
    """As on the other wire."""
    with pytest.raises(ProviderFailure, match="malformed"):
        messages({"type": kind})


def test_events_that_are_not_text_are_passed_over() -> None:
    """The wire adds kinds over time, and thinking is not the answer."""
    thinking = {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "?"}}
    answer = messages(START, {"type": "ping"}, {"type": "something_new"}, thinking)

    assert not answer.done


def test_a_rate_error_inside_a_stream_may_pass_later() -> None:
    """It is this provider's room that is gone, not the provider."""
    limited = {"error": {"type": "rate_limit_error"}}
    for answer, event in (
        (MessagesAnswer("asked"), {"type": "error", **limited}),
        (ChatAnswer("asked"), limited),
    ):
        with pytest.raises(ProviderFailure) as caught:
            answer.read(json.dumps(event).encode())

        assert Retry.LATER == caught.value.retry


def test_what_follows_the_terminator_is_not_read() -> None:
    """The answer is over; its sum must not change under the caller."""
    answer = chat(STOP, COUNTED)

    assert "" == answer.read(b'{"choices":[{"delta":{"content":"more"}}]}')
