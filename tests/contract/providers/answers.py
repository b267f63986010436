"""What each provider's stream looks like, written by hand in the shape that it is known to send.

Every one says `Hello there`. The counts differ, so that no two can be taken for one another.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from chenu_server.providers.model import Usage

TEXT = "Hello there"
DONE = "data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A stream and what it comes to."""

    stream: str
    usage: Usage
    stop_reason: str = "stop"


def chunk(
    content: Any = None, *, reason: str | None = None, delta: Any = None, **fields: Any
) -> str:
    """One event of Chat Completions."""
    inner = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": inner | (delta or {}), "finish_reason": reason}
    frame = {"id": "c1", "object": "chat.completion.chunk", "created": 1_790_000_000}
    return f"data: {json.dumps(frame | {'choices': [choice]} | fields)}\n\n"


def usage_chunk(prompt: int, completion: int, **fields: Any) -> str:
    """The event with the counts and no choice, as it comes when it is asked for."""
    counts = counted(prompt, completion, **fields.pop("usage", {}))
    return f"data: {json.dumps({'id': 'c1', 'choices': [], 'usage': counts} | fields)}\n\n"


def counted(prompt: int, completion: int, **fields: Any) -> dict[str, Any]:
    """A usage object."""
    total = prompt + completion
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    return counts | fields


def event(name: str, **fields: Any) -> str:
    """One event of Anthropic Messages."""
    return f"event: {name}\ndata: {json.dumps({'type': name} | fields)}\n\n"


ROLE = chunk("", delta={"role": "assistant"})
HELLO = chunk("Hello") + chunk(" there")

