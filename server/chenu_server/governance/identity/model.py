"""Verified tokens and boundary violations. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chenu_server.caller import Principal
from chenu_server.command import Key
from chenu_server.values import dataclass, field
from chenu_server.vocabulary import PrincipalType, Role, ViolationType

TARGET_ID_MAX: Final = 256
SUBJECT_MAX: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimNames:
    """Under which names an issuer writes its claims, in the token and inside each `act`."""

    subject: str = "sub"
    principal_type: str = "chenu_type"
    identities: str = "chenu_identities"
    actor: str = "act"
    methods: str = "amr"
    client: str = "azp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Whose tokens are taken, and what they may say. `name` is the `iss` claim.

    The key is in no `repr`. Issuers are trusted alike: a subject of one is the same principal
    as that subject of another.
    """

    name: str
    audience: str
    key: bytes = field(repr=False)
    principal_types: frozenset[PrincipalType] = frozenset({PrincipalType.SERVICE})
    claims: ClaimNames = ClaimNames()
    leeway_s: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """What a token that verified says. Roles are only those that this server knows.

    `acting_for` are spelt `type:id`, nearest first. `methods` are how the principal signed in (RFC
    8176), `client` with which program; both may be empty.
    """

    issuer: str
    principal: Principal
    acting_for: tuple[str, ...]
    identities: Mapping[str, frozenset[Role]]
    methods: tuple[str, ...]
    client: str
    expires_us: int

    @property
    def source_identity(self) -> str | None:
        """The identity to which a call without a chosen one is put down, if it is the only one."""
        return next(iter(self.identities)) if len(self.identities) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One attempt to reach over an identity's boundary, recorded before it was answered."""

    violation_id: str
    ledger_number: int
    source_identity: str
    principal_type: PrincipalType
    principal_id: str
    type: ViolationType
    target_kind: str
    target_id: str
    method: str
    peer: str
    time_us: int

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.violation_id,)
