"""The budgets of an identity: made, read, changed and removed by those who may."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chenu_server.caller import SYSTEM_IDENTITY, Caller
from chenu_server.command import Writer
from chenu_server.errors import (
    BudgetExists,
    BudgetInUse,
    EtagMismatch,
    InvalidField,
    RoleRequired,
)
from chenu_server.governance.budgets.commands import (
    Absent,
    CreateBudget,
    DeleteBudget,
    Exists,
    InUse,
    Stale,
    UnfreezeBudget,
    UpdateBudget,
)
from chenu_server.governance.budgets.model import LIMIT_MAX_NANOUSD
from chenu_server.governance.budgets.periods import starts_at
from chenu_server.governance.budgets.ports import Boundary, BudgetReader, Place, Starts
from chenu_server.governance.budgets.standing import Standing, standing_in
from chenu_server.ids import new_id
from chenu_server.vocabulary import Period, Role, Scope

KIND = "budget"


class BudgetService:
    """Budgets by the rules of who may see and change them.

    `now_us` tells which periods are current when budgets are read; changes use the writer's time.
    """

    def __init__(
        self,
        *,
        writer: Writer,
        reader: BudgetReader,
        boundary: Boundary,
        now_us: Callable[[], int],
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._boundary = boundary
        self._now_us = now_us
        self._make_id = make_id

    async def create(
        self, caller: Caller, scope: Scope, period: Period, limit_nanousd: int
    ) -> Standing:
        """
        Add a budget that counts from now on.

        Raises:
            RoleRequired: Global ones are made in `system`, others by the identity's budget_admin.
            BudgetExists: There is one for this scope and period.
        """
        _check_right(caller, scope)
        _check_limit(limit_nanousd)
        command = CreateBudget(
            caller=caller,
            budget_id=self._make_id(),
            scope=scope,
            period=period,
            limit_nanousd=limit_nanousd,
        )
        outcome: Standing | Exists = await self._writer.submit(command)
        if isinstance(outcome, Exists):
            raise BudgetExists(outcome.budget_id)
        return outcome

    async def get(self, caller: Caller, budget_id: str) -> Standing:
        """
        One budget with its current period.

        Raises:
            IdentityBoundaryViolation: The caller's identity has no such budget.
        """
        # Once for both: at midnight a period that has ended could else be shown as the one that
        # begins.
        starts = self._starts()
        found = await self._reader.get(caller.identity_id, budget_id, starts)
        if found is None:
            await self._boundary.refuse(caller, kind=KIND, id=budget_id)
        budget, period = found
        return standing_in(budget, starts[budget.period], period)

    async def page(self, caller: Caller, after: Place | None, count: int) -> Sequence[Standing]:
        """At most `count` of the identity's budgets behind a place, oldest first."""
        starts = self._starts()
        found = await self._reader.page(caller.identity_id, starts, after, count)
        return [standing_in(budget, starts[budget.period], period) for budget, period in found]

    async def update(
        self, caller: Caller, budget_id: str, limit_nanousd: int, etag: str
    ) -> Standing:
        """
        Change a budget's limit. An empty etag stands for whatever it is now.

        Raises:
            IdentityBoundaryViolation: The caller's identity has no such budget.
            EtagMismatch: It has changed since it was read.
        """
        _check_limit(limit_nanousd)
        command = UpdateBudget(
            caller=caller,
            budget_id=budget_id,
            limit_nanousd=limit_nanousd,
            version=_version(etag),
        )
        outcome: Standing | Absent | Stale = await self._writer.submit(command)
        if isinstance(outcome, Absent):
            await self._boundary.refuse(caller, kind=KIND, id=budget_id)
        if isinstance(outcome, Stale):
            raise EtagMismatch(str(outcome.version))
        return outcome

    async def unfreeze(self, caller: Caller, budget_id: str, reason: str) -> Standing:
        """
        Let a budget admit again that an overrun has frozen; one that is not frozen stays as it is.

        Raises:
            IdentityBoundaryViolation: The caller's identity has no such budget.
        """
        command = UnfreezeBudget(caller=caller, budget_id=budget_id, reason=reason)
        outcome: Standing | Absent = await self._writer.submit(command)
        if isinstance(outcome, Absent):
            await self._boundary.refuse(caller, kind=KIND, id=budget_id)
        return outcome

    async def delete(self, caller: Caller, budget_id: str, etag: str) -> None:
        """
        Remove a budget on which nothing is reserved.

        Raises:
            IdentityBoundaryViolation: The caller's identity has no such budget.
            EtagMismatch: It has changed since it was read.
            BudgetInUse: Queries or reservations hold money on it.
        """
        command = DeleteBudget(caller=caller, budget_id=budget_id, version=_version(etag))
        # Decided in the command and not by a look before it: a query that is admitted in between
        # would hold money on a budget that is gone.
        outcome: object = await self._writer.submit(command)
        if isinstance(outcome, Absent):
            await self._boundary.refuse(caller, kind=KIND, id=budget_id)
        if isinstance(outcome, Stale):
            raise EtagMismatch(str(outcome.version))
        if isinstance(outcome, InUse):
            raise BudgetInUse(budget_id)

    def _starts(self) -> Starts:
        return starts_at(self._now_us())


def etag_of(standing: Standing) -> str:
    """Changes whenever the limit changes; spending does not change it."""
    return str(standing.budget.version)


def _version(etag: str) -> int | None:
    """The version of an etag; an etag that this server never gave is no version that exists."""
    if not etag:
        return None
    # 18 digits fit into a bigint; more would fail in the database, as if the fault were ours.
    return int(etag) if etag.isascii() and etag.isdigit() and len(etag) < 19 else 0


def _check_right(caller: Caller, scope: Scope) -> None:
    """The interceptor has checked the rpc's role; which scope is asked for stands in the body."""
    if scope is not Scope.GLOBAL:
        if Role.BUDGET_ADMIN not in caller.roles:
            raise RoleRequired(Role.BUDGET_ADMIN.value)
    elif caller.identity_id != SYSTEM_IDENTITY or not caller.roles & _GLOBAL_ROLES:
        raise RoleRequired(Role.OPERATOR.value)


_GLOBAL_ROLES = frozenset({Role.OPERATOR, Role.BUDGET_ADMIN})


def _check_limit(limit_nanousd: int) -> None:
    if not 0 <= limit_nanousd <= LIMIT_MAX_NANOUSD:
        raise InvalidField("limit_nanousd", f"must be from 0 to {LIMIT_MAX_NANOUSD}")
