"""Making, changing and removing a budget: one unit of work and one ledger entry each. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

from chenu_server.caller import Caller
from chenu_server.governance.budgets.model import BUDGET_PERIODS, OPEN_BUDGETS, Budget, BudgetPeriod
from chenu_server.governance.budgets.standing import Standing, current_leg, standing_in
from chenu_server.unit import ById, EntryDraft, Found, Moment, Need, Rows
from chenu_server.values import dataclass, replace
from chenu_server.vocabulary import Period, Scope


@dataclass(frozen=True, slots=True)
class Exists:
    """There is an open budget of this scope and period."""

    budget_id: str


@dataclass(frozen=True, slots=True)
class Absent:
    """The caller's identity has no such budget, or no longer."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The budget has changed since the caller read it; `version` is the present one."""

    version: int


@dataclass(frozen=True, slots=True)
class InUse:
    """Money is reserved on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBudget:
    """Unit: add a budget. It counts from now on."""

    name: ClassVar[str] = "create_budget"

    caller: Caller
    budget_id: str
    scope: Scope
    period: Period
    limit_nanousd: int

    def needs(self, now: Moment) -> Sequence[Need]:
        """The identity's open budgets."""
        return (Found(OPEN_BUDGETS, (self.caller.identity_id,)),)

    def needs_next(self, rows: Rows, now: Moment) -> Sequence[Need]:
        """Nothing more."""
        return ()

    def decide(self, rows: Rows, now: Moment) -> Standing | Exists:
        """One open budget for each scope and period of an identity."""
        for other in rows.find(OPEN_BUDGETS, (self.caller.identity_id,)):
            if (other.scope, other.scope_value, other.period) == (self.scope, "", self.period):
                return Exists(other.budget_id)
        budget = Budget(
            budget_id=self.budget_id,
            identity_id=self.caller.identity_id,
            scope=self.scope,
            scope_value="",
            period=self.period,
            limit_nanousd=self.limit_nanousd,
            granted_nanousd=0,
            deleted=False,
            version=1,
            created_us=now.now_us,
            updated_us=now.now_us,
        )
        rows.put(budget)
        rows.record(_entry(self.caller, "create", budget))
        return standing_in(budget, current_leg(budget, now.now_us)[1], None)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateBudget:
    """Unit: change a budget's limit. One below what is spent and held admits nothing new."""

    name: ClassVar[str] = "update_budget"

    caller: Caller
    budget_id: str
    limit_nanousd: int
    version: int | None

    def needs(self, now: Moment) -> Sequence[Need]:
        """The budget."""
        return (ById(Budget, (self.budget_id,)),)

    def needs_next(self, rows: Rows, now: Moment) -> Sequence[Need]:
        """Its current period."""
        budget = rows.get(Budget, (self.budget_id,))
        return () if budget is None else (ById(BudgetPeriod, current_leg(budget, now.now_us)),)

    def decide(self, rows: Rows, now: Moment) -> Standing | Absent | Stale:
        """The budget with its new limit and version."""
        budget = _open(rows, self.caller, self.budget_id)
        if budget is None:
            return Absent()
        if self.version not in (None, budget.version):
            return Stale(budget.version)
        changed = replace(
            budget,
            limit_nanousd=self.limit_nanousd,
            version=budget.version + 1,
            updated_us=now.now_us,
        )
        rows.put(changed)
        rows.record(
            _entry(self.caller, "update", changed, limit_before_nanousd=budget.limit_nanousd)
        )
        leg = current_leg(changed, now.now_us)
        return standing_in(changed, leg[1], rows.get(BudgetPeriod, leg))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfreezeBudget:
    """Unit: let a frozen budget admit again. What is overrun counts on, and as seen by a person."""

    name: ClassVar[str] = "unfreeze_budget"

    caller: Caller
    budget_id: str
    reason: str

    def needs(self, now: Moment) -> Sequence[Need]:
        """The budget."""
        return (ById(Budget, (self.budget_id,)),)

    def needs_next(self, rows: Rows, now: Moment) -> Sequence[Need]:
        """Its current period."""
        budget = rows.get(Budget, (self.budget_id,))
        return () if budget is None else (ById(BudgetPeriod, current_leg(budget, now.now_us)),)

    def decide(self, rows: Rows, now: Moment) -> Standing | Absent:
        """The budget as it stands after; one that is not frozen stays as it is, without a word."""
        budget = _open(rows, self.caller, self.budget_id)
        if budget is None:
            return Absent()
        leg = current_leg(budget, now.now_us)
        period = rows.get(BudgetPeriod, leg)
        if period is None or not period.frozen_us:
            return standing_in(budget, leg[1], period)
        thawed = replace(period, frozen_us=0, overrun_seen_nanousd=period.overrun_nanousd)
        rows.put(thawed)
        details: dict[str, int | str] = {
            "frozen_us": period.frozen_us,
            "overrun_nanousd": period.overrun_nanousd,
            "reason": self.reason,
        }
        rows.record(_entry(self.caller, "update", budget, "BUDGET_UNFROZEN", **details))
        return Standing(budget, thawed)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteBudget:
    """Unit: remove a budget on which nothing is reserved. Its row stays, marked."""

    name: ClassVar[str] = "delete_budget"

    caller: Caller
    budget_id: str
    version: int | None

    def needs(self, now: Moment) -> Sequence[Need]:
        """The budget and all its periods."""
        return (ById(Budget, (self.budget_id,)), Found(BUDGET_PERIODS, (self.budget_id,)))

    def needs_next(self, rows: Rows, now: Moment) -> Sequence[Need]:
        """Nothing more."""
        return ()

    def decide(self, rows: Rows, now: Moment) -> Budget | Absent | Stale | InUse:
        """The budget as it was."""
        budget = _open(rows, self.caller, self.budget_id)
        if budget is None:
            return Absent()
        if self.version not in (None, budget.version):
            return Stale(budget.version)
        periods = rows.find(BUDGET_PERIODS, (self.budget_id,))
        if any(period.reserved_nanousd for period in periods):
            return InUse()
        version = budget.version + 1
        rows.put(replace(budget, deleted=True, version=version, updated_us=now.now_us))
        rows.record(_entry(self.caller, "delete", budget))
        return budget


def _open(rows: Rows, caller: Caller, budget_id: str) -> Budget | None:
    """The caller's own budget; one of another identity is as if it were not there."""
    budget = rows.get(Budget, (budget_id,))
    if budget is None or budget.deleted or budget.identity_id != caller.identity_id:
        return None
    return budget


def _entry(
    caller: Caller, action: str, budget: Budget, why: str = "", /, **more: int | str
) -> EntryDraft:
    details = {
        "limit_nanousd": budget.limit_nanousd,
        "period": budget.period.value,
        "scope": budget.scope.value,
        **more,
    }
    return EntryDraft(
        decision="admin",
        action=action,
        identity_id=caller.identity_id,
        principal_type=caller.principal.type.value,
        principal_id=caller.principal.id,
        acting_for=caller.acting_for,
        resource_kind="budget",
        resource_id=budget.budget_id,
        reason=why,
        payload=json.dumps(details, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
    )
