"""What providers really send, through the whole gateway: the truth of it is told and booked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Stage, only

CHAT = ("groq", "openai/gpt-oss-120b")
MESSAGES = ("anthropic", "claude-sonnet-5-5")


def stream(*events: dict[str, Any] | str) -> str:
    """Events, each on a `data` line."""
    texts = (each if isinstance(each, str) else json.dumps(each) for each in events)
    return "".join(f"data: {text}\n\n" for text in texts)


def said(text: str, **more: Any) -> dict[str, Any]:
    """A chunk of text on the chat wire."""
    return {"choices": [{"index": 0, "delta": {"content": text, **more}}]}


def counted(prompt: Any, completion: Any, **more: Any) -> dict[str, Any]:
    """A chunk that tells tokens."""
    return {
        "choices": [],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion, **more},
    }


def stopped(reason: str) -> dict[str, Any]:
    """A chunk that tells why the model stopped."""
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


HELLO, STOP, DONE = said("Hello"), stopped("stop"), "[DONE]"
START = {"type": "message_start", "message": {"usage": {"input_tokens": 11, "output_tokens": 1}}}
TEXT = {"type": "content_block_delta", "index": 0, "delta": {"text": "Hello"}}


def ended(reason: str, **usage: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The end of an answer on the messages wire."""
    delta = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}
    return delta, {"type": "message_stop"}


@dataclass(frozen=True)
class Told:
    """An answer, and what of it is told: input and output tokens, and whether that is exact."""

    raw: str
    tokens: tuple[int, int] = (11, 7)
    exact: bool = True
    stop: message_pb2.StopReason.ValueType = message_pb2.STOP_REASON_END
    model: tuple[str, str] = CHAT
    raw_type: str = "text/event-stream"
    text: str = "Hello"


WHOLE = json.dumps(
    {
        "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7},
    }
)
ANSWERS = {
    "plain": Told(stream(HELLO, STOP, counted(11, 7), DONE)),
    "zero": Told(stream(HELLO, STOP, counted(0, 0), DONE), (0, 0), exact=False),
    "null": Told(stream(HELLO, STOP, counted(None, 7), DONE), (0, 7), exact=False),
    "none": Told(stream(HELLO, STOP, DONE), (0, 0), exact=False),
    "then zero": Told(stream(HELLO, counted(11, 7), STOP, counted(0, 0), DONE)),
    "then empty": Told(stream(HELLO, counted(11, 7), STOP, {"choices": [], "usage": {}}, DONE)),
    "floats": Told(stream(HELLO, STOP, counted(11.0, 7.0), DONE)),
    "negative": Told(stream(HELLO, STOP, counted(-11, 7), DONE), (0, 7), exact=False),
    "reasoning outside": Told(
        stream(HELLO, STOP, counted(11, 7, total_tokens=118), DONE), (11, 107)
    ),
    "in JSON": Told(WHOLE, raw_type="application/json"),
    "parts": Told(stream(said(""), {**HELLO}, STOP, counted(11, 7), DONE)),
    "empty": Told(stream(STOP, counted(11, 0), DONE), (11, 0), text=""),
    "thought to its cap": Told(stream(stopped("length"), counted(11, 0), DONE), (11, 0),
                  exact=False, stop=message_pb2.STOP_REASON_LENGTH, text=""),
    "messages": Told(stream(START, TEXT, *ended("end_turn", output_tokens=7)), model=MESSAGES),
    "zero input": Told(
        stream(START, TEXT, *ended("end_turn", input_tokens=0, output_tokens=7)), model=MESSAGES
    ),
    "half": Told(stream(START, TEXT, *ended("end_turn")), (11, 1), exact=False, model=MESSAGES),
    "pause": Told(
        stream(START, TEXT, *ended("pause_turn", output_tokens=7)),
        stop=message_pb2.STOP_REASON_PAUSE,
        model=MESSAGES,
    ),
}  # fmt: skip


async def books(stage: Stage) -> tuple[int, int]:
    """What the identity's budget holds, and what was booked on it, above the bound too."""
    person = stage.person()
    (budget,) = (await person.call(person.budgets.ListBudgets, bb.ListBudgetsRequest())).budgets
    return int(budget.reserved_nanousd), int(budget.posted_nanousd + budget.overrun_nanousd)


@pytest.mark.parametrize("told", ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_is_true_and_a_cost_that_is_not_known_is_never_exact(
    stage: Stage, told: Told
) -> None:
    """Where a count is missing or impossible the bound is booked, marked as estimated."""
    stage.upstream.behave(raw=told.raw, raw_type=told.raw_type)
    client = stage.client()
    request = pb.QueryRequest(text="Hi", routing=only(*told.model))
    asked = pb.QueryRequest(text="Hi", routing=only(*told.model), validate_only=True)
    bound = (await client.call(client.pipeline.Query, asked)).validation.cost_bound_nanousd

    response = await client.call(client.pipeline.Query, request)

    query, usage = response.query, response.answer.usage
    assert told.text == response.answer.text
    assert told.stop == response.answer.stop_reason
    assert told.tokens == (usage.input_tokens, usage.output_tokens)
    basis = message_pb2.COST_BASIS_EXACT if told.exact else message_pb2.COST_BASIS_ESTIMATED
    assert basis == query.cost_basis
    assert told.exact == (query.cost_nanousd < bound)
    assert (0, query.cost_nanousd) == await books(stage)


def calling(name: str, arguments: str) -> dict[str, Any]:
    """A chunk with a whole call of a tool, and the stop behind it."""
    call = {"id": "a", "function": {"name": name, "arguments": arguments}}
    delta = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}
    return {"choices": [delta]}


