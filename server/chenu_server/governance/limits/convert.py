"""Model to wire, for limits."""

from __future__ import annotations

from chenu.api.governance.v1 import rate_limit_service_pb2 as pb
from chenu_server.governance.limits.model import IdentityLimit, IdentityState, ProviderState
from chenu_server.infra.rpc.times import duration_of, timestamp_of


def identity_limit_of(limit: IdentityLimit, state: IdentityState) -> pb.IdentityLimit:
    """An identity's limits and what is used of them."""
    return pb.IdentityLimit(
        identity_id=state.identity_id,
        window_limit=limit.requests,
        window=duration_of(limit.window_us),
        window_used=state.used,
        burst_limit=limit.burst,
        burst_window=duration_of(limit.burst_window_us),
        burst_used=state.burst_used,
        blocked_until=timestamp_of(state.blocked_until_us),
        calls_per_second=limit.calls_per_s,
        calls_burst=limit.calls_burst,
    )


def provider_limit_of(state: ProviderState) -> pb.ProviderLimit:
    """A provider's slots."""
    return pb.ProviderLimit(
        provider=state.provider,
        limit=state.limit.requests,
        window=duration_of(state.limit.window_us),
        in_use=state.in_use,
        free=state.free,
        next_free_time=timestamp_of(state.next_free_us),
        waiting=state.waiting,
    )
