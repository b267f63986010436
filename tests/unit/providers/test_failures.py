"""What a failure tells its caller."""

from __future__ import annotations

import contextlib
import email.utils
from collections.abc import Iterator

import pytest

from chenu_server.providers import failures
from chenu_server.providers.model import Billing, ProviderFailure

NOW_S = 1_800_000_000.0


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
        (301, True, Billing.UNKNOWN),
    ],
)
def test_only_a_complete_refusal_is_free(status: int, complete: bool, expected: Billing) -> None:
    """What else came back may stand for a run that was billed."""
    assert expected == failures.refused(status, {}, complete=complete).billing


def test_a_failure_passes_through_a_with_block_unchanged() -> None:
    """`contextlib` writes to an exception that passes: a frozen one would become another."""

    @contextlib.contextmanager
    def transparent() -> Iterator[None]:
        yield

    with pytest.raises(ProviderFailure), transparent():
        raise failures.truncated()
