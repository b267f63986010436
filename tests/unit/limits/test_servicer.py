"""RateLimitService: what comes out on the wire."""

from __future__ import annotations

import pytest

from chenu.api.governance.v1 import rate_limit_service_pb2 as pb
from chenu_server.caller import SYSTEM_IDENTITY
from chenu_server.errors import RateLimited
from chenu_server.governance.limits.service import LimitService
from chenu_server.governance.limits.servicer import RateLimitServicer
from chenu_server.vocabulary import Role
from tests.fakes.calls import NO_CONTEXT, calling
from tests.unit.limits.test_identities import PROVIDER, SECOND, Queues, Setting, Slots


def servicer_of(setting: Setting) -> RateLimitServicer:
    """A servicer with one provider, whose slots are all taken."""
    return RateLimitServicer(
        LimitService(
            limiter=setting.limiter,
            providers=lambda: {"busy": PROVIDER},
            slots=Slots(),
            waiting=Queues(),
            now_us=lambda: setting.now_us,
        )
    )


async def test_an_identity_sees_its_limits_and_what_it_has_used() -> None:
    """All of what decides about its next call."""
    setting = Setting()
    setting.arrive(after_s=0)
    setting.arrive(after_s=2)
    with calling("alice", Role.MEMBER):
        request = pb.GetRateLimitsRequest()
        shown = (await servicer_of(setting).GetRateLimits(request, NO_CONTEXT)).limit

    assert ("alice", 3, 2, 2, 1, 50, 100) == (
        shown.identity_id,
        shown.window_limit,
        shown.window_used,
        shown.burst_limit,
        shown.burst_used,
        shown.calls_per_second,
        shown.calls_burst,
    )
    assert (60, 1) == (shown.window.ToSeconds(), shown.burst_window.ToSeconds())
    assert not shown.HasField("blocked_until")


async def test_an_operator_sees_providers_and_who_is_blocked() -> None:
    """When a slot frees, who waits, and until when an identity is shut out."""
    setting = Setting()
    setting.arrive()
    setting.arrive()
    with pytest.raises(RateLimited):
        setting.arrive()
    with calling(SYSTEM_IDENTITY, Role.OPERATOR):
        request = pb.ListRateLimitsRequest()
        shown = await servicer_of(setting).ListRateLimits(request, NO_CONTEXT)

    (provider,), (blocked,) = shown.providers, shown.blocked
    assert ("busy", 2, 2, 0, 3, 7, 60) == (
        provider.provider,
        provider.limit,
        provider.in_use,
        provider.free,
        provider.waiting,
        provider.next_free_time.ToMicroseconds(),
        provider.window.ToSeconds(),
    )
    assert ("alice", setting.now_us + 120 * SECOND) == (
        blocked.identity_id,
        blocked.blocked_until.ToMicroseconds(),
    )
