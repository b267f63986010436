"""What each way of failing means to the caller: what may be tried next, what it may cost."""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping

from chenu_server.providers.model import Billing, ProviderFailure, Retry

RETRY_AFTER_MAX_MS = 3_600_000

_REQUEST_TIMEOUT = 408
_TOO_MANY_REQUESTS = 429


def timed_out(*, dispatched: bool) -> ProviderFailure:
    """The deadline came first."""
    return ProviderFailure(
        retry=Retry.ELSEWHERE,
        billing=_after(dispatched),
        kind="timeout",
        detail="the provider did not finish before the deadline",
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


def reported(*, rate_limited: bool) -> ProviderFailure:
    """The provider reported an error inside a stream that it had begun."""
    return ProviderFailure(
        retry=Retry.LATER if rate_limited else Retry.ELSEWHERE,
        billing=Billing.UNKNOWN,
        kind="stream_error",
        detail="the provider reported an error inside its stream",
    )


def refused(status: int, headers: Mapping[str, str], *, complete: bool) -> ProviderFailure:
    """An answer other than 200. Only a complete 4xx or 5xx is known to cost nothing."""
    free = complete and 400 <= status < 600
    return ProviderFailure(
        retry=_retry_of(status),
        billing=Billing.FREE if free else Billing.UNKNOWN,
        kind=f"http_{status}",
        detail=f"the provider answered {status}",
        retry_after_ms=retry_after_ms(headers, now_s=time.time()),
    )


def retry_after_ms(headers: Mapping[str, str], *, now_s: float) -> int | None:
    """`Retry-After` (RFC 9110 §10.2.3: seconds or a date) as milliseconds, at most an hour."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    wait_s = _seconds_of(value, now_s)
    if wait_s is None or not math.isfinite(wait_s):
        return None
    return min(max(math.ceil(wait_s * 1_000), 0), RETRY_AFTER_MAX_MS)


def _seconds_of(value: str, now_s: float) -> float | None:
    try:
        return float(value)  # some providers send fractions
    except ValueError:
        pass
    try:
        return email.utils.parsedate_to_datetime(value).timestamp() - now_s
    except (ValueError, OverflowError):
        return None


def _retry_of(status: int) -> Retry:
    if status == _TOO_MANY_REQUESTS:
        return Retry.LATER
    if 400 <= status < 500 and status != _REQUEST_TIMEOUT:
        return Retry.NEVER
    return Retry.ELSEWHERE


def _after(dispatched: bool) -> Billing:
    return Billing.UNKNOWN if dispatched else Billing.FREE
