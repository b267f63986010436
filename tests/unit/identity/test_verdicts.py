"""How long a verified token is remembered."""

from __future__ import annotations

import pytest

from chenu_server.errors import TokenExpired, TokenInvalid
from chenu_server.governance.identity.service import VERDICT_US, TokenService
from tests.unit.identity.samples import ISSUER, NOW_US, token


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_us = NOW_US

    def __call__(self) -> int:
        """What it shows."""
        return self.now_us


def test_a_verdict_is_kept() -> None:
    """Verification costs more than everything else that is done to a token."""
    service = TokenService([ISSUER], now_us=Clock())
    sent = token()

    assert service.verify(sent) is service.verify(sent)


def test_a_verdict_is_made_anew_after_a_minute() -> None:
    """What has changed since, such as a key, takes effect within that time."""
    clock = Clock()
    service = TokenService([ISSUER], now_us=clock)
    sent = token()
    first = service.verify(sent)

    clock.now_us += VERDICT_US - 1
    assert first is service.verify(sent)
    clock.now_us += 1
    assert first is not service.verify(sent)


def test_a_verdict_ends_with_its_token() -> None:
    """A token of ten seconds is good for ten seconds, remembered or not."""
    clock = Clock()
    service = TokenService([ISSUER], now_us=clock)
    sent = token(lifetime_s=10)
    service.verify(sent)

    clock.now_us += 10_000_000

    with pytest.raises(TokenExpired):
        service.verify(sent)


def test_the_oldest_verdict_makes_room() -> None:
    """Memory is bounded however many tokens there are."""
    clock = Clock()
    service = TokenService([ISSUER], verdicts_max=2, now_us=clock)
    sent = [token() for _ in range(3)]
    first = service.verify(sent[0])
    second = service.verify(sent[1])

    service.verify(sent[2])

    assert second is service.verify(sent[1])
    assert first is not service.verify(sent[0])


def test_what_does_not_verify_is_not_kept() -> None:
    """A stranger cannot push out the verdicts of others."""
    service = TokenService([ISSUER], verdicts_max=1, now_us=Clock())
    sent = token()
    kept = service.verify(sent)

    with pytest.raises(TokenInvalid):
        service.verify("a.b.c")

    assert kept is service.verify(sent)
