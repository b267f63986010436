"""A service's own spending: reserved before, posted or voided after, once."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from chenu_server.caller import Caller, Principal
from chenu_server.errors import InvalidField, ReservationNotHeld, RoleRequired
from chenu_server.governance.budgets.ports import Boundary
from chenu_server.governance.budgets.spending_model import ReserveAsk, Spending
from chenu_server.governance.budgets.spending_ports import (
    NewWork,
    Reserved,
    Spender,
    SpendingReader,
)
from chenu_server.vocabulary import ReservationState, Role

KIND = "reservation"

_Call = tuple[str, Principal, tuple[str, ...], ReserveAsk]
"""Who asks for what: the same of all of it is a repeat."""


class SpendingService:
    """Whoever reserves ends it; a `budget_admin` sees it."""

    def __init__(
        self, spender: Spender, reader: SpendingReader, boundary: Boundary, new_work: NewWork
    ) -> None:
        self._spender = spender
        self._reader = reader
        self._boundary = boundary
        self._new_work = new_work
        self._calls: dict[_Call, asyncio.Task[Reserved]] = {}

    async def reserve(self, caller: Caller, asked: ReserveAsk) -> Spending:
        """
        The reservation, whose money is held.

        Raises:
            CheckpointPending: A person must approve; the money is held for that.
            PolicyDenied, BudgetExhausted, BudgetFrozen, BudgetRequired: It is refused for good.
            CheckpointRejected, CheckpointExpired, ReservationNotHeld: It has ended before.
            RequestIdConflict: The id was used for something else.
            RateLimited, IdentityBlocked: Too much new work.
            CheckpointLimit, GovernanceUnavailable: Nothing of it happened.
        """
        # Its own task, which outlives this call: an arrival is given back also where the caller
        # has left meanwhile, or its repeats would block the identity.
        reserved = await asyncio.shield(self._under_way(caller, asked))
        if reserved.spending.refusal is not None:
            raise reserved.spending.refusal
        return reserved.spending

    def _under_way(self, caller: Caller, asked: ReserveAsk) -> asyncio.Task[Reserved]:
        """The call that is made of this, shared by its repeats: one of them is counted."""
        # Ahead of the look at what is under way: who is blocked is refused, repeats or not.
        arrival = self._new_work.arrive(caller.identity_id)
        key = (caller.identity_id, caller.principal, caller.acting_for, asked)
        known = self._calls.get(key)
        if known is not None:
            self._new_work.give_back(caller.identity_id, arrival)
            return known
        call = self._calls[key] = asyncio.create_task(self._reserved(caller, asked, arrival))
        call.add_done_callback(lambda done: self._forget(key, done))
        return call

    def _forget(self, key: _Call, done: asyncio.Task[Reserved]) -> None:
        del self._calls[key]
        if not done.cancelled():
            done.exception()  # looked at here too: whoever asked may have left

    async def _reserved(self, caller: Caller, asked: ReserveAsk, arrival: int) -> Reserved:
        arrival = await self._new_work.counting(caller.identity_id, arrival)
        reserved = await self._spender.reserve(caller, asked)
        # A repeat is no new work, and nobody must be blocked for repeating.
        if not reserved.is_new:
            self._new_work.give_back(caller.identity_id, arrival)
        return reserved

    async def post(self, caller: Caller, request_id: str, amount_nanousd: int) -> Spending:
        """
        The reservation, with what was spent.

        Raises:
            ReservationNotHeld: It waits, or has ended otherwise.
            InvalidField: That is more than was reserved.
            RequestIdConflict: It is a query's, or another principal's.
            IdentityBoundaryViolation: The caller's identity has no such id.
        """
        found = await self._spender.post(caller, request_id, amount_nanousd)
        if found is None:
            await self._boundary.refuse(caller, kind=KIND, id=request_id)
        # Still held, so it was more than that: the kernel posts whatever fits.
        if found.state is ReservationState.HELD:
            # No overrun, as of a provider's bill: this is the asker's own word, with which it could
            # drive a budget that others share into the red.
            reserved = f"{found.asked.amount_nanousd} were reserved; reserve what is beyond anew"
            raise InvalidField("amount_nanousd", reserved)
        # Also where it was posted before with another amount: OK would say that this one counts.
        if found.state is not ReservationState.POSTED or found.posted_nanousd != amount_nanousd:
            _raise_not_held(found)
        return found

    async def void(self, caller: Caller, request_id: str, reason: str) -> Spending:
        """
        The reservation, for which nothing is held any more.

        Raises:
            ReservationNotHeld: It was posted.
            RequestIdConflict: It is a query's, or another principal's.
            IdentityBoundaryViolation: The caller's identity has no such id.
        """
        found = await self._spender.void(caller, request_id, reason)
        if found is None:
            await self._boundary.refuse(caller, kind=KIND, id=request_id)
        if found.state is ReservationState.POSTED:
            _raise_not_held(found)
        return found

    async def get(self, caller: Caller, request_id: str) -> Spending:
        """
        The reservation as it stands.

        Raises:
            RoleRequired: The caller has neither reserved it nor administers the budgets.
            IdentityBoundaryViolation: The caller's identity has no such reservation.
        """
        found = await self._reader.get(caller.identity_id, request_id)
        if found is None:
            await self._boundary.refuse(caller, kind=KIND, id=request_id)
        # Inside one identity others are known to exist, so this is refused and no violation.
        if caller.principal != found.principal and Role.BUDGET_ADMIN not in caller.roles:
            raise RoleRequired(Role.BUDGET_ADMIN.value)
        return found


def _raise_not_held(found: Spending) -> NoReturn:
    raise ReservationNotHeld(found.asked.request_id, found.state.value)