FAILURES = {
    "cut": (stream(HELLO, counted(11, 7)), "STREAM_TRUNCATED", True),
    "no reason": (stream(HELLO, DONE), "STREAM_TRUNCATED", True),
    "error later": (stream(HELLO, {"error": {"type": "server_error"}}), "STREAM_TRUNCATED", True),
    "failed": (stream(HELLO, stopped("error"), DONE), "STREAM_TRUNCATED", True),
    "error first": (
        stream({"error": {"type": "overloaded_error"}}),
        "groq:overloaded",
        False,
    ),
    "error in JSON": ('{"error":{"type":"rate_limit_error"}}', "groq:rate_limit", False),
    "another JSON": ('{"detail":"Not Found"}', "groq:not_an_answer", False),
    "error after a role": (stream(said(""), {"error": {"code": 502}}), "groq:server_error", True),
    "a page": ("<html></html>", "groq:not_an_answer", False),
    "a tool nobody declared": (
        stream(calling("drop_tables", "{}"), DONE),
        "TOOL_CALL_INVALID",
        True,
    ),
}


@pytest.mark.parametrize(("raw", "told", "charged"), FAILURES.values(), ids=FAILURES)
async def test_what_is_no_whole_answer_is_a_failure(
    stage: Stage, raw: str, told: str, charged: bool
) -> None:
    """And costs its bound, unless it is certain that no model wrote anything."""
    stage.upstream.behave(raw=raw)
    client = stage.client()

    failure = await client.fail(
        client.pipeline.Query, pb.QueryRequest(text="Hi", routing=only(*CHAT))
    )

    assert told in (failure.reason, failure.metadata.get("attempts"))
    held, posted = await books(stage)
    assert (0, charged) == (held, posted > 0)


@pytest.mark.parametrize("before", [(), (HELLO,)], ids=["no text", "text"])
async def test_a_wrong_call_ends_the_query_and_is_charged_as_told(
    stage: Stage, before: tuple[dict[str, Any], ...]
) -> None:
    """The answer was whole: nobody else is asked, and no more is booked than it cost."""
    stage.upstream.behave(raw=stream(*before, calling("drop_tables", "{}"), counted(11, 7), DONE))
    client = stage.client()

    failure = await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hi"))
    _, posted = await books(stage)
    stage.upstream.behave(raw=stream(HELLO, STOP, counted(11, 7), DONE))
    query = (await client.call(client.pipeline.Query, pb.QueryRequest(text="Hi"))).query

    assert {"tool": "drop_tables", "problem": "undeclared"} == {
        key: value for key, value in failure.metadata.items() if key != "provider"
    }
    assert query.cost_nanousd == posted > 0
    assert 2 == stage.upstream.arrivals_total


OUTPUTS = {
    "fenced": ('```json\n{"city":"Paris"}\n```', None),
    "broken": ('{"city":', "not_json"),
    "prose": ("Paris it is.", "not_json"),
}


@pytest.mark.parametrize(("text", "problem"), OUTPUTS.values(), ids=OUTPUTS)
async def test_an_output_is_the_json_that_was_asked_for_or_a_failure(
    stage: Stage, text: str, problem: str | None
) -> None:
    """The text is kept as it was sent, and charged as told."""
    stage.upstream.behave(raw=stream(said(text), STOP, counted(11, 7), DONE))
    client = stage.client()
    wanted = cp.ResponseFormat(kind=cp.RESPONSE_KIND_JSON)
    request = pb.QueryRequest(text="Hi", routing=only(*CHAT), response_format=wanted)

    if problem is None:
        answer = (await client.call(client.pipeline.Query, request)).answer
        assert (text, '{"city":"Paris"}') == (answer.text, answer.json)
    else:
        failure = await client.fail(client.pipeline.Query, request)
        assert ("OUTPUT_INVALID", problem) == (failure.reason, failure.metadata["problem"])
    held, posted = await books(stage)
    assert held == 0 < posted
    assert 1 == stage.upstream.arrivals_total


async def test_more_than_the_bound_is_believed_also_where_the_answer_breaks(stage: Stage) -> None:
    """The provider will bill it, whatever became of the answer."""
    stage.upstream.behave(raw=stream(HELLO, counted(9_000_000, 9_000_000)))
    client = stage.client()
    asked = pb.QueryRequest(text="Hi", routing=only(*CHAT), validate_only=True)
    bound = (await client.call(client.pipeline.Query, asked)).validation.cost_bound_nanousd

    await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hi", routing=only(*CHAT)))

    _, posted = await books(stage)
    assert posted > bound


@pytest.mark.parametrize(
    ("status", "raw"),
    [(401, "{}"), (404, "{}"), (400, '{"error":{"message":"credit balance is too low"}}')],
)
async def test_the_operators_trouble_is_not_the_callers(
    stage: Stage, status: int, raw: str
) -> None:
    """The next candidate answers; the operator is told once, until the provider works again."""
    client = stage.client()
    broken: dict[str, Any] = {"status": status, "raw": raw}
    with structlog.testing.capture_logs() as lines:
        for knobs in (broken, broken, {}):
            stage.upstream.behave(CHAT[0], **knobs)
            await client.outcome(
                client.pipeline.Query, pb.QueryRequest(text="Hi", routing=only(*CHAT))
            )
        stage.upstream.behave(CHAT[0], **broken)
        failure = await client.fail(
            client.pipeline.Query, pb.QueryRequest(text="Hi", routing=only(*CHAT))
        )

    told = [line for line in lines if line["event"] == "provider_needs_operator"]
    assert "PROVIDER_UNAVAILABLE" == failure.reason
    assert ["groq", "groq"] == [line["provider"] for line in told]
