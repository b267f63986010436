"""Kinds: what providers tell of their tokens, and how answers stop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.faults.script import End, Kind, Script, Tokens, Truth
from tests.faults.wires import CHAT, MESSAGES, data

HUGE = 9_000_000
LONG = 1e300


def counts() -> Iterator[Kind]:
    """All of them, on both wires."""
    for name, (usages, tokens, is_told) in CHAT_USAGES.items():
        stop = CHAT.stop(usage=None)
        told = tuple(CHAT.counted(usage) for usage in usages)
        body = (*CHAT.begin(), CHAT.say("Hello"), *stop, *told, CHAT.terminator)
        yield _kind("faulty_chat", f"usage: {name}", body, tokens, is_told)
    for name, (start, last, tokens, is_told) in MESSAGES_USAGES.items():
        body = (
            *MESSAGES.begin(start),
            MESSAGES.say("Hello"),
            *(part for usage in last for part in MESSAGES.stop(usage=usage)),
            MESSAGES.terminator,
        )
        yield _kind("faulty_messages", f"usage: {name}", body, tokens, is_told)
    yield from _elsewhere()
    yield from _stops()


def _kind(
    provider: str, name: str, body: tuple[bytes, ...], tokens: Tokens, is_told: bool, **more: Any
) -> Kind:
    given = {"end": End.ANSWER, "text": "Hello", "tokens": tokens, "is_told": is_told, **more}
    return Kind(name=name, provider=provider, script=Script(body=body), truth=Truth(**given))


def told(prompt: Any, completion: Any, **more: Any) -> dict[str, Any]:
    """A usage object of the chat wire."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, **more}


def cached(**details: int) -> dict[str, Any]:
    """One whose prompt came from a cache in part."""
    return told(20, 7, total_tokens=27, prompt_tokens_details=details)


BOTH, NOTHING = Tokens(input=11, output=7), Tokens()
THOUGHT = {"reasoning_tokens": 100}
CHAT_USAGES: dict[str, tuple[tuple[Any, ...], Tokens, bool]] = {
    "whole": ((told(11, 7, total_tokens=18),), BOTH, True),
    "without a total": ((told(11, 7),), BOTH, True),
    "none": ((), NOTHING, False),
    "null": ((None,), NOTHING, False),
    "an empty object": (({},), NOTHING, False),
    "a text": (("eleven",), NOTHING, False),
    "a list": (([11, 7],), NOTHING, False),
    "zeros": ((told(0, 0, total_tokens=0),), NOTHING, False),
    "no input": ((told(0, 7),), Tokens(output=7), False),
    "no output": ((told(11, 0),), Tokens(input=11), False),
    "input null": ((told(None, 7),), Tokens(output=7), False),
    "output null": ((told(11, None),), Tokens(input=11), False),
    "output and total": (({"completion_tokens": 7, "total_tokens": 18},), BOTH, True),
    "input and total": (({"prompt_tokens": 11, "total_tokens": 18},), BOTH, True),
    "total alone": (({"total_tokens": 18},), NOTHING, False),
    "whole numbers as floats": ((told(11.0, 7.0),), BOTH, True),
    "fractions": ((told(11.5, 7),), Tokens(output=7), False),
    "negative": ((told(-11, 7),), Tokens(output=7), False),
    "texts": ((told("11", "7"),), NOTHING, False),
    "beyond any number": ((told(LONG, 7),), Tokens(output=7), False),
    "falling to zero": ((told(11, 7), told(0, 0)), BOTH, True),
    "falling to nothing": ((told(11, 7), {}, None), BOTH, True),
    "growing": ((told(11, 1), told(11, 3), told(11, 7)), BOTH, True),
    "falling": ((told(11, 7), told(9, 5)), BOTH, True),
    "in two halves": (({"prompt_tokens": 11}, {"completion_tokens": 7}), BOTH, True),
    "reasoning in the total alone": (
        (told(11, 7, total_tokens=118, completion_tokens_details=THOUGHT),),
        Tokens(input=11, output=107),
        True,
    ),
    "reasoning within": (
        (told(11, 107, total_tokens=118, completion_tokens_details=THOUGHT),),
        Tokens(input=11, output=107),
        True,
    ),
    "read from a cache": (
        (cached(cached_tokens=9),),
        Tokens(input=11, output=7, cache_read=9),
        True,
    ),
    "written to a cache": (
        (cached(cached_tokens=5, cache_write_tokens=4),),
        Tokens(input=11, output=7, cache_read=5, cache_write=4),
        True,
    ),
    "more cached than sent": (
        (told(11, 7, prompt_tokens_details={"cached_tokens": 50}),),
        Tokens(output=7, cache_read=50),
        False,
    ),
    "above the bound": (
        (told(HUGE, HUGE, total_tokens=2 * HUGE),),
        Tokens(input=HUGE, output=HUGE),
        True,
    ),
}


