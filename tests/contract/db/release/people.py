"""Who speaks to the servers of the release, and to those that take its database over."""

from __future__ import annotations

from typing import Final

import grpc

from chenu_server.governance.identity.model import Issuer
from chenu_server.vocabulary import PrincipalType, Role
from tests.harness import IDENTITY_ROLES, SYSTEM_ROLES, Client, token_of

IDENTITIES: Final = ("acme", "globex", "hooli", "initech", "umbrella")
SYSTEM: Final = "system"
SERVICE, AGENT, USER = PrincipalType.SERVICE, PrincipalType.AGENT, PrincipalType.USER

_MEMBERS: Final = {
    "backend": (SERVICE, "backend", "acme", ()),
    "bot": (AGENT, "bot-é🎈", "acme", ("service:relay", "user:zoé")),
    "intern": (AGENT, "intern", "acme", ()),
    "globex": (SERVICE, "backend", "globex", ()),
    "hooli": (SERVICE, "backend", "hooli", ()),
    "initech": (SERVICE, "backend", "initech", ()),
    "umbrella": (SERVICE, "backend", "umbrella", ()),
}
"""By name: type, id, identity, and whom they act for, nearest first."""


class People:
    """Everybody, on one connection. Who asks is a member; one person of each identity sees all."""

    def __init__(self, channel: grpc.aio.Channel, issuer: Issuer) -> None:
        self._channel = channel
        self._issuer = issuer

    def named(self, name: str) -> Client:
        """One of those who ask; `ann` is a person of `acme`."""
        if name == "ann":
            return self.person("acme")
        type_, id_, identity, acting_for = _MEMBERS[name]
        token = token_of(
            self._issuer, {identity: [Role.MEMBER]}, type=type_, name=id_, acting_for=acting_for
        )
        return self.with_token(token)

    def person(self, identity: str) -> Client:
        """A person with every role of an identity: Ann, and in `system` everybody's auditor."""
        roles = (*IDENTITY_ROLES, *(SYSTEM_ROLES if identity == SYSTEM else ()))
        return self.with_token(token_of(self._issuer, {identity: roles}, type=USER, name="ann"))

    def lost(self, *named: str) -> Client:
        """A service of two identities that names none of them, or a third."""
        token = token_of(self._issuer, {"acme": [Role.MEMBER], "globex": [Role.MEMBER]})
        return self.with_token(token, *(("x-chenu-identity", name) for name in named))

    def with_token(self, token: str, *more: tuple[str, str]) -> Client:
        """Whoever has this token."""
        return Client(self._channel, (("authorization", f"Bearer {token}"), *more))
