"""Making, changing and removing a budget: one command and one ledger entry each."""

from __future__ import annotations

from typing import Any

from chenu_server import asking, engine
from chenu_server.caller import Caller
from chenu_server.command import Answer
from chenu_server.governance.budgets.model import Budget
from chenu_server.governance.budgets.standing import Standing
from chenu_server.values import dataclass
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
    """Add a budget. It counts from now on."""

    caller: Caller
    budget_id: str
    scope: Scope
    period: Period
    limit_nanousd: int

    def asked(self) -> engine.Command:
        """For the kernel."""
        more = {"scope": self.scope, "period": self.period, "limit_nanousd": self.limit_nanousd}
        return _command("CreateBudget", self.caller, self.budget_id, more)

    def outcome(self, answer: Answer) -> Standing | Exists:
        """One open budget for each scope and period of an identity."""
        if answer.kind == "Exists":
            return Exists(answer.more["budget_id"])
        return Standing(*answer.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateBudget:
    """Change a budget's limit. One below what is spent and held admits nothing new."""

    caller: Caller
    budget_id: str
    limit_nanousd: int
    version: int | None

    def asked(self) -> engine.Command:
        """For the kernel."""
        more = {"limit_nanousd": self.limit_nanousd, "version": self.version}
        return _command("UpdateBudget", self.caller, self.budget_id, more)

    def outcome(self, answer: Answer) -> Standing | Absent | Stale:
        """The budget with its new limit and version."""
        return _refusal(answer) or Standing(*answer.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfreezeBudget:
    """Let a frozen budget admit again. What is overrun counts on, and as seen by a person."""

    caller: Caller
    budget_id: str
    reason: str

    def asked(self) -> engine.Command:
        """For the kernel."""
        return _command("UnfreezeBudget", self.caller, self.budget_id, {"reason": self.reason})

    def outcome(self, answer: Answer) -> Standing | Absent:
        """The budget as it stands after; one that is not frozen stays as it is, without a word."""
        return Absent() if answer.kind == "Absent" else Standing(*answer.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteBudget:
    """Remove a budget on which nothing is reserved. Its row stays, marked."""

    caller: Caller
    budget_id: str
    version: int | None

    def asked(self) -> engine.Command:
        """For the kernel."""
        return _command("DeleteBudget", self.caller, self.budget_id, {"version": self.version})

    def outcome(self, answer: Answer) -> Budget | Absent | Stale | InUse:
        """The budget as it was."""
        if answer.kind == "InUse":
            return InUse()
        deleted: Budget | Absent | Stale = _refusal(answer) or answer.rows[0]
        return deleted


def _command(kind: str, caller: Caller, budget_id: str, more: dict[str, Any]) -> engine.Command:
    plain = {"caller": asking.caller(caller), "budget_id": budget_id, **more}
    return engine.Command({kind: plain}, asking.NO_RULES)


def _refusal(answer: Answer) -> Absent | Stale | None:
    if answer.kind == "Absent":
        return Absent()
    return Stale(answer.more["version"]) if answer.kind == "Stale" else None
