"""Wire to model and back, for budgets."""

from __future__ import annotations

from typing import Final

from chenu.api.governance.v1 import budget_service_pb2 as pb
from chenu_server.errors import InvalidField
from chenu_server.governance.budgets.model import Budget, BudgetPeriod
from chenu_server.governance.budgets.ports import Place
from chenu_server.infra.rpc.times import timestamp_of
from chenu_server.vocabulary import Period, Scope

ID_MAX: Final = 256

_SCOPES: Final[dict[int, Scope]] = {
    pb.BudgetScope.Value(f"BUDGET_SCOPE_{scope.name}"): scope for scope in Scope
}
_PERIODS: Final[dict[int, Period]] = {
    pb.BudgetPeriod.Value(f"BUDGET_PERIOD_{period.name}"): period for period in Period
}
# The contract names more of each, which are not taken yet.
_SCOPES_TAKEN: Final = (Scope.GLOBAL, Scope.IDENTITY)
_PERIODS_TAKEN: Final = (Period.DAILY, Period.MONTHLY, Period.TOTAL)
_ON_EXHAUST_TAKEN: Final = (pb.ON_EXHAUST_UNSPECIFIED, pb.ON_EXHAUST_DENY)


def id_from(text: str, field: str = "budget_id") -> str:
    """A budget's id; one that is no UUID belongs to nobody's identity."""
    if not 1 <= len(text) <= ID_MAX or not text.isprintable():
        raise InvalidField(field, f"1 to {ID_MAX} printable characters are needed")
    # As ids are made: in another spelling it would count as a reach over the boundary.
    return text.lower()


def place_from(after: tuple[str, ...]) -> Place | None:
    """Where a page begins, from its token; a token is not signed, so anything may stand in it."""
    match after:
        case ():
            return None
        # Of more digits it would not fit the column, and the database's error would look like a
        # bug.
        case (created_us, budget_id) if created_us.isdecimal() and len(created_us) < 19:
            return Place(int(created_us), id_from(budget_id, "page_token"))
    raise InvalidField("page_token", "is not a token of this listing")


def scope_from(number: int) -> Scope:
    """A scope that budgets are made for."""
    scope = _SCOPES.get(number)
    if scope not in _SCOPES_TAKEN:
        raise InvalidField("scope", f"is not one of {', '.join(_SCOPES_TAKEN)}")
    return scope


def period_from(number: int) -> Period:
    """A period that budgets are made for."""
    period = _PERIODS.get(number)
    if period not in _PERIODS_TAKEN:
        raise InvalidField("period", f"is not one of {', '.join(_PERIODS_TAKEN)}")
    return period


def check_on_exhaust(number: int) -> None:
    """There is one answer to an exhausted budget: no."""
    if number not in _ON_EXHAUST_TAKEN:
        raise InvalidField("on_exhaust", "is not deny")


def budget_of(budget: Budget, period: BudgetPeriod, etag: str) -> pb.Budget:
    """A budget as the wire shows it."""
    return pb.Budget(
        budget_id=budget.budget_id,
        scope=pb.BudgetScope.Value(f"BUDGET_SCOPE_{budget.scope.name}"),
        subject=budget.identity_id if budget.scope is Scope.IDENTITY else budget.scope_value,
        period=pb.BudgetPeriod.Value(f"BUDGET_PERIOD_{budget.period.name}"),
        limit_nanousd=budget.limit_nanousd,
        posted_nanousd=period.posted_nanousd,
        reserved_nanousd=period.reserved_nanousd,
        overrun_nanousd=period.overrun_nanousd,
        granted_nanousd=budget.granted_nanousd,
        period_start=timestamp_of(period.period_start_us),
        on_exhaust=pb.ON_EXHAUST_DENY,
        create_time=timestamp_of(budget.created_us),
        update_time=timestamp_of(budget.updated_us),
        etag=etag,
        freeze_time=timestamp_of(period.frozen_us),
    )
