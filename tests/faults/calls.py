"""Kinds: calls of tools, and outputs that must be JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.faults.script import Asks, End, Kind, Leave, Script, Tokens, Truth
from tests.faults.wires import CHAT, INPUT, MESSAGES, OUTPUT, WIRES, Chat, Messages

TOOL = "get_weather"
PARAMETERS = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'
IDLE = "list_cities"
"""A tool that takes nothing."""
PARIS, LYON = '{"city":"Paris"}', '{"city":"Lyon"}'
COUNTED = Tokens(input=INPUT, output=OUTPUT)

Wired = Chat | Messages


def calls() -> Iterator[Kind]:
    """All of them, on both wires."""
    for wire in WIRES:
        yield from _good(wire)
        yield from _bad(wire)
        yield from _outputs(wire)
    yield from _joined()


def _kind(provider: str, name: str, body: tuple[bytes, ...], asks: Asks, truth: Truth) -> Kind:
    return Kind(name=name, provider=provider, script=Script(body=body), truth=truth, asks=asks)


def _called(
    wire: Wired, name: str, body: tuple[bytes, ...], *called: tuple[str, str], text: str = ""
) -> Kind:
    truth = Truth(end=End.ANSWER, text=text, calls=called, stop="TOOL_CALLS", tokens=COUNTED)
    return _kind(wire.provider, name, body, Asks.TOOLS, truth)


def _ended(wire: Wired, *events: bytes, reason: str = "tool_calls") -> tuple[bytes, ...]:
    return (*wire.begin(), *events, *wire.stop(reason), wire.terminator)


def _good(wire: Wired) -> Iterator[Kind]:
    """Calls that are passed on, whole and once."""
    pieces = wire.call(0, TOOL, '{"city":', '"Paris"}')
    yield _called(wire, "a call in pieces", _ended(wire, *pieces), (TOOL, PARIS))
    both = (*wire.call(0, TOOL, PARIS), *wire.call(1, TOOL, LYON))
    yield _called(wire, "two calls", _ended(wire, *both), (TOOL, PARIS), (TOOL, LYON))
    said = (wire.say("Let me look."), *wire.call(0, TOOL, PARIS))
    yield _called(wire, "text and a call", _ended(wire, *said), (TOOL, PARIS), text="Let me look.")
    nothing = _ended(wire, *wire.call(0, IDLE))
    yield _called(wire, "a call without arguments", nothing, (IDLE, "{}"))


def _bad(wire: Wired) -> Iterator[Kind]:
    """Calls of which nothing may pass."""
    wrong = {
        "undeclared": (_ended(wire, *wire.call(0, "drop_tables", "{}")), "undeclared"),
        "arguments that are no object": (_ended(wire, *wire.call(0, TOOL, "[1]")), "arguments"),
        "arguments that break the schema": (
            _ended(wire, *wire.call(0, TOOL, '{"city":7}')),
            "schema",
        ),
        "arguments missing": (_ended(wire, *wire.call(0, TOOL)), "schema"),
        "cut at its cap": (
            _ended(wire, *wire.call(0, TOOL, '{"city":"Par'), reason="length"),
            "cut",
        ),
        "one good, one undeclared": (
            _ended(wire, *wire.call(0, TOOL, PARIS), *wire.call(1, "drop_tables", "{}")),
            "undeclared",
        ),
    }
    for name, (body, problem) in wrong.items():
        truth = Truth(
            end=End.BAD_CALL, failure="tool_call_invalid", problem=problem, tokens=COUNTED
        )
        yield _kind(wire.provider, f"a call: {name}", body, Asks.TOOLS, truth)
    cut = (*wire.begin(), *wire.call(0, TOOL, '{"city":"Par')[:2])
    for leave in (Leave.CLOSED, Leave.RESET, Leave.IN_ORDER):
        yield Kind(
            name=f"a call: {leave.value} in its midst",
            provider=wire.provider,
            script=Script(body=cut, leave=leave, apart_ms=5),
            truth=Truth(end=End.BROKE, failure="truncated"),
            asks=Asks.TOOLS,
        )
    whole = (*wire.begin(), *wire.call(0, TOOL, PARIS), *wire.stop("tool_calls"))
    yield _kind(
        wire.provider,
        "a call: no terminator",
        whole,
        Asks.TOOLS,
        Truth(end=End.BROKE, failure="truncated"),
    )
    silent = Script(body=cut, leave=Leave.SILENT)
    yield Kind(
        name="a call: silent in its midst",
        provider=wire.provider,
        script=silent,
        truth=Truth(end=End.BROKE, failure="timeout_between_events"),
        asks=Asks.TOOLS,
    )


def _joined() -> Iterator[Kind]:
    """Pieces that name their call in other ways; calls that a provider carries out itself."""

    def pieces(*calls: dict[str, Any]) -> tuple[bytes, ...]:
        return _ended(CHAT, *(CHAT.chunk({"tool_calls": [each]}) for each in calls))

    def piece(arguments: str, **more: Any) -> dict[str, Any]:
        name = more.pop("name", None)
        function = {"arguments": arguments} | ({"name": name} if name else {})
        return {**more, "function": function}

    shared = pieces(
        piece(PARIS, index=0, id="a", name=TOOL), piece(LYON, index=0, id="b", name=TOOL)
    )
    yield _called(CHAT, "two calls at one index", shared, (TOOL, PARIS), (TOOL, LYON))
    unplaced = pieces(piece('{"city":', id="a", name=TOOL), piece('"Paris"}', id="a"))
    yield _called(CHAT, "a call without an index", unplaced, (TOOL, PARIS))
    late = pieces(piece('{"city":', index=0, name=TOOL), piece('"Paris"}', index=0, id="a"))
    yield _called(CHAT, "a call whose id comes late", late, (TOOL, PARIS))
    mixed = pieces(
        piece('{"city":', index=0, id="a", name=TOOL),
        piece('{"city":', index=1, id="b", name=TOOL),
        piece('"Paris"}', index=0),
        piece('"Lyon"}', index=1),
    )
    yield _called(CHAT, "two calls in turns", mixed, (TOOL, PARIS), (TOOL, LYON))
    old = CHAT.chunk({"function_call": {"name": TOOL, "arguments": PARIS}})
    legacy = _ended(CHAT, old, reason="function_call")
    yield _called(CHAT, "a call in the form of 2023", legacy, (TOOL, PARIS))
    foreign = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    begun = MESSAGES.event("content_block_start", index=1, content_block=foreign)
    truth = Truth(
        end=End.BAD_CALL,
        failure="tool_call_invalid",
        problem="provider_executed",
        tokens=COUNTED,
    )
    own = _ended(MESSAGES, begun)
    yield _kind("faulty_messages", "a call: carried out there", own, Asks.TOOLS, truth)


def _outputs(wire: Wired) -> Iterator[Kind]:
    """What was asked for in JSON."""
    fenced = '```json\n{"city":"Paris"}\n```'
    good = {
        "JSON": (Asks.JSON, PARIS, PARIS),
        "JSON in a fence": (Asks.JSON, fenced, PARIS),
        "JSON by a schema": (Asks.SCHEMA, PARIS, PARIS),
    }
    for name, (asks, text, value) in good.items():
        body = _ended(wire, wire.say(text[:6]), wire.say(text[6:]), reason="stop")
        truth = Truth(end=End.ANSWER, text=text, json=value, tokens=COUNTED)
        yield _kind(wire.provider, name, body, asks, truth)
    bad = {
        "JSON: half of it": (Asks.JSON, '{"city": "Paris"', "stop", "not_json"),
        "JSON: prose": (Asks.JSON, "It is Paris.", "stop", "not_json"),
        "JSON: nothing": (Asks.JSON, "", "stop", "not_json"),
        "JSON: cut at its cap": (Asks.JSON, '{"city": "Par', "length", "cut"),
        "JSON: against its schema": (Asks.SCHEMA, '{"city":7}', "stop", "schema"),
        "JSON: no JSON for a schema": (Asks.SCHEMA, "Paris", "stop", "not_json"),
    }
    for name, (asks, text, reason, problem) in bad.items():
        said = (wire.say(text),) if text else ()
        body = _ended(wire, *said, reason=reason)
        truth = Truth(
            end=End.BAD_OUTPUT,
            failure="output_invalid",
            text=text,
            problem=problem,
            tokens=COUNTED,
        )
        yield _kind(wire.provider, name, body, asks, truth)
    cut = Script(body=(*wire.begin(), wire.say('{"city": "Par')), leave=Leave.CLOSED)
    yield Kind(
        name="JSON: closed in its midst",
        provider=wire.provider,
        script=cut,
        truth=Truth(end=End.BROKE, failure="truncated", text='{"city": "Par'),
        asks=Asks.JSON,
    )
