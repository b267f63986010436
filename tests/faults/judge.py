"""What was seen, held against what must follow: every difference as a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu.api.pipeline.v1 import event_pb2, message_pb2
from tests.faults.observe import Seen, Variant
from tests.faults.oracle import STATUSES, Expected
from tests.faults.script import Asks, End, Kind
from tests.faults.site import STEADY_ANSWER

FINAL = ("pipeline_complete", "pipeline_error")
CALLS = ("llm_call_start", "llm_call_complete", "llm_call_error")
# A wait that was told a moment ago is a little shorter now; a busy machine takes its time.
TOLD_EARLIER_MS = 5_000
# A body is measured once for all models: with the longest name, and every option of its wire.
SPARE_BYTES = 320


def differences(kind: Kind, variant: Variant, seen: Seen, must: Expected) -> list[str]:
    """Nothing, if all of it is as it must be."""
    return [
        f"{what}: must be {want!r}, is {got!r}"
        for what, want, got in (
            *_status(seen, must),
            *_log(seen, must),
            *_answer(kind, variant, seen, must),
            *_money(kind, seen, must),
        )
        if want != got
    ]


def breaches(seen: Seen) -> list[str]:
    """What must hold of any answer, however its provider came to give it."""
    reason = seen.failure.reason if seen.failure else ""
    status = seen.failure.code.name if seen.failure else "OK"
    ends = [each.WhichOneof("body") for each in seen.log if each.WhichOneof("body") in FINAL]
    committed = [each.sequence for each in seen.log if each.sequence]
    told = [call for call in _calls(seen.log) if call[1] != "start"]
    claims = (
        ("a listed reason and its status", STATUSES.get(reason), status),
        ("final events", ["pipeline_error" if reason else "pipeline_complete"], ends),
        ("sequences", list(range(1, len(committed) + 1)), committed),
        ("attempts that ended", seen.entries.count("EXECUTE"), len(told)),
        ("booked", seen.query.cost_nanousd, seen.posted + seen.overrun),
        ("reserved", 0, seen.reserved),
        ("entries", ("ALLOW", "SETTLE"), (seen.entries[0], seen.entries[-1])),
    )
    return [f"{what}: must be {want!r}, is {got!r}" for what, want, got in claims if want != got]


Claim = tuple[str, object, object]


def _status(seen: Seen, must: Expected) -> Iterator[Claim]:
    failure = seen.failure
    yield "status", must.status, failure.code.name if failure else "OK"
    yield "reason", must.reason, failure.reason if failure else ""
    yield "problem", must.problem, failure.metadata.get("problem", "") if failure else ""
    told_us = failure.retry_after_us if failure else None
    if must.retry_after_ms is None:
        yield "RetryInfo", None, told_us
    else:
        earliest_us = max(must.retry_after_ms - TOLD_EARLIER_MS, 1) * 1_000
        in_time = told_us is not None and earliest_us <= told_us <= must.retry_after_ms * 1_000
        yield f"RetryInfo of {must.retry_after_ms} ms (told {told_us} us)", True, in_time
    outcome = seen.query.outcome.reason.removeprefix("ERROR_REASON_")
    yield "the stored outcome", must.reason, outcome


def _log(seen: Seen, must: Expected) -> Iterator[Claim]:
    committed = [each for each in seen.log if each.sequence]
    yield "sequences", list(range(1, len(committed) + 1)), [each.sequence for each in committed]
    ends = [each.WhichOneof("body") for each in seen.log if each.WhichOneof("body") in FINAL]
    final = "pipeline_error" if must.reason else "pipeline_complete"
    yield "final events", [final], ends
    yield "the last event", final, seen.log[-1].WhichOneof("body") if seen.log else None
    yield "the first event", "pipeline_start", seen.log[0].WhichOneof("body") if seen.log else None
    wanted: list[tuple[int, str, str]] = []
    for number, (end, then) in enumerate(must.attempts, 1):
        wanted += [(number, "start", ""), (number, end, then)]
    yield "attempts in the log", wanted, list(_calls(seen.log))
    if seen.live:
        yield "the live events", _names(seen.log), _names(seen.live)


def _names(events: list[Any]) -> list[tuple[int, str]]:
    """What is committed is the same for all; deltas are cut as a reader takes them."""
    return [(each.sequence, each.WhichOneof("body")) for each in events if each.sequence]


def _calls(events: list[Any]) -> Iterator[tuple[int, str, str]]:
    for each in events:
        body = each.WhichOneof("body")
        if body == "llm_call_start":
            yield each.llm_call_start.attempt, "start", ""
        elif body == "llm_call_complete":
            yield each.llm_call_complete.attempt, "complete", ""
        elif body == "llm_call_error":
            error = each.llm_call_error
            then = event_pb2.AfterAttempt.Name(error.next).removeprefix("AFTER_ATTEMPT_")
            yield error.attempt, error.kind, then


def _answer(kind: Kind, variant: Variant, seen: Seen, must: Expected) -> Iterator[Claim]:
    truth = kind.truth
    text = STEADY_ANSWER if must.text is None else must.text
    last = len(must.attempts)
    for name, events in (("log", seen.log), ("stream", seen.live)):
        if name == "log" or variant.streams:
            yield f"text in the {name}", text, _said(events, last, cp.PART_KIND_TEXT)
    if must.text is not None:
        thought = _said(seen.log, last, cp.PART_KIND_REASONING)
        yield "thoughts in the log", truth.reasoning, thought
        yield "calls in the log", list(truth.calls), list(_called(seen.log))
    if must.reason or seen.answer is None:
        yield "an answer", bool(must.reason), seen.answer is None
        return
    answer = seen.answer
    yield "text", text, answer.text
    if must.text is not None:
        calls = [
            (part.tool_call.name, part.tool_call.arguments_json)
            for part in answer.parts
            if part.HasField("tool_call")
        ]
        stop = message_pb2.StopReason.Name(answer.stop_reason).removeprefix("STOP_REASON_")
        usage, tokens = answer.usage, truth.tokens
        yield "calls", list(truth.calls), calls
        yield "stop reason", truth.stop, stop
        yield "json", truth.json, answer.json
        yield (
            "usage",
            (
                tokens.input,
                tokens.output,
                tokens.cache_read,
                tokens.cache_write,
                tokens.cache_write_hour,
            ),
            (
                usage.input_tokens,
                usage.output_tokens,
                usage.cache_read_tokens,
                usage.cache_write_tokens,
                usage.cache_write_hour_tokens,
            ),
        )


def _said(events: list[Any], attempt: int, kind: int) -> str:
    """The bytes of the attempt's parts of a kind; a hole or an overlap shows in the text."""
    kinds: dict[int, int] = {}
    ends: dict[int, int] = {}
    said = ""
    for event in events:
        delta = event.llm_call_delta
        if not event.HasField("llm_call_delta") or delta.attempt != attempt:
            continue
        if delta.offset == 0:
            kinds[delta.part] = delta.kind
        if delta.offset != ends.get(delta.part, 0):
            said += f"<{ends.get(delta.part, 0)}≠{delta.offset}>"
        ends[delta.part] = delta.offset + len(delta.text.encode())
        said += delta.text if kinds.get(delta.part) == kind else ""
    return said


