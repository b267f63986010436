"""Kinds: connections and streams that break, stop, drip or are spelt in some other way."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

from tests.faults.script import End, Framing, Kind, Leave, Script, Tokens, Truth
from tests.faults.wires import CHAT, INPUT, MESSAGES, OUTPUT, WIRES, Chat, Messages, data

PIECES = ("Hello", " there", ", you", "!")
TEXT = "".join(PIECES)
COUNTED = Tokens(input=INPUT, output=OUTPUT)
PATIENCE_MS = 1_200
"""How long a silent provider is waited for in this matrix."""

Wired = Chat | Messages


def plain(wire: Wired, *pieces: str) -> tuple[bytes, ...]:
    """The events of an ordinary answer."""
    said = tuple(wire.say(piece) for piece in pieces or PIECES)
    return (*wire.begin(), *said, *wire.stop(), wire.terminator)


def answered(text: str = TEXT, **more: Any) -> Truth:
    """A whole answer that told what it counted."""
    given: dict[str, Any] = {"tokens": COUNTED, **more}
    return Truth(end=End.ANSWER, text=text, **given)


def broke(failure: str, text: str = "", **more: Any) -> Truth:
    """An answer that did not end; what it had told of its tokens is little, and no matter."""
    return Truth(end=End.BROKE, failure=failure, text=text, **more)


def streams() -> Iterator[Kind]:
    """All of them, on both wires."""
    for wire in WIRES:
        kinds = {
            **_connections(wire),
            **_cuts(wire),
            **_stalls(wire),
            **_terminators(wire),
            **_spellings(wire),
            **_malformed(wire),
            **_bombs(wire),
        }
        for name, (script, truth) in kinds.items():
            yield Kind(name=name, provider=wire.provider, script=script, truth=truth)
    for name, (script, truth) in _open_ended().items():
        yield Kind(name=name, provider="faulty_open", script=script, truth=truth)


Pairs = dict[str, tuple[Script, Truth]]


def _connections(wire: Wired) -> Pairs:
    """Before there is a head of an answer."""
    lost = broke("connection")
    free = broke("connection", may_be_billed=False)
    silent = broke("timeout_first_event")
    return {
        "connection refused": (Script(listens=False), free),
        "closed before its head": (Script(status=0, leave=Leave.CLOSED), lost),
        "reset before its head": (Script(status=0, leave=Leave.RESET), lost),
        "silent before its head": (Script(status=0, leave=Leave.SILENT), silent),
        "half a head": (Script(greeting=b"HTTP/1.1 200 OK\r\ncont", leave=Leave.CLOSED), lost),
        "no HTTP": (
            Script(greeting=b"220 mail.example.org ready\r\n\r\n", leave=Leave.CLOSED),
            broke("malformed"),
        ),
    }


def _cuts(wire: Wired) -> Pairs:
    """After k deltas, in each way in which a connection can end."""
    found: Pairs = {}
    for number in range(len(PIECES) + 1):
        pieces = PIECES[:number]
        sent = (*wire.begin(), *(wire.say(piece) for piece in pieces))
        truth = broke("truncated", "".join(pieces))
        for leave in (Leave.CLOSED, Leave.RESET):
            script = Script(body=sent, leave=leave, apart_ms=5)
            found[f"{leave.value} after {number} deltas"] = (script, truth)
        found[f"ends in order after {number} deltas"] = (Script(body=sent), truth)
        half = (*sent, wire.say("never whole")[:-9])
        script = Script(body=half, leave=Leave.CLOSED)
        found[f"cut inside the event behind {number} deltas"] = (script, truth)
    half = plain(wire)[:-1]
    whole = Script(body=half, framing=Framing.CLOSE, leave=Leave.CLOSED)
    found["closed behind all but the terminator"] = (whole, broke("truncated", TEXT))
    return found


def _stalls(wire: Wired) -> Pairs:
    """A provider that stays, and says nothing more."""
    found: Pairs = {}
    nothing = {"its head": (), "a comment": (b": waiting\n\n",), "pings": (data({}, "ping"),) * 3}
    for name, sent in nothing.items():
        script = Script(body=sent, leave=Leave.SILENT, apart_ms=20)
        found[f"silent after {name}"] = (script, broke("timeout_first_event"))
    for number in (1, 2, 4):
        pieces = PIECES[:number]
        sent = (*wire.begin(), *(wire.say(piece) for piece in pieces))
        script = Script(body=sent, leave=Leave.SILENT)
        truth = broke("timeout_between_events", "".join(pieces))
        found[f"silent after {number} deltas"] = (script, truth)
    almost = Script(body=plain(wire)[:-1], leave=Leave.SILENT)
    found["silent before its terminator"] = (almost, broke("timeout_between_events", TEXT))
    behind = Script(body=plain(wire), leave=Leave.SILENT)
    found["silent behind its terminator"] = (behind, answered())
    slow = Script(body=plain(wire), apart_ms=PATIENCE_MS // 4)
    found["a slow drip of events"] = (slow, answered())
    drops = b"".join(plain(wire, "drop"))
    drip = Script(body=tuple(drops[at : at + 40] for at in range(0, len(drops), 40)), apart_ms=20)
    found["a slow drip of bytes"] = (drip, answered("drop"))
    return found


def _terminators(wire: Wired) -> Pairs:
    """Missing, forged, early, or followed by something."""
    events = plain(wire)
    said = (*wire.begin(), wire.say("Hel"))
    more = wire.say(" and more that nobody reads")
    quoted = f"data: [DONE]\n\n{MESSAGES.terminator.decode()}"
    found: Pairs = {
        "no terminator": (Script(body=events[:-1]), broke("truncated", TEXT)),
        "a terminator before any reason to stop": (
            Script(body=(*said, wire.terminator)),
            broke("truncated", "Hel"),
        ),
        "a terminator and nothing else": (Script(body=(wire.terminator,)), broke("truncated")),
        "a terminator in the text": (Script(body=plain(wire, quoted)), answered(quoted)),
        "words behind the terminator": (Script(body=(*events, more, more)), answered()),
        "an error behind the terminator": (
            Script(body=(*events, wire.error("server_error"))),
            answered(),
        ),
        "closed behind the terminator": (
            Script(body=events, leave=Leave.CLOSED),
            answered(),
        ),
        "the other wire's terminator": (
            Script(body=(*said, (MESSAGES if wire is CHAT else CHAT).terminator)),
            broke("truncated" if wire is CHAT else "malformed", "Hel"),
        ),
    }
    return found


def _spellings(wire: Wired) -> Pairs:
    """What the event stream standard allows, and what providers make of it."""
    events = plain(wire)
    body = b"".join(events)
    comments = (b": working\n\n", b"retry: 3000\nid: 7\n\n", data({}, "ping"))
    emoji = 'a 👩‍👩‍👧 é 日本 "\\ \u2028 z'
    bytewise = b"".join(plain(wire, emoji))
    squeezed = Script(
        headers=(("content-type", "text/event-stream"), ("content-encoding", "gzip")),
        body=(gzip.compress(body, mtime=0),),
    )
    found: Pairs = {
        "plain": (Script(body=events), answered()),
        "plain, by length": (Script(body=events, framing=Framing.LENGTH), answered()),
        "plain, until it closes": (Script(body=events, framing=Framing.CLOSE), answered()),
        "CR LF": (Script(body=(body.replace(b"\n", b"\r\n"),)), answered()),
        "CR alone": (Script(body=(body.replace(b"\n", b"\r"),)), answered()),
        "a byte order mark": (Script(body=(b"\xef\xbb\xbf", *events)), answered()),
        "comments": (Script(body=(*comments, *events)), answered()),
        "an event of the future": (
            Script(body=(*events[:-1], data({"type": "vendor_future", "x": 1}), events[-1])),
            answered(),
        ),
        "data: null": (Script(body=(events[0], data("null"), *events[1:])), answered()),
        "one byte at a time": (
            Script(body=tuple(bytewise[at : at + 1] for at in range(len(bytewise)))),
            answered(emoji),
        ),
        "no newline at its end": (Script(body=(body.rstrip(b"\n"),)), answered()),
        "squeezed": (squeezed, answered()),
        "in one JSON document": (
            Script(headers=(("content-type", "application/json"),), body=(wire.whole(TEXT),)),
            answered(),
        ),
        "in JSON that calls itself a stream": (Script(body=(wire.whole(TEXT),)), answered()),
        "thoughts first": (
            Script(body=(*wire.begin(), wire.think("hm"), *events[len(wire.begin()) :])),
            answered(reasoning="hm"),
        ),
        "a text of 200 KB": (Script(body=plain(wire, "x" * 200_000, " end")), _long(wire)),
    }
    return found


def _long(wire: Wired) -> Truth:
    """So many characters in seven tokens cannot be."""
    return answered("x" * 200_000 + " end", is_told=False)


def _malformed(wire: Wired) -> Pairs:
    """Events that are none."""
    found: Pairs = {}
    begun, said = wire.begin(), (*wire.begin(), wire.say("Hel"))
    bad = {
        "half an object": data('{"choices":[{'),
        "no JSON": data("Internal Server Error"),
        "a list": data("[1]"),
        "a number": data("7"),
    }
    for name, event in bad.items():
        rest = (*wire.stop(), wire.terminator)
        found[f"{name} as its first event"] = (Script(body=(event, *rest)), broke("malformed"))
        later = Script(body=(*said, event, *rest))
        found[f"{name} after text"] = (later, broke("malformed", "Hel"))
    words = (("overloaded_error", "overloaded"), ("api_error", "server_error"))
    for word, failure in words:
        first = Script(body=(wire.error(word),))
        found[f"{word} first"] = (first, broke(failure, may_be_billed=False))
        begun_then = Script(body=(*begun, wire.error(word)))
        found[f"{word} before text"] = (begun_then, broke(failure))
        found[f"{word} after text"] = (
            Script(body=(*said, wire.error(word))),
            broke(failure, "Hel"),
        )
    return found


def _bombs(wire: Wired) -> Pairs:
    """What would fill a memory that is not bounded."""
    line = b"data: " + b"a" * (10 << 20)
    squeezed = Script(
        headers=(("content-type", "text/event-stream"), ("content-encoding", "gzip")),
        body=(gzip.compress(b"data: " + bytes(100 << 20), 9, mtime=0),),
    )
    said = (*wire.begin(), wire.say("Hel"))
    deep = data('{"choices":' + "[" * 100_000)
    return {
        "a line of 10 MB": (Script(body=(line,)), broke("malformed")),
        "a line of 10 MB after text": (Script(body=(*said, line)), broke("malformed", "Hel")),
        "100 MB in a little gzip": (squeezed, broke("malformed")),
        "an event nested without end": (Script(body=(*said, deep)), broke("malformed", "Hel")),
    }


def _open_ended() -> Pairs:
    """A provider whose record says that it sends no terminator."""
    events = plain(CHAT)
    cut = (*CHAT.begin(), CHAT.say("Hel"))
    return {
        "ends with its stream": (Script(body=events[:-1]), answered()),
        "ends with a terminator all the same": (Script(body=events), answered()),
        "no reason to stop": (Script(body=cut), broke("truncated", "Hel")),
        "closed midway": (Script(body=cut, leave=Leave.CLOSED), broke("truncated", "Hel")),
    }
