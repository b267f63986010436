"""What becomes of a bill beyond what was held: always told, and too much of it freezes. Pure.

Beyond 1 % of a budget's limit (the engine's `overran`) the narrowest such budget of the query is
frozen, in the unit that books the bill: it admits nothing more in this period. A budget over
everybody is never frozen. What stands overrun then counts as seen in all of them, as it does when
a person unfreezes the budget: only another 1 % freezes again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

from chenu_server import engine
from chenu_server.caller import SYSTEM_IDENTITY
from chenu_server.governance.budgets.standing import Standing
from chenu_server.unit import EntryDraft, Rows
from chenu_server.values import dataclass, replace
from chenu_server.vocabulary import PrincipalType, Scope

FROZEN: Final = "BUDGET_FROZEN"
OVERRUN: Final = "BUDGET_OVERRUN"
_NARROWEST_FIRST: Final = (
    Scope.AGENT,
    Scope.THREAD,
    Scope.SPHERE,
    Scope.IDENTITY,
    Scope.PROVIDER,
)

Booked = tuple[Standing, engine.Account]
"""A budget as it stood, and its account with the bill in it."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A budget admits nothing now. `budget_id` is empty unless the asking identity owns it."""

    scope: Scope
    budget_id: str


def frozen_among(standings: Iterable[Standing], identity_id: str) -> Frozen | None:
    """The first frozen budget. In the periods that go on: an ended one's freeze binds nobody."""
    for standing in standings:
        if standing.period.frozen_us:
            budget = standing.budget
            owned = budget.identity_id == identity_id
            return Frozen(budget.scope, budget.budget_id if owned else "")
    return None


def book(rows: Rows, request_id: str, booked: Sequence[Booked], now_us: int) -> None:
    """Put every period with its bill; freeze and record where that is an overrun."""
    grown = [each for each in booked if _growth(each) > 0]
    if not grown:  # as ordinarily: the bill is within what was held
        for standing, account in booked:
            rows.put(standing.after(account))
        return
    too_far = [each for each in grown if _is_too_far(each)]
    frozen = _narrowest(too_far, now_us)
    for each in booked:
        standing, account = each
        period = standing.after(account)
        if each in too_far:
            period = replace(period, overrun_seen_nanousd=account.overrun)
        if standing is frozen:
            period = replace(period, frozen_us=now_us)
        rows.put(period)
        if each in grown:
            rows.record(_entry(each, request_id, FROZEN if standing is frozen else OVERRUN))


def to_freeze(booked: Sequence[Booked], now_us: int) -> Standing | None:
    """The budget that this bill would freeze."""
    return _narrowest([each for each in booked if _growth(each) > 0 and _is_too_far(each)], now_us)


def _narrowest(too_far: Sequence[Booked], now_us: int) -> Standing | None:
    """The narrowest of those that a bill takes too far.

    None if that one is frozen already. Neither a deleted budget nor an ended period can be.
    """
    open_ones = [
        standing
        for standing, _ in too_far
        if standing.budget.scope in _NARROWEST_FIRST
        and not standing.budget.deleted
        and standing.is_current(now_us)
    ]
    narrowest = min(open_ones, key=_width, default=None)
    return narrowest if narrowest and not narrowest.period.frozen_us else None


def _width(standing: Standing) -> tuple[int, int, str]:
    budget = standing.budget
    return (_NARROWEST_FIRST.index(budget.scope), budget.created_us, budget.budget_id)


def _growth(booked: Booked) -> int:
    standing, account = booked
    return account.overrun - standing.period.overrun_nanousd


def _is_too_far(grown: Booked) -> bool:
    standing, account = grown
    return engine.overran(account, standing.period.overrun_seen_nanousd)


def _entry(booked: Booked, request_id: str, reason: str) -> EntryDraft:
    standing, account = booked
    details = {
        "limit_nanousd": account.limit,
        "overrun_by_nanousd": _growth(booked),
        "overrun_nanousd": account.overrun,
        "period": standing.budget.period.value,
        "period_start_us": standing.period.period_start_us,
        "request_id": request_id,
        "scope": standing.budget.scope.value,
    }
    return EntryDraft(
        decision="admin",
        action="update",
        identity_id=standing.budget.identity_id,
        principal_type=PrincipalType.SERVICE.value,
        principal_id=SYSTEM_IDENTITY,
        acting_for=(),
        resource_kind="budget",
        resource_id=standing.budget.budget_id,
        reason=reason,
        payload=json.dumps(details, sort_keys=True, separators=(",", ":")),
    )
