"""How attempts of a random walk end, and what their providers said."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Final

from chenu_server.errors import (
    ChenuError,
    DeadlineExceeded,
    OutputInvalid,
    ProviderRejected,
    ProviderUnavailable,
    QueryCancelled,
    StreamTruncated,
    ToolCallInvalid,
)
from chenu_server.pipeline.conversation import Part
from chenu_server.pipeline.decide import CHUNK_CHARACTERS, outcome_of
from chenu_server.pipeline.model import Outcome, TokenUsage
from chenu_server.pipeline.ports import Admitted, AttemptEnd, NextAttempt, Settlement
from chenu_server.units.late import settlement_of
from chenu_server.vocabulary import PartKind, QueryStatus
from tests.twins.asks import words

FAILURES: Final = ("timeout", "connection", "http_429", "http_500", "cut", "not_dispatched")
DETAILS: Final = ("", 'said "no"\u2028\x00', "é" * 40)
NAMES: Final = (("", ""), ("req_1", ""), ("", "model-2028-02-29"), ('req "é"', "m\\2"))
# Around where a part is cut, in characters of one, two and four bytes.
CUT: Final = (
    "a" * CHUNK_CHARACTERS,
    "é" * (CHUNK_CHARACTERS - 1) + "xy",
    "a" * (CHUNK_CHARACTERS - 1) + "😀b",
    "😀" * CHUNK_CHARACTERS,
    "b" * (2 * CHUNK_CHARACTERS + 1),
)


def following(dice: Random, admitted: Admitted, dear: float) -> NextAttempt:
    """The attempt failed; one that is left is asked for, or the same if none is."""
    end = replace(ended(dice, admitted, dice.choice(FAILURES), dear), stop_reason="")
    left = admitted.chain[dice.choice((1, 1, 1, 2)) :] or admitted.chain[-1:]
    return NextAttempt(query=admitted.query, ended=end, chain=left)


def settlement(dice: Random, admitted: Admitted, now_ns: int, dear: float) -> Settlement:
    """The last attempt is over, and with it the query; seldom nothing executes."""
    completed = dice.random() < 0.5
    status, outcome = _failure(dice, admitted)
    failure = "" if completed or dice.random() < 0.2 else dice.choice(FAILURES)
    end = ended(dice, admitted, failure, dear)
    return Settlement(
        query=admitted.query,
        status=QueryStatus.COMPLETED if completed else status,
        outcome=Outcome() if completed else outcome,
        ended=end if completed or dice.random() < 0.9 else None,
        output=output(dice) if completed or dice.random() < 0.3 else (),
        execution_us=dice.randrange(9_999),
        lane_started_ns=now_ns - dice.choice((-1_000, 0, 1_999)),
    )


def late(admitted: Admitted, now_ns: int) -> Settlement:
    """What ends an attempt whose admission came too late for its caller."""
    return replace(settlement_of(admitted), lane_started_ns=now_ns)


def ended(dice: Random, admitted: Admitted, failure: str, dear: float) -> AttemptEnd:
    """How an attempt went; how often it costs more than it may is `dear`."""
    bound = admitted.attempt.bound_nanousd
    charge = dice.choice((0, 0, bound // 2, bound // 3, bound, bound))
    if dice.random() < dear:
        charge = bound + dice.choice((1, 700, 4_000, 3 * bound))
    request_id, model = dice.choice(NAMES)
    attempt = replace(admitted.attempt, provider_request_id=request_id, answered_model=model)
    return AttemptEnd(
        attempt=attempt,
        usage=_usage(dice),
        charge_nanousd=charge,
        estimated=bool(failure) and charge > 0,
        failure=failure,
        duration_us=dice.randrange(9_999_999),
        stop_reason="" if failure else dice.choice(("stop", "length", "tool_use")),
        detail=dice.choice(DETAILS) if failure else "",
    )


def _usage(dice: Random) -> TokenUsage:
    """Counts, of which those of an hour's writes are told only where there are any."""
    return TokenUsage(
        input_tokens=dice.randrange(300),
        output_tokens=dice.randrange(1_000),
        cache_read_tokens=dice.choice((0, 5)),
        cache_write_tokens=dice.choice((0, 6)),
        cache_write_hour_tokens=dice.choice((0, 0, 7)),
    )


def _failure(dice: Random, admitted: Admitted) -> tuple[QueryStatus, Outcome]:
    request_id, provider = admitted.query.request_id, admitted.attempt.provider
    told = ("first: timeout", 'second: "é",\u2028')
    error: ChenuError = dice.choice(
        (
            QueryCancelled(request_id),
            ProviderRejected(provider, "http_400"),
            ProviderUnavailable(told[: dice.randrange(3)], dice.choice((0, 1_835_398_800_000_000))),
            StreamTruncated(provider, 7),
            DeadlineExceeded(request_id),
            ToolCallInvalid(provider, "look\x00", "is not an object"),
            OutputInvalid(provider, 'has no "é"'),
        )
    )
    cancelled = isinstance(error, QueryCancelled)
    return QueryStatus.CANCELLED if cancelled else QueryStatus.FAILED, outcome_of(error)


def output(dice: Random) -> tuple[Part, ...]:
    """An answer of a few parts, some of them empty; seldom longer than what is kept in one."""
    return tuple(_part(dice) for _ in range(dice.choice((0, 1, 1, 1, 2, 4))))


def _part(dice: Random) -> Part:
    kind = dice.choice((PartKind.TEXT, PartKind.TEXT, PartKind.REASONING, PartKind.TOOL_CALL))
    text = dice.choice(CUT) if dice.random() < 0.1 else dice.choice(("", words(dice)))
    if kind is PartKind.TOOL_CALL:
        return Part(kind=kind, text=text, name=dice.choice(("look", "ü")), call_id="call \u2028")
    if kind is PartKind.REASONING:
        proof = dice.choice((("", ""), ("sig==", ""), ("", "red\x00")))
        return Part(kind=kind, text=text, signature=proof[0], redacted=proof[1])
    return Part(kind=kind, text=text)
