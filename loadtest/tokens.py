"""Tokens of a local issuer with a key of its own, for servers that are started here."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from chenu_server.caller import Principal
from chenu_server.governance.identity.model import Issuer
from chenu_server.governance.identity.tokens import create_key, issue, read_key
from chenu_server.vocabulary import PrincipalType, Role

LIFETIME_S: Final = 3_600


class Mint:
    """Makes tokens for any principal. The server that shall take them needs `settings`.

    Attributes:
        age_s: How long ago the tokens to come were issued.
        lifetime_s: For how long they are good from then on.
    """

    def __init__(self, directory: Path) -> None:
        """Make the key in `directory`."""
        self.age_s = 0
        self.lifetime_s = LIFETIME_S
        self._key_file = directory / "token.key"
        create_key(self._key_file)
        self._issuer = Issuer(
            name="chenu-local",
            audience="chenu",
            key=read_key(self._key_file),
            principal_types=frozenset(PrincipalType),
        )

    @property
    def settings(self) -> dict[str, Any]:
        """The `identity` section of a server's configuration."""
        issuer = self._issuer
        return {
            "issuers": [
                {
                    "name": issuer.name,
                    "audience": issuer.audience,
                    "key_file": str(self._key_file),
                    "principal_types": sorted(each.value for each in issuer.principal_types),
                }
            ]
        }

    def token(
        self,
        kind: PrincipalType,
        subject: str,
        identities: Mapping[str, Iterable[Role]],
    ) -> str:
        """A token: of now and for an hour, unless the mint was told otherwise."""
        return issue(
            self._issuer,
            Principal(type=kind, id=subject),
            identities,
            now_us=time.time_ns() // 1_000 - self.age_s * 1_000_000,
            lifetime_s=self.lifetime_s,
        )
