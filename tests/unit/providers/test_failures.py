"""What a failure tells its caller."""

from __future__ import annotations

import contextlib
import email.utils
from collections.abc import Iterator

import pytest

from chenu_server.providers import failures
from chenu_server.providers.model import Billing, ProviderFailure, Retry

NOW_S = 1_800_000_000.0
ELSEWHERE = Retry.ELSEWHERE


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("3", 3_000),
        (" 0 ", 0),
        ("0.25", 250),
        ("1.0001", 1_001),
        ("-5", 0),
        ("99999999", failures.RETRY_AFTER_MAX_MS),
        (email.utils.formatdate(NOW_S + 30, usegmt=True), 30_000),
        (email.utils.formatdate(NOW_S - 30, usegmt=True), 0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms(value: str, expected: int | None) -> None:
    """RFC 9110 allows seconds and dates, providers send fractions, proxies send nonsense."""
    assert expected == failures.retry_after_ms({"Retry-After": value}, now_s=NOW_S)


@pytest.mark.parametrize(
    ("status", "complete", "expected"),
    [
        (429, True, Billing.FREE),
        (500, True, Billing.FREE),
        (500, False, Billing.UNKNOWN),
        (204, True, Billing.UNKNOWN),
        (301, False, Billing.FREE),
    ],
)
def test_only_a_complete_refusal_is_free(status: int, complete: bool, expected: Billing) -> None:
    """What else came back may stand for a run that was billed; a redirect is not followed."""
    assert expected == failures.refused(status, {}, b"", complete=complete).billing


@pytest.mark.parametrize(
    ("status", "body", "kind", "retry", "needs_operator"),
    [
        (400, b"", "http_400", Retry.NEVER, False),
        (400, b'{"error":{"message":"Your credit balance is too low"}}', "credit", ELSEWHERE, True),
        (401, b"", "http_401", ELSEWHERE, True),
        (403, b'{"error":{"message":"flagged by moderation"}}', "moderation", Retry.NEVER, False),
        (404, b"", "http_404", ELSEWHERE, True),
        (307, b"", "redirect", ELSEWHERE, True),
        (429, b"", "http_429", Retry.LATER, False),
        (429, b'{"error":{"code":"insufficient_quota"}}', "credit", ELSEWHERE, True),
        (500, b"", "http_500", ELSEWHERE, False),
    ],
)
def test_a_refusal_says_whose_trouble_it_is(
    status: int, body: bytes, kind: str, retry: Retry, needs_operator: bool
) -> None:
    """A caller cannot mend a key or an account, and another provider may answer."""
    failure = failures.refused(status, {}, body, complete=True)

    assert (kind, retry, needs_operator) == (failure.kind, failure.retry, failure.needs_operator)


@pytest.mark.parametrize(
    ("milliseconds", "seconds", "expected"),
    [("1500", "2", 1_500), ("", "2", 2_000), ("soon", "2", 2_000), ("-1", "2", 0)],
)
def test_the_finer_time_is_taken(milliseconds: str, seconds: str, expected: int) -> None:
    """Some providers send both."""
    headers = {"retry-after-ms": milliseconds, "Retry-After": seconds}

    assert expected == failures.retry_after_ms(headers, now_s=NOW_S)


def test_a_failure_passes_through_a_with_block_unchanged() -> None:
    """`contextlib` writes to an exception that passes: a frozen one would become another."""

    @contextlib.contextmanager
    def transparent() -> Iterator[None]:
        yield

    with pytest.raises(ProviderFailure), transparent():
        raise failures.truncated()
