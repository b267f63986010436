"""A proposed tool call. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chenu_server.caller import Principal
from chenu_server.command import Key
from chenu_server.errors import ChenuError
from chenu_server.values import dataclass, field
from chenu_server.vocabulary import QueryStatus, ReleaseBasis, ToolCallState, ToolEffect

RELEASE_TTL_US: Final = 300_000_000
"""How long a release lasts, if its approval lasts as long."""

# What needs no person by itself, from what does least on; all others are alike.
_LAXER: Final = (ToolEffect.READ, ToolEffect.WRITE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """What a proposed call has beside its operation. Times are 0 before they come."""

    identity_id: str
    call_id: str
    query_id: str
    part: int
    tool: str
    effect: ToolEffect
    audience: str
    schema_sha256: bytes
    salt: bytes
    taken_us: int
    expires_us: int
    key_id: str
    redeemed_us: int

    @property
    def key(self) -> Key:
        """The primary key."""
        return (self.identity_id, self.call_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A proposed call as it stands: its row, and what is read of its operation's.

    `refusal` is why it can be taken no more, or never could.
    """

    call: ToolCall
    principal: Principal
    acting_for: tuple[str, ...]
    status: QueryStatus
    checkpoint_id: str
    action_digest: bytes
    created_us: int
    updated_us: int
    refusal: ChenuError | None

    @property
    def state(self) -> ToolCallState:
        """Where the call stands."""
        if self.status is QueryStatus.COMPLETED:
            return ToolCallState.RELEASED if self.checkpoint_id else ToolCallState.PASSED
        return _STATES.get(self.status, ToolCallState.HELD)

    @property
    def basis(self) -> ReleaseBasis:
        """Why it may be executed, where it may."""
        return ReleaseBasis.PERSON if self.checkpoint_id else ReleaseBasis.POLICY


_STATES: Final = {
    QueryStatus.FAILED: ToolCallState.REFUSED,
    QueryStatus.REJECTED: ToolCallState.REFUSED,
    QueryStatus.EXPIRED: ToolCallState.EXPIRED,
    QueryStatus.CANCELLED: ToolCallState.CANCELLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What an operator says of a tool. `schema` is a JSON schema's text, or empty."""

    effect: ToolEffect
    schema: str = ""
    audience: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """All that an operator says of tools. `unlisted` is checkpoint, allow or deny."""

    named: Mapping[str, Configured] = field(default_factory=dict)
    unlisted: str = "checkpoint"

    @property
    def schemas(self) -> Mapping[str, str]:
        """The schemas that calls have to satisfy, by tool."""
        return {name: each.schema for name, each in self.named.items() if each.schema}

    def effect_of(self, name: str, asked: ToolEffect) -> ToolEffect:
        """What a call does: as it is configured, unless the request says that it does more."""
        known = self.named.get(name)
        if known is None:
            return asked
        return asked if _rank(asked) > _rank(known.effect) else known.effect


def _rank(effect: ToolEffect) -> int:
    return _LAXER.index(effect) if effect in _LAXER else len(_LAXER)
