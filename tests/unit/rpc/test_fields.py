"""Fields that several services have, converted in one place."""

from __future__ import annotations

import pytest

from chenu.api.annotations.v1 import access_pb2
from chenu_server.errors import InvalidField
from chenu_server.infra.rpc.principals import noted_principal
from chenu_server.infra.rpc.reasons import reason_from


@pytest.mark.parametrize("text", ["", "x" * 500, "é" * 500])
def test_a_reason_is_taken_up_to_its_length(text: str) -> None:
    """In characters, as a person counts them; none has to be given."""
    assert text == reason_from(text)


def test_a_reason_that_is_too_long_is_refused_by_its_field() -> None:
    """It is never cut: it would say something else."""
    with pytest.raises(InvalidField, match="reason: 501 characters"):
        reason_from("x" * 501)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("user", access_pb2.PRINCIPAL_TYPE_USER),
        ("agent", access_pb2.PRINCIPAL_TYPE_AGENT),
        ("robot", access_pb2.PRINCIPAL_TYPE_UNSPECIFIED),
    ],
)
def test_whoever_stands_in_the_ledger_is_told(
    kind: str, expected: access_pb2.PrincipalType.ValueType
) -> None:
    """A damaged entry can still be looked at."""
    shown = noted_principal(kind, "alice")

    assert (expected, "alice") == (shown.type, shown.id)