def _called(events: list[Any]) -> Iterator[tuple[str, str]]:
    for event in events:
        delta = event.llm_call_delta
        if event.HasField("llm_call_delta") and delta.kind == cp.PART_KIND_TOOL_CALL:
            yield delta.name, delta.text


def _money(kind: Kind, seen: Seen, must: Expected) -> Iterator[Claim]:
    prices = seen.prices
    goes_on = must.text is None
    cost = must.cost + (seen.billed_next if goes_on else 0)
    yield "cost", cost, seen.query.cost_nanousd
    yield "booked", cost, seen.posted + seen.overrun
    yield "overrun", must.overrun, seen.overrun
    yield "reserved", 0, seen.reserved
    if cost:
        exact = message_pb2.COST_BASIS_EXACT if must.is_exact else message_pb2.COST_BASIS_ESTIMATED
        yield "basis", exact, seen.query.cost_basis
    yield "entries", must.entries, seen.entries
    yield "a silent provider is left", True, seen.is_left
    yield "calls of the provider", int(kind.script.listens), seen.calls
    yield "calls of the next", int(goes_on), seen.calls_next
    if kind.asks is not Asks.TOOLS and seen.calls:  # tools have a constant of their wire
        dearest = max(prices.input, prices.cache_read, prices.cache_write)
        sent = seen.body_bytes * dearest + seen.output_cap * prices.output
        covered = sent <= prices.bound * 1_000_000 <= sent + SPARE_BYTES * dearest
        yield f"a bound for what was sent ({sent} / 10^6, {prices.bound})", True, covered
    if kind.truth.end is End.ANSWER and kind.truth.is_told:
        yield "an estimate", False, seen.query.cost_basis == message_pb2.COST_BASIS_ESTIMATED
