"""One spelling of a principal, `type:id`, from the claims of a token to whatever names it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu_server.caller import Principal
from chenu_server.errors import TokenInvalid
from chenu_server.governance.identity.claims import ACTORS_MAX
from chenu_server.governance.identity.model import ClaimNames, Issuer, VerifiedToken
from chenu_server.governance.identity.tokens import verify
from chenu_server.vocabulary import PrincipalType
from tests.unit.identity.samples import CLAIMS, ISSUER, KEY, NOW_US, signed

UNTYPED = {name: value for name, value in CLAIMS.items() if name != "chenu_type"}

principals = st.builds(
    Principal, type=st.sampled_from(PrincipalType), id=st.text(min_size=1, max_size=12)
)


def said(claims: dict[str, Any], issuer: Issuer = ISSUER) -> VerifiedToken:
    """What a token with these claims, and no type but theirs, says."""
    return verify(signed({**UNTYPED, **claims}), {issuer.name: issuer}, NOW_US)


def chain(token: VerifiedToken) -> list[str]:
    """Who calls, then for whom."""
    return [str(token.principal), *token.acting_for]


@given(principal=principals)
def test_a_spelling_names_the_principal_it_was_made_of(principal: Principal) -> None:
    """Also with a colon in the id: a type has none, so the first one divides."""
    assert principal == Principal.spelt(str(principal))


@given(one=principals, other=principals)
def test_two_principals_are_never_spelt_alike(one: Principal, other: Principal) -> None:
    """A policy on one of them would stop or pass the other."""
    assert (one == other) == (str(one) == str(other))


@pytest.mark.parametrize("text", ["", "alice", "user:", ":alice", "robot:x", "User:alice"])
def test_what_names_no_principal_is_refused(text: str) -> None:
    """A guess would be somebody."""
    with pytest.raises(ValueError, match=r"type:id|PrincipalType"):
        Principal.spelt(text)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"sub": "a"}, ["service:a"]),
        ({"sub": "a", "chenu_type": "user"}, ["user:a"]),
        ({"sub": "a", "act": {"sub": "b"}}, ["service:b", "user:a"]),
        ({"sub": "a", "chenu_type": "agent", "act": {"sub": "b"}}, ["agent:b", "user:a"]),
        (
            {"sub": "a", "chenu_type": "user", "act": {"sub": "b", "chenu_type": "agent"}},
            ["agent:b", "user:a"],
        ),
        (
            {"sub": "a", "chenu_type": "service", "act": {"sub": "b", "chenu_type": "agent"}},
            ["agent:b", "service:a"],
        ),
        ({"sub": "a", "act": {"sub": "b", "chenu_type": "agent"}}, ["agent:b", "user:a"]),
        (
            {"sub": "a", "chenu_type": "agent", "act": {"sub": "b", "act": {"sub": "c"}}},
            ["agent:b", "service:c", "user:a"],
        ),
        (
            {
                "sub": "a",
                "chenu_type": "agent",
                "act": {"sub": "b", "act": {"sub": "c", "chenu_type": "user"}},
            },
            ["agent:b", "user:c", "user:a"],
        ),
    ],
)
def test_the_type_stands_beside_the_subject_it_is_of(
    claims: dict[str, Any], expected: list[str]
) -> None:
    """Where the outermost actor has none, the token's is the caller's; else each has its own."""
    assert expected == chain(said(claims))


@pytest.mark.parametrize("kind", ["root", "", None, 1, ["user"], "USER"])
@pytest.mark.parametrize("depth", [1, 2])
def test_a_type_that_is_none_is_refused_at_any_depth(kind: object, depth: int) -> None:
    """A party that no policy could name would pass all of them."""
    act: dict[str, Any] = {"sub": "c", "chenu_type": kind}
    claims = {"sub": "a", "act": act if depth == 1 else {"sub": "b", "act": act}}

    with pytest.raises(TokenInvalid):
        said(claims)


def test_an_actor_that_says_it_is_a_person_is_refused() -> None:
    """A person signs in; nobody becomes one by acting for one."""
    with pytest.raises(TokenInvalid):
        said({"sub": "a", "chenu_type": "agent", "act": {"sub": "b", "chenu_type": "user"}})


def test_whom_somebody_acts_for_may_be_of_any_type() -> None:
    """The cap on an issuer's types is about who calls: to be acted for gives no right."""
    issuer = Issuer(name=ISSUER.name, audience="chenu", key=KEY)
    act = {"sub": "bot", "chenu_type": "service"}

    token = said({"sub": "alice", "chenu_type": "user", "act": act}, issuer)

    assert ["service:bot", "user:alice"] == chain(token)


def test_nested_actors_are_read_under_the_issuers_own_names() -> None:
    """Else an earlier actor is passed over, and the policy on it with it."""
    names = ClaimNames(subject="oid", principal_type="kind", actor="actor")
    issuer = Issuer(
        name=ISSUER.name,
        audience="chenu",
        key=KEY,
        principal_types=frozenset(PrincipalType),
        claims=names,
    )
    nested = {"oid": "c", "kind": "agent", "sub": "not-c", "act": {"sub": "nobody"}}
    claims = {"oid": "a", "kind": "user", "actor": {"oid": "b", "kind": "agent", "actor": nested}}

    assert ["agent:b", "agent:c", "user:a"] == chain(said(claims, issuer))


@pytest.mark.parametrize("more", [0, 1])
def test_a_chain_has_a_longest_length(more: int) -> None:
    """All of its parties are in every entry, digest and verdict."""
    act: dict[str, Any] = {"sub": "0"}
    for number in range(1, ACTORS_MAX + more):
        act = {"sub": str(number), "act": act}

    if more:
        with pytest.raises(TokenInvalid):
            said({"sub": "a", "act": act})
    else:
        assert ACTORS_MAX + 1 == len(chain(said({"sub": "a", "act": act})))


def test_an_actor_that_comes_twice_is_there_twice() -> None:
    """The record says what the token says."""
    act = {"sub": "b", "act": {"sub": "c", "act": {"sub": "b"}}}

    assert ["service:b", "service:c", "service:b", "user:a"] == chain(
        said({"sub": "a", "act": act})
    )


@pytest.mark.parametrize("subject", ["user:alice", ":", "a:b:c", "élodie", "愛", "a b", "🎈"])
def test_any_printable_subject_is_spelt_as_it_is(subject: str) -> None:
    """A service whose id looks like a person is a service still."""
    token = said(
        {"sub": subject, "chenu_type": "service", "act": {"sub": subject, "chenu_type": "agent"}}
    )

    assert [f"agent:{subject}", f"service:{subject}"] == chain(token)
    assert PrincipalType.SERVICE is Principal.spelt(token.acting_for[0]).type
