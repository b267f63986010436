"""What a token says, how it is made, and where its key is kept."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chenu_server.caller import Principal
from chenu_server.config import IssuerSettings
from chenu_server.errors import TokenExpired, TokenInvalid, TokenRefused
from chenu_server.governance.identity.model import ClaimNames, Issuer, VerifiedToken
from chenu_server.governance.identity.tokens import (
    KeyFileError,
    create_key,
    issue,
    read_key,
    verify,
)
from chenu_server.vocabulary import PrincipalType, Role
from tests.unit.identity.samples import CLAIMS, ISSUER, KEY, NOW_S, NOW_US, signed, token

ISSUERS = {ISSUER.name: ISSUER}
GOOD = token()
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.="

names = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=40)
kinds = st.sampled_from(PrincipalType)
identity_ids = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)


def said(claims: dict[str, Any]) -> VerifiedToken:
    """What a token with these claims says."""
    return verify(signed({**CLAIMS, **claims}), ISSUERS, NOW_US)


@given(
    name=names,
    kind=st.sampled_from([PrincipalType.SERVICE, PrincipalType.AGENT]),
    identities=st.dictionaries(
        identity_ids, st.sets(st.sampled_from([Role.MEMBER, Role.APPROVER])), min_size=1, max_size=4
    ),
    acting_for=st.lists(st.builds(Principal, type=kinds, id=names).map(str), max_size=3),
    lifetime_s=st.integers(1, 86_400),
)
def test_a_token_says_what_it_was_issued_to_say(
    name: str,
    kind: PrincipalType,
    identities: dict[str, set[Role]],
    acting_for: list[str],
    lifetime_s: int,
) -> None:
    """For whom it was made, for whom that one acts, where and until when."""
    principal = Principal(type=kind, id=name)

    made = issue(
        ISSUER,
        principal,
        identities,
        now_us=NOW_US,
        lifetime_s=lifetime_s,
        acting_for=acting_for,
        methods=["pwd"],
    )

    expected = VerifiedToken(
        issuer=ISSUER.name,
        principal=principal,
        acting_for=tuple(acting_for),
        identities={name: frozenset(roles) for name, roles in identities.items()},
        methods=("pwd",),
        client="",
        expires_us=(NOW_S + lifetime_s) * 1_000_000,
    )
    assert expected == verify(made, ISSUERS, NOW_US)


@given(position=st.integers(0, len(GOOD) - 1), character=st.sampled_from(ALPHABET))
def test_a_changed_character_never_verifies(position: int, character: str) -> None:
    """Whichever it is: every bit of a token counts."""
    mutated = GOOD[:position] + character + GOOD[position + 1 :]
    if mutated == GOOD:
        return

    with pytest.raises(TokenInvalid):
        verify(mutated, ISSUERS, NOW_US)


@given(
    start=st.integers(0, len(GOOD)), count=st.integers(1, 8), inserted=st.text(ALPHABET, max_size=8)
)
def test_a_cut_or_spliced_token_never_verifies(start: int, count: int, inserted: str) -> None:
    """Deletions and insertions."""
    mutated = GOOD[:start] + inserted + GOOD[start + count :]
    if mutated == GOOD:
        return

    with pytest.raises(TokenInvalid):
        verify(mutated, ISSUERS, NOW_US)


@given(text=st.text(max_size=300))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    """A stranger's header reaches this code."""
    with pytest.raises(TokenInvalid):
        verify(text, ISSUERS, NOW_US)


def test_an_actor_is_who_calls_and_acts_for_the_subject() -> None:
    """RFC 8693 §4.1: the outermost actor is the current one, the most nested the first."""
    act = {"sub": "planner", "act": {"sub": "assistant"}}

    token = said({"sub": "alice", "chenu_type": "agent", "act": act})

    assert Principal(type=PrincipalType.AGENT, id="planner") == token.principal
    assert ("service:assistant", "user:alice") == token.acting_for


@pytest.mark.parametrize(
    ("identity", "granted", "held"),
    [
        ("acme", ["member", "operator"], {Role.MEMBER}),
        ("system", ["operator", "system_auditor"], {Role.OPERATOR, Role.SYSTEM_AUDITOR}),
        ("acme", ["member", "janitor", "MEMBER"], {Role.MEMBER}),
        ("acme", [], set()),
    ],
)
def test_roles_are_those_that_this_server_knows(
    identity: str, granted: list[str], held: set[Role]
) -> None:
    """An issuer's other roles mean nothing here; `operator` is held on `system` alone."""
    assert {identity: held} == said({"chenu_identities": {identity: granted}}).identities


def test_a_token_without_a_type_is_a_services() -> None:
    """The type with the least that a person may do."""
    without = {name: value for name, value in CLAIMS.items() if name != "chenu_type"}

    token = verify(signed(without), ISSUERS, NOW_US)

    assert PrincipalType.SERVICE is token.principal.type


def test_claim_names_are_the_issuers() -> None:
    """An identity provider has names of its own."""
    names = ClaimNames(
        subject="oid", principal_type="kind", identities="tenants", actor="actor", methods="how"
    )
    issuer = Issuer(
        name="i", audience="chenu", key=KEY, principal_types=frozenset(PrincipalType), claims=names
    )
    agent = Principal(type=PrincipalType.AGENT, id="bot")

    made = issue(
        issuer,
        agent,
        {"acme": [Role.MEMBER]},
        now_us=NOW_US,
        lifetime_s=60,
        acting_for=["service:billing", "user:alice"],
        methods=["mfa"],
    )

    token = verify(made, {"i": issuer}, NOW_US)
    assert (agent, ("mfa",)) == (token.principal, token.methods)
    assert ("service:billing", "user:alice") == token.acting_for
    with pytest.raises(TokenInvalid):
        verify(made, {"i": Issuer(name="i", audience="chenu", key=KEY)}, NOW_US)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