def start(**more: Any) -> dict[str, Any]:
    """What `message_start` tells."""
    return {"input_tokens": 11, "output_tokens": 1, **more}


def kept(usual: Any, hour: Any) -> dict[str, Any]:
    """What was written to a cache, by how long it is kept."""
    return {"ephemeral_5m_input_tokens": usual, "ephemeral_1h_input_tokens": hour}


END = ({"output_tokens": 7},)
SPLIT = Tokens(input=11, output=7, cache_write=3, cache_write_hour=5)
WRITE, KINDS = "cache_creation_input_tokens", "cache_creation"
MESSAGES_USAGES: dict[str, tuple[Any, tuple[Any, ...], Tokens, bool]] = {
    "whole": (start(), END, BOTH, True),
    "the end is null": (start(), (None,), Tokens(input=11, output=1), False),
    "the end is empty": (start(), ({},), Tokens(input=11, output=1), False),
    "the start is null": (None, END, Tokens(output=7), False),
    "the start is empty": ({}, END, Tokens(output=7), False),
    "zero input at the end": (start(), ({"input_tokens": 0, "output_tokens": 7},), BOTH, True),
    "zero output at the end": (
        start(),
        ({"output_tokens": 0},),
        Tokens(input=11, output=1),
        False,
    ),
    "all at the end": (None, ({"input_tokens": 11, "output_tokens": 7},), BOTH, True),
    "told twice": (start(), ({"input_tokens": 11, "output_tokens": 7},) * 2, BOTH, True),
    "growing": (start(), ({"output_tokens": 3}, {"output_tokens": 7}), BOTH, True),
    "floats": (start(input_tokens=11.0), ({"output_tokens": 7.0},), BOTH, True),
    "fractions": (start(), ({"output_tokens": 7.5},), Tokens(input=11, output=1), False),
    "negative": (start(input_tokens=-1), END, Tokens(output=7), False),
    "read from a cache, at the end": (
        start(),
        ({"output_tokens": 7, "cache_read_input_tokens": 9},),
        Tokens(input=11, output=7, cache_read=9),
        True,
    ),
    "cumulative": (
        start(cache_read_input_tokens=9, cache_creation_input_tokens=3),
        (start(cache_read_input_tokens=9, cache_creation_input_tokens=3, output_tokens=7),),
        Tokens(input=11, output=7, cache_read=9, cache_write=3),
        True,
    ),
    "written for two times": (start(**{WRITE: 8, KINDS: kept(3, 5)}), END, SPLIT, True),
    "written, in kinds alone": (start(**{KINDS: kept(3, 5)}), END, SPLIT, True),
    "written, one kind of two": (
        start(**{WRITE: 8, KINDS: {"ephemeral_1h_input_tokens": 5}}),
        END,
        SPLIT,
        True,
    ),
    "written, and the sum is another": (
        start(**{WRITE: 9, KINDS: kept(3, 5)}),
        END,
        Tokens(input=11, output=7, cache_write=4, cache_write_hour=5),
        False,
    ),
    "written, a kind is null": (
        start(**{KINDS: kept(3, None)}),
        END,
        Tokens(input=11, output=7, cache_write=3),
        False,
    ),
    "above the bound": (
        start(input_tokens=HUGE),
        ({"output_tokens": HUGE},),
        Tokens(input=HUGE, output=HUGE),
        True,
    ),
}


