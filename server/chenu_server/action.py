"""What an operation acts on, whichever feature asks. Standard library only."""

from __future__ import annotations

from chenu_server.values import dataclass
from chenu_server.vocabulary import Sphere


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a query acts on, or money is spent for. Empty strings where the caller named nothing."""

    operation: str = ""
    kind: str = ""
    id: str = ""
    sphere: Sphere | None = None

    @property
    def path(self) -> str:
        """`kind/id`, as approvers see it; empty where it names no thing."""
        return f"{self.kind}/{self.id}" if self.kind or self.id else ""
