"""Kinds: answers other than 200, and 200s that are no answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

from tests.faults.script import JSON, Blame, End, Framing, Kind, Leave, Script, Truth
from tests.faults.wires import CHAT, WIRES, Chat, Messages

OPERATORS = {401, 402, 403, 404, 405, 407, 410}
THROTTLES = {425, 429}
CALLERS = {400, 406, 409, 411, 413, 415, 422, 431, 451}
PROVIDERS = {408, 500, 501, 502, 503, 504, 507, 520, 521, 522, 523, 524, 525, 529, 530, 599}
HOUR_MS = 3_600_000
# What a provider says of when to come back, and what of it is believed, in milliseconds.
TIMES: dict[str, tuple[tuple[tuple[str, str], ...], int | None]] = {
    "seconds": ((("Retry-After", "7"),), 7_000),
    "milliseconds": ((("retry-after-ms", "1500"), ("Retry-After", "2")), 1_500),
    "fractions": ((("Retry-After", "2.5"),), 2_500),
    "a date": ((("Retry-After", "Fri, 01 Jan 2100 00:00:00 GMT"),), HOUR_MS),
    "a year": ((("Retry-After", "31536000"),), HOUR_MS),
    "no number": ((("Retry-After", "soon"),), None),
    "infinity": ((("Retry-After", "inf"),), None),
}
PAGE = b"<!doctype html><html><body>Bad gateway</body></html>"
HTML = ("content-type", "text/html")


def blame_of(status: int) -> Blame:
    """Whose trouble a status is, where its body says nothing else."""
    by_status = {Blame.OPERATOR: OPERATORS, Blame.RATE: THROTTLES, Blame.CALLER: CALLERS}
    found = [blame for blame, statuses in by_status.items() if status in statuses]
    return found[0] if found else Blame.PROVIDER


def refusals() -> Iterator[Kind]:
    """All of them, on both wires."""
    for wire in WIRES:
        for status in sorted(OPERATORS | THROTTLES | CALLERS | PROVIDERS):
            yield _refusal(wire, status)
            yield _refusal(wire, status, time="seconds")
        for time in TIMES:
            for status in (429, 503):
                yield _refusal(wire, status, time=time, name=f"{status}, time: {time}")
        yield from _with_bodies(wire)
        yield from _broken(wire)
        yield from _redirects(wire)
        yield from _no_answers(wire)


def _refusal(
    wire: Chat | Messages,
    status: int,
    *,
    name: str = "",
    time: str = "",
    body: bytes | None = None,
    failure: str = "",
    blame: Blame | None = None,
) -> Kind:
    headers, told_ms = TIMES.get(time, ((), None))
    whose = blame_of(status) if blame is None else blame
    sent = wire.refusal("none_of_those") if body is None else body
    return Kind(
        name=name or f"{status}{' with a time' if time else ''}",
        provider=wire.provider,
        script=Script(
            status=status,
            headers=(JSON if sent.startswith(b"{") else HTML, *headers),
            body=(sent,),
            framing=Framing.LENGTH,
        ),
        truth=Truth(
            end=End.REFUSED,
            failure=failure or ("credit" if status == 402 else f"http_{status}"),
            blame=whose,
            may_be_billed=False,
            retry_after_ms=told_ms,
        ),
    )


def _with_bodies(wire: Chat | Messages) -> Iterator[Kind]:
    """Refusals whose body says more than their status, or nothing."""
    operator, caller = Blame.OPERATOR, Blame.CALLER
    spent = wire.refusal("invalid_request_error", "Your credit balance is too low to go on")
    yield _refusal(wire, 400, name="400: credit", body=spent, failure="credit", blame=operator)
    quota = wire.refusal("insufficient_quota")
    yield _refusal(wire, 429, name="429: no quota", body=quota, failure="credit", blame=operator)
    flagged = wire.refusal("moderation")
    yield _refusal(
        wire, 403, name="403: moderation", body=flagged, failure="moderation", blame=caller
    )
    long = wire.refusal("context_length_exceeded")
    yield _refusal(wire, 400, name="400: context", body=long, blame=caller)
    yield _refusal(wire, 400, name="400: a page", body=PAGE, blame=caller)
    yield _refusal(wire, 502, name="502: a page", body=PAGE)
    yield _refusal(wire, 503, name="503: nothing", body=b"")
    yield _refusal(wire, 500, name="500: a megabyte", body=PAGE + b" " * (1 << 20))
    yield _refusal(wire, 400, name="400: a megabyte", body=PAGE + b" " * (1 << 20))
    yield _refusal(wire, 500, name="500: not UTF-8", body=b"\xff\xfe\x00")


def _broken(wire: Chat | Messages) -> Iterator[Kind]:
    """Refusals that are not whole: whether a model ran is not known."""
    for status in (400, 429, 500):
        for leave in (Leave.CLOSED, Leave.RESET, Leave.SILENT):
            whose = blame_of(status)
            yield Kind(
                name=f"{status}, then {leave.value}",
                provider=wire.provider,
                script=Script(
                    status=status,
                    headers=(JSON,),
                    body=(wire.refusal("none_of_those")[:9],),
                    framing=Framing.LENGTH,
                    missing_bytes=99,
                    leave=leave,
                ),
                truth=Truth(end=End.BROKE, failure=f"http_{status}", blame=whose),
            )


def _redirects(wire: Chat | Messages) -> Iterator[Kind]:
    """Never followed: the key is for the address that was configured."""
    for status in (301, 302, 303, 307, 308):
        yield Kind(
            name=f"{status}",
            provider=wire.provider,
            script=Script(
                status=status,
                headers=(("Location", "/elsewhere"),),
                framing=Framing.LENGTH,
            ),
            truth=Truth(
                end=End.REFUSED, failure="redirect", blame=Blame.OPERATOR, may_be_billed=False
            ),
        )


def _no_answers(wire: Chat | Messages) -> Iterator[Kind]:
    """A status of 200 and no answer: provably no model wrote that."""
    other = json.dumps({"detail": "Not Found"}).encode()
    bodies = {
        "a page": (HTML, PAGE),
        "a page that calls itself a stream": (("content-type", "text/event-stream"), PAGE),
        "a list": (JSON, b"[1,2,3]"),
        "another JSON": (JSON, other),
        "plain text": (("content-type", "text/plain"), b"OK"),
        "nothing at all": (JSON, b""),
        "deep nesting": (JSON, b"[" * 200_000),
    }
    for name, (kind, body) in bodies.items():
        yield _no_answer(wire, f"200: {name}", Script(headers=(kind,), body=(body,)))
    squeezed = (("content-type", "text/event-stream"), ("content-encoding", "gzip"))
    yield _no_answer(wire, "200: no gzip", Script(headers=squeezed, body=(b"not squeezed\n",)))
    page = Script(headers=(HTML, squeezed[1]), body=(gzip.compress(PAGE, mtime=0),))
    yield _no_answer(wire, "200: a page in gzip", page)
    limit = json.dumps({"error": {"code": 429, "message": "Rate limit"}}).encode()
    rated = Truth(end=End.BROKE, failure="rate_limit", blame=Blame.RATE, may_be_billed=False)
    if wire is CHAT:
        yield Kind(
            name="200: a 429 in JSON",
            provider=wire.provider,
            script=Script(headers=(JSON,), body=(limit,)),
            truth=rated,
        )
    busy = Script(headers=(JSON,), body=(wire.refusal("overloaded_error"),))
    truth = Truth(end=End.BROKE, failure="overloaded", may_be_billed=False)
    yield Kind(name="200: overloaded, in JSON", provider=wire.provider, script=busy, truth=truth)


def _no_answer(wire: Chat | Messages, name: str, script: Script) -> Kind:
    return Kind(
        name=name,
        provider=wire.provider,
        script=script,
        truth=Truth(
            end=End.BROKE, failure="not_an_answer", blame=Blame.OPERATOR, may_be_billed=False
        ),
    )