def _elsewhere() -> Iterator[Kind]:
    """Counts in places of a provider's own, and above the bound in an answer that breaks."""
    usage = told(11, 7, total_tokens=18)
    groq = data({"choices": [], "x_groq": {"id": "r", "usage": usage}})
    choice = {"index": 0, "delta": {}, "finish_reason": "stop", "usage": usage}
    said = (*CHAT.begin(), CHAT.say("Hello"))
    places = {
        "in a field of its own": (*said, *CHAT.stop(usage=None), groq),
        "in the choice": (*said, data({"choices": [choice]})),
        "with the first text": (
            CHAT.chunk({"content": "Hello"}, usage=usage),
            *CHAT.stop(usage=None),
        ),
        "before an empty last chunk": (*said, *CHAT.stop(usage=usage), data({"choices": []})),
    }
    for name, events in places.items():
        body = (*events, CHAT.terminator)
        yield _kind("faulty_chat", f"usage: {name}", body, BOTH, True)
    huge = Tokens(input=HUGE, output=HUGE)
    told_then_cut = {
        "faulty_chat": (*said, CHAT.counted(told(HUGE, HUGE))),
        "faulty_messages": (
            *MESSAGES.begin(start(input_tokens=HUGE)),
            MESSAGES.say("Hello"),
            *MESSAGES.stop(usage={"output_tokens": HUGE}),
        ),
    }
    for provider, events in told_then_cut.items():
        name = "usage: above the bound, then cut"
        yield _kind(provider, name, events, huge, False, end=End.BROKE, failure="truncated")


def _stops() -> Iterator[Kind]:
    """Every reason to stop, and answers that say nothing."""
    length, empty = {"stop": "LENGTH"}, {"text": ""}
    reasons = {
        "faulty_chat": {"length": length, "content_filter": {"stop": "REFUSAL"}, "eos": {},
                        "a word of its own": {"stop": "OTHER"}},
        "faulty_messages": {"max_tokens": length, "refusal": {"stop": "REFUSAL"},
                            "stop_sequence": {}, "pause_turn": {"stop": "PAUSE"},
                            "model_context_window_exceeded": length,
                            "a_word_of_its_own": {"stop": "OTHER"}},
    }  # fmt: skip
    for wire in (CHAT, MESSAGES):

        def ended(reason: str, *said: bytes, wire: Any = wire) -> tuple[bytes, ...]:
            return (*wire.begin(), *said, *wire.stop(reason), wire.terminator)

        hello = wire.say("Hello")
        for reason, truth in reasons[wire.provider].items():
            body = ended(reason, hello)
            yield _kind(wire.provider, f"stops: {reason}", body, BOTH, True, **truth)
        for reason in ("error", "cancelled"):
            broken = {"end": End.BROKE, "failure": "finish_error"}
            body = ended(reason, hello)
            yield _kind(wire.provider, f"stops: {reason}", body, BOTH, True, **broken)
        yield _kind(wire.provider, "an empty answer", ended("stop"), BOTH, True, **empty)
        thought = (*wire.begin(), wire.think("all of it"), *wire.stop("length"), wire.terminator)
        truth = {**empty, **length, "reasoning": "all of it"}
        yield _kind(wire.provider, "thought to its cap", thought, BOTH, True, **truth)
        nothing = {"end": End.BROKE, "failure": "truncated", "text": ""}
        yield _kind(wire.provider, "an empty stream", (), NOTHING, False, **nothing)
        comments = (b": one\n\n", b": two\n\n")
        yield _kind(wire.provider, "comments alone", comments, NOTHING, False, **nothing)
    silent = (*CHAT.begin(), CHAT.chunk({"content": "Hello"}, reason=""), CHAT.terminator)
    broken = {"end": End.BROKE, "failure": "truncated"}
    yield _kind("faulty_chat", "stops: an empty reason", silent, NOTHING, False, **broken)
    second = {"index": 1, "delta": {"content": "another answer"}, "finish_reason": None}
    mixed = (*CHAT.begin(), CHAT.say("Hello"), data({"choices": [second]}), *CHAT.stop())
    yield _kind("faulty_chat", "a second choice", (*mixed, CHAT.terminator), BOTH, True)
    declined = CHAT.chunk({"refusal": "Hello"})
    body = (*CHAT.begin(), declined, *CHAT.stop(), CHAT.terminator)
    yield _kind("faulty_chat", "a refusal in its own field", body, BOTH, True, stop="REFUSAL")
