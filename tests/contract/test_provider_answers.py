"""What an answer holds beside its text, on each wire: thoughts, calls, proofs, checked JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from chenu_server.providers.model import Billing, Finished, PartDelta, Proof, ToolCall
from tests.contract import test_provider_contract as contract
from tests.contract.test_provider_contract import Setup, run

catalogue, setup = contract.catalogue, contract.setup

PARIS = '{"city": "Paris"}'
CHAT_PARTS = (
    {"choices": [{"index": 0, "delta": {"reasoning": "Hm."}}]},
    {"choices": [{"index": 0, "delta": {"content": "Well"}}]},
    {
        "choices": [
            {
                "index": 0,
                "delta": {
                    "tool_calls": [{"id": "a", "function": {"name": "weather", "arguments": PARIS}}]
                },
                "finish_reason": "tool_calls",
            }
        ]
    },
    "[DONE]",
)
MESSAGES_PARTS = (
    {"type": "message_start", "message": {}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}},
    {"type": "content_block_delta", "index": 0, "delta": {"thinking": "Hm."}},
    {"type": "content_block_delta", "index": 0, "delta": {"signature": "signed"}},
    {"type": "content_block_start", "index": 1, "content_block": {"text": "Well"}},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {
            "type": "tool_use",
            "id": "a",
            "name": "weather",
            "input": {"city": "Paris"},
        },
    },
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
    {"type": "message_stop"},
)


def events_of(*events: dict[str, Any] | str) -> str:
    """Events as a provider streams them."""
    texts = (each if isinstance(each, str) else json.dumps(each) for each in events)
    return "".join(f"data: {text}\n\n" for text in texts)


async def test_an_answer_comes_in_parts_and_calls_come_with_its_end(setup: Setup) -> None:
    """Text and thoughts are told apart as they arrive; a call is whole and valid, or none."""
    is_messages = setup.name == "anthropic"
    setup.upstream.behave(raw=events_of(*(MESSAGES_PARTS if is_messages else CHAT_PARTS)))
    city = '{"required":["city"],"properties":{"city":{"type":"string"}}}'
    request = replace(setup.ask(), declared=(("weather", city),))

    *deltas, finished = [event async for event in setup.stream(request)]

    assert [PartDelta(0, "reasoning", "Hm."), PartDelta(1, "text", "Well")] == deltas
    assert isinstance(finished, Finished)
    assert (ToolCall(part=2, call_id="a", name="weather", arguments=PARIS),) == finished.calls
    signed = (Proof(part=0, signature="signed", redacted=""),)
    assert (signed if is_messages else ()) == finished.proofs


@pytest.mark.parametrize(("schema", "problem"), [('{"required":["town"]}', "schema"), ("{}", None)])
async def test_a_call_that_its_schema_refuses_is_a_failure_of_a_whole_answer(
    setup: Setup, schema: str, problem: str | None
) -> None:
    """What it cost is known; who called what wrongly is said."""
    is_messages = setup.name == "anthropic"
    setup.upstream.behave(raw=events_of(*(MESSAGES_PARTS if is_messages else CHAT_PARTS)))

    outcome = await run(setup.stream(replace(setup.ask(), declared=(("weather", schema),))))

    failure = outcome.failure
    told = failure and (failure.billing, failure.kind, failure.problem, failure.subject)
    expected = (Billing.TOLD, "tool_call_invalid", problem, "weather")
    assert told == (expected if problem else None)


@pytest.mark.parametrize(
    ("format_", "answer", "json_text", "problem"),
    [
        ("text", "{}", None, None),
        ("json", "{}", "{}", None),
        ("json", "```json\n[1]\n```", "[1]", None),
        ("json", "{", None, "not_json"),
        ("json_schema", '{"n":1}', '{"n":1}', None),
        ("json_schema", '{"n":"1"}', None, "schema"),
    ],
)
async def test_an_output_is_checked_where_a_format_is_asked_for(
    setup: Setup, format_: str, answer: str, json_text: str | None, problem: str | None
) -> None:
    """The caller parses it without asking whether it can."""
    message = {"content": answer}
    body: dict[str, Any] = {"choices": [{"message": message, "finish_reason": "stop"}]}
    if setup.name == "anthropic":
        body = {"content": [{"type": "text", "text": answer}], "stop_reason": "end_turn"}
    setup.upstream.behave(raw=json.dumps(body))
    schema = '{"properties":{"n":{"type":"integer"}}}'

    outcome = await run(setup.stream(replace(setup.ask(), format=format_, schema=schema)))

    assert answer == outcome.text
    assert [json_text] * (problem is None) == [each.json for each in outcome.finished]
    failure = outcome.failure
    told = failure and (failure.billing, failure.kind, failure.problem)
    assert told == ((Billing.TOLD, "output_invalid", problem) if problem else None)


async def test_calls_without_an_id_have_one_of_their_own_in_every_answer(setup: Setup) -> None:
    """The conversation gives them back, and a provider refuses one in which two share an id."""
    unnamed = {"type": "tool_use", "name": "weather", "input": {}}
    delta = {"tool_calls": [{"function": {"name": "weather", "arguments": "{}"}}]}
    chat = {"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]}
    raw = events_of(
        *(chat, "[DONE]")
        if setup.name != "anthropic"
        else (
            {"type": "message_start", "message": {}},
            {"type": "content_block_start", "index": 0, "content_block": unnamed},
            *MESSAGES_PARTS[-2:],
        )
    )
    setup.upstream.behave(raw=raw)
    request = replace(setup.ask(), declared=(("weather", ""),))

    ends = [(await run(setup.stream(request))).finished[0] for _ in range(2)]

    ids = [call.call_id for end in ends for call in end.calls]
    assert 2 == len(ids) == len(set(ids))
    assert all(each.startswith("call_0_") for each in ids)
