"""One attempt of lane F: what it was, how it ended, and what all of them together come to."""

from __future__ import annotations

import time
from collections.abc import Callable

from chenu_server.engine import cost
from chenu_server.errors import (
    ChenuError,
    DeadlineUnreachable,
    OutputInvalid,
    ProviderRejected,
    ProviderUnavailable,
    QueueFull,
    StreamTruncated,
    ToolCallInvalid,
)
from chenu_server.pipeline.lanes.backoff import Backoff
from chenu_server.pipeline.model import Candidate, TokenUsage
from chenu_server.pipeline.output import Output
from chenu_server.pipeline.ports import Admitted, AttemptEnd
from chenu_server.providers.model import Billing, Finished, ProviderFailure, Retry, Told, Usage
from chenu_server.values import dataclass, replace

NoRoom = QueueFull | DeadlineUnreachable


@dataclass(slots=True)
class Call:
    """One attempt in flight."""

    admitted: Admitted
    started_ns: int
    dispatched: bool = False
    finished: Finished | None = None
    told: Told | None = None  # when it was left by this side

    @property
    def candidate(self) -> Candidate:
        """The model that is called."""
        return self.admitted.chain[0]

    @property
    def answer(self) -> Finished:
        """How its provider ended it. A stream ends with its terminator or raises."""
        assert self.finished is not None, "a stream ends with its terminator or raises"
        return self.finished


class Tried:
    """What was tried for one query, and when those that throttled it have room again."""

    def __init__(self, backoff: Backoff, now_us: Callable[[], int]) -> None:
        self.backoff = backoff
        self._now_us = now_us
        self._failures: list[str] = []
        self._room_at_us: list[int] = []
        self._throttled = True

    def failed(self, provider: str, failure: ProviderFailure) -> None:
        """A provider was called and did not answer."""
        self._failures.append(f"{provider}:{failure.kind}")
        self.backoff.failed(provider, failure)
        # Against a wrong key or an empty account no wait helps, whatever the provider tells.
        after_ms = None if failure.needs_operator else failure.retry_after_ms
        # One that is down tells no time, and a time that only others told would send the caller
        # back to find it still down.
        self._throttled &= failure.retry is Retry.LATER or after_ms is not None
        if after_ms is not None:
            self._room_at_us.append(self._now_us() + after_ms * 1_000)

    def had_no_room(self, provider: str, refusal: NoRoom) -> None:
        """A provider was not called: its queue here is full, or too long for the deadline."""
        kind = "queue_full" if isinstance(refusal, QueueFull) else "deadline_unreachable"
        self._failures.append(f"{provider}:{kind}")
        self._room_at_us.append(self._now_us() + refusal.retry_after_us)

    def was_not_admitted(self, provider: str) -> None:
        """A provider was not called: that it may be could not be recorded."""
        self._failures.append(f"{provider}:not_admitted")
        self._throttled = False

    def error(self) -> ProviderUnavailable:
        """
        Why nobody answered. It is the query's end: no reason that asks for the same call again.

        A time is told only if every candidate was throttled: one that is down may stay down.
        """
        known = self._throttled and self._room_at_us
        return ProviderUnavailable(tuple(self._failures), min(self._room_at_us) if known else 0)


def succeeded(call: Call) -> AttemptEnd:
    """The end of a call that has its terminator."""
    usage, stop_reason = call.answer.usage, call.answer.stop_reason
    return _end(
        call,
        told=call.answer,
        charge=_charge_of_whole(call, usage),
        usage=_usage(usage),
        estimated=not usage.exact,
        stop_reason=stop_reason,
    )


def failed(call: Call, failure: ProviderFailure) -> AttemptEnd:
    """The end of a call that its provider failed."""
    # It had ended with its terminator, so what it told of its tokens is final, as of a good answer.
    if failure.billing is Billing.TOLD and (usage := failure.usage) is not None:
        return _end(
            call,
            charge=_charge_of_whole(call, usage),
            usage=_usage(usage),
            estimated=not usage.exact,
            failure=failure.kind,
            detail=failure.detail,
            told=failure,
        )
    unknown = failure.billing is not Billing.FREE
    charge = call.candidate.bound_nanousd if unknown else 0
    if unknown and failure.usage is not None:  # counts above the bound are believed
        charge = max(charge, _cost_of(call, failure.usage))
    return _end(
        call,
        charge=charge,
        estimated=unknown,
        failure=failure.kind,
        detail=failure.detail,
        told=failure,
    )


def given_up(call: Call, why: str, detail: str) -> AttemptEnd:
    """The end of a call that was left by this side.

    What went out is charged at its bound, or by what was told of it if that is more.
    """
    charge = call.candidate.bound_nanousd if call.dispatched else 0
    if call.told is not None:
        charge = max(charge, _cost_of(call, call.told.usage))
    return _end(
        call,
        charge=charge,
        estimated=call.dispatched,
        failure=why,
        detail=detail,
        told=call.told or call.finished,
    )


def final_error(failure: ProviderFailure, call: Call, output: Output) -> ChenuError | None:
    """What the caller gets if no other provider may be tried; None if one may."""
    provider = call.candidate.provider
    # The model has answered, and was paid: another one would be paid for the same again.
    if failure.kind == "tool_call_invalid":
        return ToolCallInvalid(provider, failure.subject, failure.problem)
    if failure.kind == "output_invalid":
        return OutputInvalid(provider, failure.problem)
    if output:  # the caller has read of this answer: another one's words cannot follow
        return StreamTruncated(provider, output.length)
    # The request itself was refused, and the caller alone can mend that.
    if failure.retry is Retry.NEVER:
        return ProviderRejected(provider, failure.kind)
    return None


def _end(
    call: Call,
    *,
    charge: int,
    usage: TokenUsage | None = None,
    estimated: bool = False,
    failure: str = "",
    detail: str = "",
    stop_reason: str = "",
    told: Finished | ProviderFailure | Told | None = None,
) -> AttemptEnd:
    attempt = call.admitted.attempt
    if told is not None:
        attempt = replace(attempt, provider_request_id=told.request_id, answered_model=told.model)
    return AttemptEnd(
        attempt=attempt,
        usage=usage or TokenUsage(),
        charge_nanousd=charge,
        # To charge nothing is exact: marked as an estimate, the books would say that it may have
        # cost something.
        estimated=estimated and charge > 0,
        failure=failure,
        duration_us=(time.monotonic_ns() - call.started_ns) // 1_000,
        stop_reason=stop_reason,
        detail=detail,
    )


def _charge_of_whole(call: Call, usage: Usage) -> int:
    """What an answer cost that had ended: by its tokens, if they are known."""
    charge = _cost_of(call, usage)
    # Where something was not told, the tokens give the least that it cost: what exceeds the bound
    # even so is believed.
    return charge if usage.exact else max(charge, call.candidate.bound_nanousd)


def _cost_of(call: Call, usage: Usage) -> int:
    rates = call.candidate.rates.of_prompt(usage.prompt_tokens)
    # All kinds in one sum, for it is rounded up once and not once for each.
    return cost(
        [
            (usage.input_tokens, rates.input),
            (usage.output_tokens, rates.output),
            (usage.cache_read_tokens, rates.cache_read),
            (usage.cache_write_tokens, rates.cache_write),
            (usage.cache_write_hour_tokens, rates.cache_write_hour),
        ]
    )


def _usage(usage: Usage) -> TokenUsage:
    return TokenUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_hour_tokens=usage.cache_write_hour_tokens,
    )