@pytest.mark.parametrize(
    ("leeway_s", "early_us", "good"),
    [
        (5, 5_000_000, True),
        (5, 5_000_001, False),
        (0, 0, True),
        (0, 1, False),
        (60, 60_000_000, True),
        (60, 60_000_001, False),
    ],
)
def test_an_issuers_clock_may_be_ahead_by_the_leeway_exactly(
    claim: str, leeway_s: int, early_us: int, good: bool
) -> None:
    """A token that was made a second ago by a clock a second ahead is no attack."""
    issuer = Issuer(name=ISSUER.name, audience="chenu", key=KEY, leeway_s=leeway_s)
    made, at_us = signed({**CLAIMS, claim: NOW_S}), NOW_US - early_us

    if good:
        assert "svc-1" == verify(made, {issuer.name: issuer}, at_us).principal.id
    else:
        with pytest.raises(TokenInvalid) as refused:
            verify(made, {issuer.name: issuer}, at_us)
        assert f"{claim} is in the future" == refused.value.check


@pytest.mark.parametrize("leeway_s", [0, 5, 60])
def test_no_leeway_makes_a_token_live_longer(leeway_s: int) -> None:
    """It ends when it says, to the microsecond, and so does what is remembered of it."""
    issuer = Issuer(name=ISSUER.name, audience="chenu", key=KEY, leeway_s=leeway_s)
    end_us = CLAIMS["exp"] * 1_000_000
    last = verify(signed(CLAIMS), {issuer.name: issuer}, end_us - 1)

    assert end_us == last.expires_us
    with pytest.raises(TokenExpired):
        verify(signed(CLAIMS), {issuer.name: issuer}, end_us)


def test_the_leeway_is_five_seconds_unless_it_is_set() -> None:
    """Clocks that are kept by NTP differ by less."""
    configured = IssuerSettings(name="a", key_file=Path("a.key"))

    assert (5, 5) == (configured.leeway_s, Issuer(name="a", audience="b", key=KEY).leeway_s)


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"iss": "stranger"}, "iss is no configured issuer"),
        ({"aud": "other"}, "aud is not this server's"),
        ({"exp": "soon"}, "exp is no number"),
        ({"exp": NOW_S - 1}, "exp has passed"),
        ({"nbf": NOW_S + 60}, "nbf is in the future"),
        ({"chenu_type": "root"}, "chenu_type is unknown"),
        ({"chenu_identities": {"A": []}}, "chenu_identities holds what is no identity"),
        ({"chenu_identities": {"a": "member"}}, "chenu_identities holds no list of texts"),
        ({"amr": "pwd"}, "amr holds no list of texts"),
        ({"amr": [""]}, "amr holds more, or other, than names"),
        ({"amr": ["m\ud800"]}, "amr holds more, or other, than names"),
        ({"amr": ["pwd"] * 17}, "amr holds more, or other, than names"),
        ({"azp": ["portal"]}, "azp is no name"),
        ({"azp": "a" * 257}, "azp is no name"),
        ({"azp": "a\nb"}, "azp is no name"),
        ({"act": "me"}, "act is no actor, or one of too many"),
    ],
)
def test_the_log_is_told_which_check_failed(changes: dict[str, Any], check: str) -> None:
    """And by whose token; the caller sees one sentence for all of them, and no metadata."""
    with pytest.raises(TokenRefused) as caught:
        said(changes)
    refused = caught.value

    assert (check, changes.get("iss", ISSUER.name)) == (refused.check, refused.issuer)
    assert {} == refused.metadata()
    assert check not in str(refused)


def test_a_subject_is_told_only_when_the_signature_holds() -> None:
    """What a forger writes there is nobody."""
    with pytest.raises(TokenRefused) as late:
        said({"exp": NOW_S})
    with pytest.raises(TokenRefused) as forged:
        verify(GOOD[:-4] + "AAAA", ISSUERS, NOW_US)

    assert ("svc-1", "") == (late.value.subject, forged.value.subject)
    assert "the signature is not the issuer's key's" == forged.value.check


def test_an_issuer_makes_no_token_that_it_may_not() -> None:
    """Whoever runs `chenu token issue` learns of it there, not from a refused call."""
    issuer = Issuer(name="i", audience="chenu", key=KEY)
    user = Principal(type=PrincipalType.USER, id="alice")

    with pytest.raises(TokenInvalid):
        issue(issuer, user, {"acme": [Role.MEMBER]}, now_us=NOW_US, lifetime_s=60)


def test_the_key_stands_in_no_repr() -> None:
    """Settings and issuers are logged."""
    assert "key" not in repr(ISSUER)


# --- key files --------------------------------------------------------------------------------


def test_a_new_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Whoever reads it can be anybody."""
    path = tmp_path / "var" / "token.key"

    create_key(path)

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert 32 == len(read_key(path))


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    """Every token made with it would end."""
    path = tmp_path / "token.key"
    create_key(path)
    before = path.read_bytes()

    with pytest.raises(FileExistsError):
        create_key(path)

    assert before == path.read_bytes()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_not_used(tmp_path: Path, mode: int) -> None:
    """It is no secret any more."""
    path = tmp_path / "token.key"
    create_key(path)
    path.chmod(mode)

    with pytest.raises(KeyFileError, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize(
    ("content", "why"), [(None, "chenu token key"), (b"!!", "no base64url"), (b"AAAA", "fewer")]
)
def test_a_file_that_holds_no_key_says_what_to_do(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    """The person who starts the server reads this."""
    path = tmp_path / "token.key"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)

    with pytest.raises(KeyFileError, match=why):
        read_key(path)
