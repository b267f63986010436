"""A demo that cannot fail proves nothing."""

from __future__ import annotations

import grpc
import pytest

from chenu import errors
from loadtest.demo import proof

NO_ROLE = errors.RoleRequired(grpc.StatusCode.PERMISSION_DENIED, "no", "ROLE_REQUIRED")


async def done() -> str:
    """A call that was not refused."""
    return "done"


async def not_permitted() -> None:
    """A call that was."""
    raise NO_ROLE


async def test_the_expected_refusal_is_given_back() -> None:
    """Steps look at its details."""
    assert NO_ROLE is await proof.refused(errors.RoleRequired, not_permitted())


async def test_what_was_done_was_not_refused() -> None:
    """The worst case: something ran that must not."""
    with pytest.raises(proof.Unproven, match="expected RoleRequired, but it was done"):
        await proof.refused(errors.RoleRequired, done())


async def test_another_refusal_does_not_count() -> None:
    """Refused for a wrong reason is an accident, not a proof."""
    with pytest.raises(proof.Unproven, match="expected BoundaryViolation, found RoleRequired"):
        await proof.refused(errors.BoundaryViolation, not_permitted())


def test_a_difference_is_shown() -> None:
    """Whoever reads it sees both sides."""
    with pytest.raises(proof.Unproven, match="posted: expected 3, found 4"):
        proof.same(3, 4, "posted")


async def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo that hangs looks like one that works."""
    monkeypatch.setattr(proof, "PATIENCE_S", 0.05)

    with pytest.raises(proof.Unproven, match="it opens: not within"):
        await proof.until(lambda: False, "it opens")


@pytest.mark.parametrize(
    ("nanousd", "expected"), [(252_600, "0.0002526 USD"), (3_000_000_000, "3 USD"), (0, "0 USD")]
)
def test_money_is_shown_to_the_last_digit(nanousd: int, expected: str) -> None:
    """A rounded amount would hide the difference that the step is about."""
    assert expected == proof.usd(nanousd)
