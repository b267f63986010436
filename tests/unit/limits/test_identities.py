"""New work by identity: admitted, limited, blocked, given back and restored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from chenu_server.errors import IdentityBlocked, RateLimited, ServerOverloaded
from chenu_server.governance.limits.model import (
    IdentityLimit,
    IdentityState,
    ProviderLimit,
    ProviderState,
)
from chenu_server.governance.limits.ports import SlotUse
from chenu_server.governance.limits.service import IdentityLimiter, LimitService

SECOND = 1_000_000
LIMIT = IdentityLimit(
    requests=3,
    window_us=60 * SECOND,
    burst=2,
    burst_window_us=SECOND,
    block_us=120 * SECOND,
    calls_per_s=50,
    calls_burst=100,
    keys_max=2,
)
PROVIDER = ProviderLimit(
    requests=2, window_us=60 * SECOND, guard_us=250_000, dispatch_within_us=SECOND
)


class Setting:
    """A limiter on a clock that a test sets."""

    def __init__(self) -> None:
        self.now_us = 1_000 * SECOND
        self.limiter = IdentityLimiter(LIMIT, now_us=lambda: self.now_us)

    def arrive(self, identity_id: str = "alice", *, after_s: int = 0) -> int:
        """One call, some time later."""
        self.now_us += after_s * SECOND
        return self.limiter.arrive(identity_id)


@pytest.fixture
def setting() -> Setting:
    """Nobody has come yet."""
    return Setting()


def test_the_call_that_breaks_the_burst_blocks_its_identity(setting: Setting) -> None:
    """It is told the block's end; later ones are told the rest of it, and others go on."""
    setting.arrive()
    setting.arrive()

    with pytest.raises(RateLimited) as limited:
        setting.arrive()
    assert (120 * SECOND, "identity_burst") == (limited.value.retry_after_us, limited.value.limit)
    with pytest.raises(IdentityBlocked) as blocked:
        setting.arrive(after_s=50)
    assert 70 * SECOND == blocked.value.retry_after_us
    assert setting.now_us == setting.arrive("bob")


def test_the_call_that_breaks_the_window_is_told_so(setting: Setting) -> None:
    """Spreading calls out helps against the burst, not against the window."""
    for _ in range(3):
        setting.arrive(after_s=2)

    with pytest.raises(RateLimited) as limited:
        setting.arrive(after_s=2)
    assert "identity_window" == limited.value.limit


def test_a_call_at_the_retry_time_is_admitted(setting: Setting) -> None:
    """The time is exact."""
    setting.arrive()
    setting.arrive()
    with pytest.raises(RateLimited) as limited:
        setting.arrive()
    setting.now_us += limited.value.retry_after_us

    assert setting.now_us == setting.arrive()


def test_a_call_whose_id_is_known_is_given_back(setting: Setting) -> None:
    """A retry that attaches to its query is no new work."""
    token = setting.arrive()
    setting.arrive()
    setting.limiter.give_back("alice", token)
    setting.arrive()

    assert 2 == asyncio.run(setting.limiter.state("alice")).used


def test_more_identities_than_are_counted_are_refused(setting: Setting) -> None:
    """Memory is bounded; who is active already keeps being served."""
    setting.arrive("alice")
    setting.arrive("bob")

    with pytest.raises(ServerOverloaded) as refused:
        setting.arrive("carol")
    assert "identities" == refused.value.resource
    assert setting.now_us == setting.arrive("alice")


async def test_a_restart_does_not_open_a_new_window(setting: Setting) -> None:
    """What was admitted before it is read back."""

    class History:
        async def arrivals_since(self, since_us: int) -> Sequence[tuple[str, int]]:
            assert stored_now_us - 60 * SECOND == since_us
            return [("alice", stored_now_us - 2 * SECOND)] * 3

    stored_now_us = setting.now_us + 3_600 * SECOND  # its clock is another one
    await setting.limiter.restore(History(), stored_now_us)

    with pytest.raises(RateLimited):
        setting.arrive()


def test_who_is_blocked_is_listed_until_the_block_ends(setting: Setting) -> None:
    """An operator sees them all, by id."""
    for identity_id in ("bob", "alice"):
        setting.arrive(identity_id)
        setting.arrive(identity_id)
        with pytest.raises(RateLimited):
            setting.arrive(identity_id)
    until_us = setting.now_us + 120 * SECOND

    assert [("alice", until_us), ("bob", until_us)] == [
        (state.identity_id, state.blocked_until_us)
        for state in asyncio.run(setting.limiter.blocked())
    ]
    setting.now_us = until_us
    assert [] == asyncio.run(setting.limiter.blocked())


class Slots:
    """Stored slots of one provider."""

    async def use(self, now_us: int) -> Mapping[str, SlotUse]:
        """Both of `busy`, one of `half`; the retired provider is no longer in the catalogue."""
        return {"busy": SlotUse(2, 7), "half": SlotUse(1, 9), "retired": SlotUse(1, 9)}

    async def free_times(self, provider: str, count: int) -> tuple[int, ...]:
        """Nobody asks."""
        return ()


class Queues:
    """Three wait for `busy`."""

    def waiting(self, provider: str) -> int:
        """How many wait."""
        return 3 if provider == "busy" else 0


async def test_every_provider_is_shown_with_its_room(setting: Setting) -> None:
    """When the next slot frees is told only while none is free."""
    service = LimitService(
        limiter=setting.limiter,
        providers=lambda: {"idle": PROVIDER, "half": PROVIDER, "busy": PROVIDER},
        slots=Slots(),
        waiting=Queues(),
        now_us=lambda: setting.now_us,
    )

    def state(provider: str, in_use: int, next_free_us: int, waiting: int) -> ProviderState:
        return ProviderState(
            provider=provider,
            limit=PROVIDER,
            in_use=in_use,
            next_free_us=next_free_us,
            waiting=waiting,
        )

    shown = await service.providers()
    assert [state("busy", 2, 7, 3), state("half", 1, 0, 0), state("idle", 0, 0, 0)] == shown
    assert [0, 1, 2] == [each.free for each in shown]
    assert IdentityState(
        identity_id="alice", used=0, burst_used=0, blocked_until_us=0
    ) == await service.identity("alice")
