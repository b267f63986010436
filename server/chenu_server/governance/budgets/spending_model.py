"""Money that a service spends itself. Standard library only."""

from __future__ import annotations

from typing import Final

from chenu_server.action import Target
from chenu_server.caller import Principal
from chenu_server.errors import ChenuError
from chenu_server.values import dataclass
from chenu_server.vocabulary import Intent, ReservationState, Sphere

TTL_DEFAULT_MS: Final = 600_000
TTL_MIN_MS: Final = 1_000
TTL_MAX_MS: Final = 86_400_000
DESCRIPTION_MAX: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveAsk:
    """What a service asks for. `ttl_ms` is how long the money is held once it is."""

    request_id: str
    amount_nanousd: int
    target: Target
    description: str
    intents: tuple[Intent, ...]
    sphere: Sphere
    run_id: str
    labels: tuple[tuple[str, str], ...]
    ttl_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """A reservation as it stands.

    `refusal` is what `Reserve` answers where the money is not held: why it waits, or has ended.
    `expires_us` is 0 once it has.
    """

    asked: ReserveAsk
    identity_id: str
    principal: Principal
    state: ReservationState
    posted_nanousd: int
    checkpoint_id: str
    action_digest: bytes
    expires_us: int
    created_us: int
    updated_us: int
    ended_us: int
    refusal: ChenuError | None
