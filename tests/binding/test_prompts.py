"""Prompts through the binding: every attribute arrives, and unknown words are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu_server import _core
from tests.binding import samples
from tests.binding.samples import Message, Part, Sampling, Tool

CHAT, MESSAGES = WIRES = ("openai_chat", "anthropic_messages")

HISTORY = (
    Message("system", [Part(text="Be brief.", cached=True)]),
    Message("user", (Part(text="Weather?"),)),
    Message(
        "assistant",
        [
            Part("reasoning", text="hm", signature="sig"),
            Part("reasoning", redacted="sealed"),
            Part("tool_call", call_id="c1", name="now", text='{"a": 1}'),
        ],
    ),
    Message("tool", [Part("tool_result", call_id="c1", text="no", is_error=True, cached=True)]),
)
EVERYTHING = _core.Prompt(
    HISTORY,
    tools=[Tool("now", "The time", '{"type":"object"}')],
    tool_choice="named",
    tool_choice_name="now",
    parallel_calls=False,
    format="json_schema",
    schema_name="city",
    schema='{"a": 1}',
    sampling=Sampling(0.5, 0.9, 0.1, 0.2, 7, ("END",)),
    effort="low",
    budget_tokens=2_000,
)

EXPECTED: dict[str, dict[str, Any]] = {
    CHAT: {
        "model": "m1",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "now", "arguments": '{"a": 1}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "Error: no"},
        ],
        "max_completion_tokens": 4_000,
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "now",
                    "description": "The time",
                    "parameters": {"type": "object"},
                },
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "now"}},
        "parallel_tool_calls": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "city", "schema": {"a": 1}, "strict": False},
        },
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "seed": 7,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "reasoning_effort": "low",
    },
    MESSAGES: {
        "model": "m1",
        "max_tokens": 4_000,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "sig"},
                    {"type": "redacted_thinking", "data": "sealed"},
                    {"type": "tool_use", "id": "c1", "name": "now", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "c1",
                        "content": "no",
                        "is_error": True,
                        "cache_control": {"type": "ephemeral"},
                    }
                ],
            },
        ],
        "stream": True,
        "tools": [{"name": "now", "description": "The time", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": "now", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 2_000},
        "output_config": {"format": {"type": "json_schema", "schema": {"a": 1}}, "effort": "low"},
        "stop_sequences": ["END"],
        "temperature": 0.5,
        "top_p": 0.9,
    },
}


def body(prompt: _core.Prompt, wire: str, model: str = "m1") -> bytes:
    """The body for a model with the newer field of the cap."""
    return prompt.encode(
        wire,
        model=model,
        output_cap=4_000,
        cap_field="max_completion_tokens",
        stream_options=True,
    )


def message(role: str = "user", **changes: Any) -> _core.Prompt:
    """A prompt of one part, which is changed."""
    return _core.Prompt([Message(role, [Part(**changes)])])


def capped_by(cap_field: str) -> bytes:
    """A body whose cap stands in this field."""
    return samples.prompt().encode(
        CHAT, model="m", output_cap=1, cap_field=cap_field, stream_options=False
    )


MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "role": (lambda: message("robot"), '"robot" is no role'),
    "kind": (lambda: message(kind="image"), '"image" is no kind of part'),
    "choice": (lambda: samples.prompt(tool_choice="any"), '"any" is no choice of tools'),
    "format": (lambda: samples.prompt(format="xml"), '"xml" is no format'),
    "schema": (lambda: samples.prompt(format="json_schema"), "has no schema"),
    "effort": (lambda: samples.prompt(effort="huge"), '"huge" is no effort'),
    "cap": (lambda: capped_by("tokens"), '"tokens" is no field of an output cap'),
    "wire": (lambda: samples.prompt().size("grpc"), "grpc is no wire"),
    "offers": (lambda: _core.wire_offers("grpc"), "grpc is no wire"),
}


@pytest.mark.parametrize("wire", WIRES)
def test_every_attribute_arrives_where_the_wire_has_it(wire: str) -> None:
    """An attribute that is read by a wrong name, or two that are swapped, would go unseen."""
    sent = body(EVERYTHING, wire)

    assert EXPECTED[wire] == json.loads(sent)
    assert bytes is type(sent)


@given(text=st.text(), model=st.text(max_size=20), wire=st.sampled_from(WIRES))
def test_a_body_is_no_larger_than_its_size_and_the_models_name(
    text: str, model: str, wire: str
) -> None:
    """The size bounds what a call can cost, so a byte less would be a byte unpaid."""
    prompt = samples.prompt(text)
    name = len(json.dumps(model, ensure_ascii=False).encode())
    sent = len(body(prompt, wire, model))

    assert sent <= prompt.size(wire) + name <= sent + 200
    assert prompt.size(wire) == prompt.size(wire)


def test_needs_and_offers_are_words_that_can_be_compared() -> None:
    """The router leaves out what cannot answer by comparing these."""
    needs = set(EVERYTHING.needs())

    assert [] == samples.prompt().needs()
    assert {"cache_hints", "reasoning_budget", "reasoning_input"} == needs - set(
        _core.wire_offers(CHAT)
    )
    assert {"frequency_penalty", "presence_penalty", "seed"} == needs - set(
        _core.wire_offers(MESSAGES)
    )
    assert (384, 1_088) == (EVERYTHING.extra_tokens(CHAT), EVERYTHING.extra_tokens(MESSAGES))


def test_the_words_that_stand_for_nothing_are_the_defaults() -> None:
    """Whoever passes every argument sends what one sends who passes none."""
    plain = samples.prompt(
        tools=(), tool_choice="auto", format="text", sampling=Sampling(), budget_tokens=0
    )

    for wire in WIRES:
        assert body(samples.prompt(), wire) == body(plain, wire)
    assert [] == plain.needs()


@pytest.mark.parametrize(("mistake", "said"), MISTAKES.values(), ids=MISTAKES)
def test_an_unknown_word_is_a_value_error_that_says_which(
    mistake: Callable[[], object], said: str
) -> None:
    """A word that this version does not know must not become some other one."""
    with pytest.raises(ValueError, match=said):
        mistake()


@pytest.mark.parametrize(
    "refused",
    [
        lambda: _core.Prompt([Message("user", "Hello")]),  # type: ignore[arg-type]  # the mistake
        lambda: message(text=b"Hello"),
        lambda: message(text="\ud83d"),
        lambda: samples.prompt(sampling=Sampling(seed=2**63)),
    ],
    ids=["parts", "bytes", "surrogate", "seed"],
)
def test_an_attribute_that_cannot_be_taken_is_a_type_error(refused: Callable[[], object]) -> None:
    """Nothing is guessed, cut or wrapped on its way into a body."""
    with pytest.raises(TypeError):
        refused()


def test_a_missing_attribute_is_told_by_its_name() -> None:
    """What Python forgot is mended in Python."""
    with pytest.raises(AttributeError, match="no attribute 'role'"):
        _core.Prompt(["Hello"])  # type: ignore[list-item]  # the mistake under test