ANSWERS = {
    # A thinking block comes first, unasked for; the input's counts at the start, the output's
    # at the end, where the input's may stand again.
    "anthropic": Told(
        stream=event(
            "message_start",
            message={
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude-sonnet-5-5",
                "content": [],
                "stop_reason": None,
                "usage": {
                    "input_tokens": 11,
                    "cache_read_input_tokens": 5,
                    "cache_creation_input_tokens": 7,
                    "cache_creation": {
                        "ephemeral_5m_input_tokens": 3,
                        "ephemeral_1h_input_tokens": 4,
                    },
                    "output_tokens": 1,
                },
            },
        )
        + event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""})
        + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "H"})
        + event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "s"})
        + event("content_block_stop", index=0)
        + event("ping")
        + event("content_block_start", index=1, content_block={"type": "text", "text": ""})
        + event("content_block_delta", index=1, delta={"type": "text_delta", "text": "Hello"})
        + event("content_block_delta", index=1, delta={"type": "text_delta", "text": " there"})
        + event("content_block_stop", index=1)
        + event(
            "message_delta",
            delta={"stop_reason": "end_turn", "stop_sequence": None},
            usage={"input_tokens": 11, "output_tokens": 17},
        )
        + event("message_stop"),
        usage=Usage(
            input_tokens=11,
            output_tokens=17,
            cache_read_tokens=5,
            cache_write_tokens=3,
            cache_write_hour_tokens=4,
        ),
    ),
    # The verdicts on the prompt come first, in an event without a choice.
    "azure": Told(
        stream='data: {"id":"","choices":[],"prompt_filter_results":[{"prompt_index":0,'
        '"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}\n\n'
        + ROLE
        + HELLO
        + chunk(reason="stop", usage=None)
        + usage_chunk(12, 6)
        + DONE,
        usage=Usage(input_tokens=12, output_tokens=6),
    ),
    # Thoughts are `reasoning`; `time_info` stands beside the counts.
    "cerebras": Told(
        stream=chunk(delta={"role": "assistant"})
        + chunk(delta={"reasoning": "thinking hard"})
        + HELLO
        + chunk(reason="stop")
        + usage_chunk(
            69,
            45,
            usage={
                "prompt_tokens_details": {"cached_tokens": 32},
                "completion_tokens_details": {"reasoning_tokens": 8},
            },
            time_info={"queue_time": 0.001, "total_time": 0.09, "created": 1_790_000_000.28},
        )
        + DONE,
        usage=Usage(input_tokens=37, output_tokens=45, cache_read_tokens=32),
    ),
    # Nothing is told of tokens unless the last event does: see the test of what was not told.
    "cohere": Told(
        stream=ROLE + HELLO + chunk(reason="stop", usage=counted(13, 7)) + DONE,
        usage=Usage(input_tokens=13, output_tokens=7),
    ),
    # Thoughts are `reasoning_content`, with a content of null; the cache has counts of its own.
    "deepseek": Told(
        stream=": keep-alive\n\n"
        + chunk(delta={"role": "assistant", "content": None, "reasoning_content": ""})
        + chunk(delta={"content": None, "reasoning_content": "Greet."})
        + chunk("Hello", delta={"reasoning_content": None})
        + chunk(" there", delta={"reasoning_content": None})
        + chunk("", reason="stop", delta={"reasoning_content": None}, usage=None)
        + usage_chunk(
            20,
            9,
            usage={
                "prompt_tokens_details": {"cached_tokens": 16},
                "completion_tokens_details": {"reasoning_tokens": 3},
                "prompt_cache_hit_tokens": 16,
                "prompt_cache_miss_tokens": 4,
            },
        )
        + DONE,
        usage=Usage(input_tokens=4, output_tokens=9, cache_read_tokens=16),
    ),
    # The counts stand in the event with the reason to stop, and may be told once more.
    "fireworks": Told(
        stream=chunk(delta={"role": "assistant"})
        + chunk(delta={"reasoning_content": "Greet."})
        + HELLO
        + chunk(reason="stop", usage=counted(14, 8, prompt_tokens_details={"cached_tokens": 2}))
        + usage_chunk(14, 8, usage={"prompt_tokens_details": {"cached_tokens": 2}})
        + DONE,
        usage=Usage(input_tokens=12, output_tokens=8, cache_read_tokens=2),
    ),
    # The counts of the whole so far stand in every event, thoughts only in their sum.
    "google": Told(
        stream=chunk("Hello", delta={"role": "assistant"}, usage=counted(15, 1, total_tokens=40))
        + chunk(" there", reason="stop", usage=counted(15, 2, total_tokens=42))
        + DONE,
        usage=Usage(input_tokens=15, output_tokens=27),
    ),
    # The counts stand in `x_groq`, whatever else was asked for.
    "groq": Told(
        stream=chunk("", delta={"role": "assistant"}, x_groq={"id": "req_1"})
        + chunk(delta={"reasoning": "Greet.", "channel": "analysis"})
        + HELLO
        + chunk(
            reason="stop",
            x_groq={"id": "req_1", "usage": counted(18, 5, queue_time=0.06, total_time=0.79)},
        )
        + usage_chunk(18, 5)
        + DONE,
        usage=Usage(input_tokens=18, output_tokens=5),
    ),
    "lmstudio": Told(
        stream=ROLE + HELLO + chunk(reason="stop") + usage_chunk(21, 4) + DONE,
        usage=Usage(input_tokens=21, output_tokens=4),
    ),
    "meta": Told(
        stream=ROLE
        + HELLO
        + chunk(reason="stop")
        + usage_chunk(
            22,
            30,
            usage={
                "prompt_tokens_details": {"cached_tokens": 10},
                "completion_tokens_details": {"reasoning_tokens": 26},
            },
        )
        + DONE,
        usage=Usage(input_tokens=12, output_tokens=30, cache_read_tokens=10),
    ),
    # A model that thinks sends its content as a list of parts; the counts come unasked.
    "mistral": Told(
        stream=ROLE
        + chunk([{"type": "thinking", "thinking": [{"type": "text", "text": "Greet."}]}])
        + chunk([{"type": "text", "text": "Hello"}])
        + chunk(" there", reason="stop", usage=counted(23, 12), p="abcdef")
        + DONE,
        usage=Usage(input_tokens=23, output_tokens=12),
    ),
    "ollama": Told(
        stream=chunk("", delta={"role": "assistant", "reasoning": "Greet."})
        + HELLO
        + chunk("", reason="stop")
        + usage_chunk(24, 6)
        + DONE,
        usage=Usage(input_tokens=24, output_tokens=6),
    ),
    # Each event but the last has a usage of null, and padding against guessers of lengths.
    "openai": Told(
        stream=chunk("", delta={"role": "assistant", "refusal": None}, usage=None, obfuscation="x")
        + chunk("Hello", usage=None, obfuscation="xyz")
        + chunk(" there", usage=None, obfuscation="")
        + chunk(reason="stop", usage=None)
        + usage_chunk(
            25,
            40,
            usage={
                "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 5},
                "completion_tokens_details": {"reasoning_tokens": 32},
            },
        )
        + DONE,
        usage=Usage(input_tokens=20, output_tokens=40, cache_write_tokens=5),
    ),
    # It talks in comments while it waits; both its own reason to stop and the model's are told.
    "openrouter": Told(
        stream=": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n"
        + chunk("", delta={"role": "assistant", "reasoning": "Greet."}, provider="Anthropic")
        + HELLO
        + ": OPENROUTER PROCESSING\n\n"
        + chunk("", reason="stop")
        + usage_chunk(
            26,
            11,
            usage={
                "cost": 0.00093,
                "is_byok": False,
                "prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 4},
                "cost_details": {"upstream_inference_cost": None},
            },
        )
        + DONE,
        usage=Usage(input_tokens=16, output_tokens=11, cache_read_tokens=6, cache_write_tokens=4),
    ),
    # Where it looked stands beside the choices of each event, and the whole so far in `message`.
    "perplexity": Told(
        stream="".join(
            "data: "
            + json.dumps(
                {
                    "id": "s1",
                    "model": "sonar-pro",
                    "citations": ["https://example.com/a"],
                    "search_results": [{"title": "A", "url": "https://example.com/a"}],
                    "usage": counted(27, tokens, search_context_size="low", cost={"total": 0.02}),
                    "choices": [
                        {
                            "index": 0,
                            "finish_reason": reason,
                            "message": {"role": "assistant", "content": whole},
                            "delta": {"role": "assistant", "content": piece},
                        }
                    ],
                }
            )
            + "\r\n\r\n"
            for piece, whole, tokens, reason in (
                ("Hello", "Hello", 1, None),
                (" there", TEXT, 2, None),
                ("", TEXT, 2, "stop"),
            )
        )
        + DONE,
        usage=Usage(input_tokens=27, output_tokens=2),
    ),
    # `eos` is one of its reasons, and each token may come with its number.
    "together": Told(
        stream=chunk("Hello", delta={"role": "assistant", "token_id": 9707}, usage=None)
        + chunk(" there", delta={"token_id": 1052})
        + chunk("", reason="eos", usage=counted(28, 3))
        + DONE,
        usage=Usage(input_tokens=28, output_tokens=3),
    ),
    "vllm": Told(
        stream=chunk("", delta={"role": "assistant"}, prompt_token_ids=None)
        + chunk(delta={"reasoning_content": "Greet."})
        + HELLO
        + chunk("", reason="length", usage=None)
        + usage_chunk(29, 16)
        + DONE,
        usage=Usage(input_tokens=29, output_tokens=16),
        stop_reason="length",
    ),
    # What was thought is counted beside what was written, and only the total holds both.
    "xai": Told(
        stream=chunk("Hello", delta={"role": "assistant"})
        + chunk(" there")
        + chunk("", reason="stop")
        + usage_chunk(
            32,
            2,
            usage={
                "total_tokens": 134,
                "prompt_tokens_details": {"text_tokens": 32, "cached_tokens": 8},
                "completion_tokens_details": {"reasoning_tokens": 100},
                "num_sources_used": 0,
                "cost_in_usd_ticks": 123_000,
            },
            citations=[],
        )
        + DONE,
        usage=Usage(input_tokens=24, output_tokens=102, cache_read_tokens=8),
    ),
}
