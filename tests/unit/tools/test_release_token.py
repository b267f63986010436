"""What the claims of a release look like."""

from __future__ import annotations

import json

import pytest

from chenu_server.caller import Principal
from chenu_server.values import replace
from chenu_server.vocabulary import PrincipalType
from tests.unit.tools.samples import CLAIMS, NOW_S

ALICE = Principal(type=PrincipalType.USER, id="alice")


def test_every_claim_is_spelt_as_the_contract_has_it() -> None:
    """Executors in other languages read these names."""
    expected = {
        "iss": "https://gateway.test",
        "aud": "refunds",
        "jti": "0199c4a2-7a51-7000-8000-000000000001",
        "sub": "user:zoë",
        "act": {"sub": "agent:planner", "act": {"sub": "service:desk"}},
        "identity": "acme",
        "tool": "payments.refund",
        "effect": "payment",
        "basis": "person",
        "schema_sha256": bytes(range(32)).hex(),
        "arguments_sha256": CLAIMS.arguments_sha256.hex(),
        "action_digest": bytes(reversed(range(32))).hex(),
        "iat": NOW_S,
        "exp": NOW_S + 120,
    }

    assert expected == json.loads(CLAIMS.as_json())


@pytest.mark.parametrize(
    ("acting_for", "expected"),
    [
        ((), {"sub": "user:alice"}),
        (("user:bob",), {"sub": "user:bob", "act": {"sub": "user:alice"}}),
    ],
)
def test_who_calls_is_the_subject_unless_it_acts_for_another(
    acting_for: tuple[str, ...], expected: dict[str, object]
) -> None:
    """RFC 8693: an actor stands beside the one for whom it acts."""
    claims = json.loads(replace(CLAIMS, principal=ALICE, acting_for=acting_for).as_json())

    assert expected == {name: claims[name] for name in ("sub", "act") if name in claims}


def test_the_bytes_are_sorted_compact_and_utf_8() -> None:
    """The same claims are the same bytes, whichever version writes them."""
    text = CLAIMS.as_json().decode()

    assert text.startswith('{"act":{"act":{"sub":"service:desk"},"sub":"agent:planner"},"action_')
    assert '"sub":"user:zoë"' in text
    assert json.dumps(
        json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ) == (text)
