"""Limits on new work by identity, and what there is to see of all limits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any, Final

from chenu_server.engine import IdentityWindows
from chenu_server.errors import IdentityBlocked, RateLimited, ServerOverloaded
from chenu_server.governance.limits.model import (
    IdentityLimit,
    IdentityState,
    ProviderLimit,
    ProviderState,
)
from chenu_server.governance.limits.ports import (
    ArrivalHistory,
    Counted,
    NewWork,
    SharedWindows,
    SlotReader,
    SlotUse,
    Used,
    Waiting,
)
from chenu_server.steady import steady_us

_UNUSED: Final = SlotUse(0, 0)


def windows_of(limit: IdentityLimit) -> IdentityWindows:
    """Empty windows of this limit."""
    return IdentityWindows(
        limit=limit.requests,
        window_us=limit.window_us,
        burst=limit.burst,
        burst_window_us=limit.burst_window_us,
        block_us=limit.block_us,
        keys_max=limit.keys_max,
    )


class IdentityLimiter:
    """Counts new work per identity in exact windows; refuses by raising.

    For a process that is alone on its database: the windows are its own, on a clock that never
    steps. Set ahead, it would forget who has used up what; set back, remember it for as long.
    """

    def __init__(
        self,
        limit: IdentityLimit,
        *,
        now_us: Callable[[], int] = steady_us,
    ) -> None:
        self.limit = limit
        self._now_us = now_us
        self._blocked: dict[str, int] = {}
        self._windows = windows_of(limit)

    def arrive(self, identity_id: str) -> int:
        """
        Count one call; its time, by which it can be given back.

        Raises:
            RateLimited: This call broke the limit, and the identity is blocked now.
            IdentityBlocked: The identity broke it before and is still blocked.
            ServerOverloaded: More identities are active than are counted at a time.
        """
        now_us = self._now_us()
        arrival = self._windows.arrive(identity_id, now_us)
        match arrival.verdict:
            case "admitted":
                # On a clock that never steps back it is the very time that the window has noted.
                return now_us
            case "limited":
                self._remember(identity_id, now_us, arrival.retry_after_us)
                raise RateLimited(arrival.retry_after_us, self._broken(identity_id, now_us))
            case "blocked":
                raise IdentityBlocked(arrival.retry_after_us)
            case _:
                # None of those that count may be forgotten for it, or a limit would begin anew with
                # enough names.
                raise ServerOverloaded(arrival.retry_after_us, "identities")

    def counting(self, identity_id: str, token: int) -> Awaitable[int]:
        """It is counted: no other process counts."""
        return _Known(token)

    def give_back(self, identity_id: str, token: int) -> None:
        """Uncount a call whose id proved known."""
        self._windows.give_back(identity_id, token)

    async def restore(self, history: ArrivalHistory, stored_now_us: int) -> None:
        """
        Count what arrived before a restart and still counts. Blocks are not kept.

        `stored_now_us` is the time that is stored with what arrives now: how long ago it was is
        all that two clocks can agree on.
        """
        longest_us = max(self.limit.window_us, self.limit.burst_window_us)
        times_us: defaultdict[str, list[int]] = defaultdict(list)
        now_us = self._now_us()
        for identity_id, arrived_us in await history.arrivals_since(stored_now_us - longest_us):
            # What a clock that was ahead stored as later than now would count for longer than the
            # window is: it counts as of now.
            times_us[identity_id].append(now_us - max(stored_now_us - arrived_us, 0))
        for identity_id, arrived in times_us.items():
            self._windows.restore(identity_id, arrived)

    async def state(self, identity_id: str) -> IdentityState:
        """What the identity has used of its limit."""
        return self._state(identity_id)

    def _state(self, identity_id: str) -> IdentityState:
        state = self._windows.state(identity_id, self._now_us())
        return IdentityState(
            identity_id=identity_id,
            used=state.used,
            burst_used=state.burst_used,
            blocked_until_us=state.blocked_until_us,
        )

    async def blocked(self) -> Sequence[IdentityState]:
        """The identities that are blocked now, by id."""
        # A block that has ended stays in the map until there is need of its place.
        states = [self._state(identity_id) for identity_id in sorted(self._blocked)]
        return [state for state in states if state.blocked_until_us]

    def _broken(self, identity_id: str, now_us: int) -> str:
        """Which of the two limits is full."""
        return _broken(self.limit, self._windows.state(identity_id, now_us).used)

    def _remember(self, identity_id: str, now_us: int, retry_after_us: int) -> None:
        """Blocks are listed from here; those that have ended make room for new ones."""
        if len(self._blocked) >= self.limit.keys_max:
            ends = self._blocked.items()
            self._blocked = {known: until_us for known, until_us in ends if until_us > now_us}
        # Without room it is not listed, and blocked all the same: the windows decide.
        if self.limit.block_us and len(self._blocked) < self.limit.keys_max:
            self._blocked[identity_id] = now_us + retry_after_us


class _Known:
    """What needs no waiting for, as something to wait for."""

    __slots__ = ("_value",)

    def __init__(self, value: int) -> None:
        self._value = value

    def __await__(self) -> Generator[None, None, int]:
        # A generator without a stop: who awaits it goes on in the same turn of the loop.
        yield from ()
        return self._value


class _Counting:
    """A call that is being counted: what became of it is judged by who asks, if anybody does."""

    __slots__ = ("_arrival", "_identity_id", "_limiter")

    def __init__(
        self, limiter: SharedLimiter, identity_id: str, arrival: Awaitable[Counted]
    ) -> None:
        self._limiter = limiter
        self._identity_id = identity_id
        self._arrival = arrival

    def __await__(self) -> Generator[Any, None, int]:
        return self._limiter.judge(self._identity_id, self._arrival).__await__()


class SharedLimiter:
    """Counts new work per identity in windows that all processes share; refuses by raising.

    Only who is blocked is known here: until then a call of such an identity asks nobody.
    """

    def __init__(
        self,
        limit: IdentityLimit,
        windows: SharedWindows,
        *,
        now_us: Callable[[], int] = steady_us,
    ) -> None:
        self.limit = limit
        self._windows = windows
        self._now_us = now_us
        self._blocked: dict[str, int] = {}

    def arrive(self, identity_id: str) -> int:
        """
        A call has come that is yet to be counted; there is nothing to give back.

        Raises:
            IdentityBlocked: The identity is known to be blocked.
        """
        until_us = self._blocked.get(identity_id)
        if until_us is not None:
            left_us = until_us - self._now_us()
            if left_us > 0:
                raise IdentityBlocked(left_us)
            # Its time is over: from here on the row decides again.
            del self._blocked[identity_id]
        return 0

    def counting(self, identity_id: str, token: int) -> Awaitable[int]:
        """
        Count one call at all processes, from now on; its time, by which it can be given back.

        Raises:
            RateLimited, IdentityBlocked: When it is awaited; as `IdentityLimiter.arrive`.
            GovernanceUnavailable, ServerOverloaded: Likewise: it cannot be counted now.
        """
        # Both are off, so nobody need be asked.
        if not (self.limit.requests or self.limit.burst):
            return _Known(token)
        return _Counting(self, identity_id, self._windows.arrive(identity_id))

    async def judge(self, identity_id: str, counting: Awaitable[Counted]) -> int:
        """What `counting` gives, once it is known what became of the call."""
        arrival = await counting
        if arrival.verdict == "admitted":
            return arrival.arrived_us
        # Where nobody is blocked, one call too many keeps no later one out.
        if self.limit.block_us:
            self._remember(identity_id, arrival.retry_after_us)
        if arrival.verdict == "blocked":
            raise IdentityBlocked(arrival.retry_after_us)
        raise RateLimited(arrival.retry_after_us, _broken(self.limit, arrival.used))

    def _remember(self, identity_id: str, retry_after_us: int) -> None:
        """Those whose block has ended make room; who finds none asks the database each time."""
        now_us = self._now_us()
        if len(self._blocked) >= self.limit.keys_max:
            ends = self._blocked.items()
            self._blocked = {known: until_us for known, until_us in ends if until_us > now_us}
        if len(self._blocked) < self.limit.keys_max:
            self._blocked[identity_id] = now_us + retry_after_us

    def give_back(self, identity_id: str, token: int) -> None:
        """Uncount a call whose id proved known."""
        # 0 is a call that was not counted at all, or not yet.
        if token:
            self._windows.give_back(identity_id, token)

    async def state(self, identity_id: str) -> IdentityState:
        """What the identity has used of its limit."""
        return _state_of(await self._windows.state(identity_id))

    async def blocked(self) -> Sequence[IdentityState]:
        """The identities that are blocked now, by id."""
        return [_state_of(used) for used in await self._windows.blocked()]


def _state_of(used: Used) -> IdentityState:
    return IdentityState(
        identity_id=used.identity_id,
        used=used.used,
        burst_used=used.burst_used,
        blocked_until_us=used.blocked_until_us,
    )


def _broken(limit: IdentityLimit, used: int) -> str:
    """Which of the two limits is full."""
    return "identity_window" if used >= limit.requests > 0 else "identity_burst"


class LimitService:
    """The state of every limit, for those who may see it."""

    def __init__(
        self,
        *,
        limiter: NewWork,
        providers: Callable[[], Mapping[str, ProviderLimit]],
        slots: SlotReader,
        waiting: Waiting,
        now_us: Callable[[], int],
    ) -> None:
        self.limit = limiter.limit
        self._limiter = limiter
        self._providers = providers
        self._slots = slots
        self._waiting = waiting
        self._now_us = now_us

    async def identity(self, identity_id: str) -> IdentityState:
        """What one identity has used of its limit."""
        return await self._limiter.state(identity_id)

    async def blocked(self) -> Sequence[IdentityState]:
        """The identities that are blocked now, by id."""
        return await self._limiter.blocked()

    async def providers(self) -> Sequence[ProviderState]:
        """Every provider's slots, by name."""
        use, limits = await self._slots.use(self._now_us()), self._providers()
        return [
            self._provider(name, limits[name], use.get(name, _UNUSED)) for name in sorted(limits)
        ]

    def _provider(self, name: str, limit: ProviderLimit, use: SlotUse) -> ProviderState:
        # While there is a free slot nobody waits for the oldest to come back.
        next_free_us = use.next_free_us if use.in_use >= limit.requests else 0
        return ProviderState(
            provider=name,
            limit=limit,
            in_use=use.in_use,
            next_free_us=max(next_free_us, use.held_until_us),
            waiting=self._waiting.waiting(name),
        )
