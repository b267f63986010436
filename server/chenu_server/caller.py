"""Who is calling, as the verified token says. Standard library only."""

from __future__ import annotations

from typing import Final

from chenu_server.values import dataclass
from chenu_server.vocabulary import PrincipalType, Role

SYSTEM_IDENTITY: Final = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A person, a service or an agent: `sub` of the token, and its type.

    As text it is spelt `type:id`, here and everywhere: in policies, rows, entries, digests, logs
    and on the command line. No type holds a colon, so no two principals are spelt alike.
    """

    type: PrincipalType
    id: str

    def __str__(self) -> str:
        return f"{self.type.value}:{self.id}"

    @classmethod
    def spelt(cls, text: str) -> Principal:
        """
        The principal of a `type:id`; the id is all behind the first colon.

        Raises:
            ValueError: It has no known type, or no id.
        """
        kind, _, name = text.partition(":")
        if not name:
            raise ValueError(f"{text!r} is not type:id, such as user:alice")
        return cls(type=PrincipalType(kind), id=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A principal acting in one identity. Every governed call has exactly one.

    `acting_for` are the principals on whose behalf, nearest first, each spelt `type:id`. `methods`
    are how the principal signed in, `client` with which program, as far as the token says.
    """

    principal: Principal
    identity_id: str
    roles: frozenset[Role]
    acting_for: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    client: str = ""
    method: str = ""
    peer: str = ""

    @property
    def is_user(self) -> bool:
        """Whether a person calls."""
        return self.principal.type is PrincipalType.USER
