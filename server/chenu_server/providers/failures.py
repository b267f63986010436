"""What each way of failing means to the caller: what may be tried next, what it may cost."""

from __future__ import annotations

import email.utils
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from chenu_server.engine import AnswerFault, refusal_of
from chenu_server.providers.model import Billing, ProviderFailure, Retry
from chenu_server.steady import wall_us

# By this word everybody here is held back from the provider: a wrong one must not shut it out for
# days.
RETRY_AFTER_MAX_MS = 3_600_000
# What a provider answers that has too much to do, whoever asks: 529 is Anthropic's.
_OVERLOADED: Final = frozenset({429, 503, 529})

_RETRIES: Final = {
    "caller": Retry.NEVER,
    "operator": Retry.ELSEWHERE,
    "rate": Retry.LATER,
    "provider": Retry.ELSEWHERE,
}
# Kinds that say more than the status that they came with.
_FINER: Final = frozenset({"credit", "moderation", "redirect"})


def timed_out(*, dispatched: bool) -> ProviderFailure:
    """The deadline came first."""
    return ProviderFailure(
        retry=Retry.ELSEWHERE,
        billing=_after(dispatched),
        kind="timeout",
        detail="the provider did not finish before the deadline",
    )


def not_connected() -> ProviderFailure:
    """The provider's time to connect passed first: no byte has left."""
    return ProviderFailure(
        retry=Retry.ELSEWHERE,
        billing=Billing.FREE,
        kind="timeout_connect",
        detail="no connection could be made within connect_timeout_ms",
    )


def no_first_event() -> ProviderFailure:
    """The request went out, and no answer to it began in the provider's time."""
    return ProviderFailure(
        retry=Retry.ELSEWHERE,
        billing=Billing.UNKNOWN,
        kind="timeout_first_event",
        detail="the answer did not begin within first_event_timeout_ms",
    )


def no_next_event() -> ProviderFailure:
    """The answer began, and then nothing more of it came in the provider's time."""
    return ProviderFailure(
        retry=Retry.ELSEWHERE,
        billing=Billing.UNKNOWN,
        kind="timeout_between_events",
        detail="the answer did not go on within between_events_timeout_ms",
    )


def disconnected(*, dispatched: bool) -> ProviderFailure:
    """No connection was made, or it was lost before an answer began."""
    return ProviderFailure(
        retry=Retry.ELSEWHERE,
        billing=_after(dispatched),
        kind="connection",
        detail="the connection was lost" if dispatched else "no connection could be made",
    )


def truncated() -> ProviderFailure:
    """The answer began and ended without its terminator."""
    return ProviderFailure(
        retry=Retry.ELSEWHERE,
        billing=Billing.UNKNOWN,
        kind="truncated",
        detail="the stream ended without its terminator",
    )


def malformed(detail: str) -> ProviderFailure:
    """The answer breaks its own protocol. `detail` never quotes it."""
    return ProviderFailure(
        retry=Retry.ELSEWHERE, billing=Billing.UNKNOWN, kind="malformed", detail=detail
    )


def encoded(*, plausibly: bool) -> ProviderFailure:
    """What came calls itself encoded, as nobody asked for; if it is not even that, no model's."""
    return ProviderFailure(
        retry=Retry.ELSEWHERE,
        billing=Billing.UNKNOWN if plausibly else Billing.FREE,
        kind="not_an_answer",
        detail="the answer cannot be decoded; check the provider's base_url",
        needs_operator=True,
    )


def of_end(end: str, *, dispatched: bool) -> ProviderFailure:
    """A call that has ended without an answer, by the engine's word for how."""
    if (failure := _ENDS.get(end)) is not None:
        return failure()
    if end == "deadline":
        return timed_out(dispatched=dispatched)
    return disconnected(dispatched=dispatched)


def of_fault(fault: AnswerFault) -> ProviderFailure:
    """A 200 answer that is none, or is not what was asked for."""
    billing = Billing.TOLD if fault.is_whole else Billing.UNKNOWN
    return ProviderFailure(
        retry=_RETRIES[fault.blame],
        billing=Billing.FREE if fault.nothing_generated else billing,
        kind=fault.kind,
        detail=fault.detail,
        needs_operator=fault.blame == "operator",
        problem=fault.problem,
        subject=fault.subject,
    )


def refused(
    status: int, headers: Mapping[str, str], body: bytes, *, complete: bool
) -> ProviderFailure:
    """An answer other than 200.

    Only a complete 4xx or 5xx is known to cost nothing, and a redirect, which is not followed.
    """
    # Half a body may read as another refusal than it was, and a wrong key be blamed on the caller.
    refusal = refusal_of(status, body if complete else b"")
    free = 300 <= status < 400 or (complete and 400 <= status < 600)
    wait_ms = retry_after_ms(headers, now_s=wall_us() / 1_000_000)
    needs_operator = refusal.blame == "operator"
    return ProviderFailure(
        retry=_RETRIES[refusal.blame],
        billing=Billing.FREE if free else Billing.UNKNOWN,
        kind=refusal.kind if refusal.kind in _FINER else f"http_{status}",
        detail=f"the provider answered {status}",
        retry_after_ms=wait_ms,
        # Not where its operator alone can mend it: everybody would wait for nothing.
        holds_back=bool(wait_ms) and status in _OVERLOADED and not needs_operator,
        needs_operator=needs_operator,
    )


def retry_after_ms(headers: Mapping[str, str], *, now_s: float) -> int | None:
    """When to come back, as milliseconds, at most an hour.

    `Retry-After` holds seconds or a date (RFC 9110 §10.2.3); some providers send
    `retry-after-ms` too, which is finer.
    """
    wait_s = _seconds_of(headers.get("retry-after-ms", ""), now_s, per_s=1_000)
    if wait_s is None:
        wait_s = _seconds_of(headers.get("Retry-After", ""), now_s)
    # To the parser `nan` and `inf` are numbers as well.
    if wait_s is None or not math.isfinite(wait_s):
        return None
    return min(max(math.ceil(wait_s * 1_000), 0), RETRY_AFTER_MAX_MS)


def _seconds_of(text: str, now_s: float, *, per_s: int = 1) -> float | None:
    value = text.strip()
    if not value:
        return None
    try:
        return float(value) / per_s  # some providers send fractions
    except ValueError:
        pass
    try:
        return email.utils.parsedate_to_datetime(value).timestamp() - now_s
    except (ValueError, OverflowError):
        return None


_ENDS: Final[Mapping[str, Callable[[], ProviderFailure]]] = {
    "not_connected": not_connected,
    "no_first_event": no_first_event,
    "no_next_event": no_next_event,
    "not_http": partial(malformed, "the answer is not HTTP"),
    "truncated": truncated,
    "too_large": partial(malformed, "the stream is larger than 64 MiB"),
    "encoded": partial(encoded, plausibly=True),
    "not_encoded": partial(encoded, plausibly=False),
}


def _after(dispatched: bool) -> Billing:
    return Billing.UNKNOWN if dispatched else Billing.FREE
