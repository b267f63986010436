"""How money is held, posted and released. Pure: rows and time in, rows out.

The promise of every function here: at each commit `posted + reserved <= limit + granted` in every
budget and period, and `posted + reserved + overrun <= limit + granted` whenever `reserve` or
`top_up` admits something, which neither does in a frozen budget. All or none: a query fits in
every budget that applies, or in none. Whatever books a bill books its overrun by `overruns`.

A unit that reserves names `needs_for_reserve`; one that posts, tops up or releases loads the
reservation first and names `needs_for_legs` in its `needs_next`. One that tops up names both:
money stays in the periods that it was held in, and who is frozen is a matter of today.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from chenu_server import engine
from chenu_server.caller import SYSTEM_IDENTITY
from chenu_server.governance.budgets.model import (
    CURRENT_PERIODS,
    LIMIT_MAX_NANOUSD,
    OPEN_BUDGETS,
    Budget,
    BudgetPeriod,
    Reservation,
    ReservationState,
)
from chenu_server.governance.budgets.overruns import Booked as Booked
from chenu_server.governance.budgets.overruns import Frozen as Frozen
from chenu_server.governance.budgets.overruns import book, frozen_among, to_freeze
from chenu_server.governance.budgets.periods import DAY_US, starts_of_day
from chenu_server.governance.budgets.standing import Standing as Standing
from chenu_server.governance.budgets.standing import standing_in
from chenu_server.unit import ById, Found, Key, Need, Rows
from chenu_server.values import dataclass, replace
from chenu_server.vocabulary import Scope

Facts = Mapping[Scope, str]
"""What a query is about, by the scope that asks: its sphere, thread, agent and provider."""

_WHOLE_IDENTITY: Final = (Scope.GLOBAL, Scope.IDENTITY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What is to be held, for which query, and who answers for it until when.

    `owner_id` is the process whose lease keeps it; empty for a blocked query's, which
    `expires_us` ends. 0 means: no such time.
    """

    identity_id: str
    request_id: str
    amount_nanousd: int
    owner_id: str
    expires_us: int


@dataclass(frozen=True, slots=True)
class Held:
    """It fits in every budget that applies; the reservation stands in `rows`."""

    reservation: Reservation


@dataclass(frozen=True, slots=True)
class Exhausted:
    """A budget has no room. `budget_id` is empty unless the asking identity owns it."""

    scope: Scope
    budget_id: str


@dataclass(frozen=True, slots=True)
class NoBudget:
    """No budget applies, and one is required."""


def needs_for_reserve(identity_id: str, now_us: int) -> Sequence[Need]:
    """The rows that `budgets_for` reads: budgets and current periods, own and global."""
    return _needs_on_day(identity_id, now_us // DAY_US)


@lru_cache(maxsize=4_096)
def _needs_on_day(identity_id: str, day: int) -> tuple[Need, ...]:
    owners = dict.fromkeys((identity_id, SYSTEM_IDENTITY))
    starts = dict.fromkeys(starts_of_day(day).values())
    budgets = [Found(OPEN_BUDGETS, (owner,)) for owner in owners]
    periods = [Found(CURRENT_PERIODS, (owner, start)) for owner in owners for start in starts]
    return (*budgets, *periods)


def needs_for_legs(reservation: Reservation) -> list[Need]:
    """The rows that `budgets_of` reads: each leg's budget and period."""
    budgets = [ById(Budget, (budget_id,)) for budget_id, _ in reservation.legs]
    return [*budgets, *(ById(BudgetPeriod, leg) for leg in reservation.legs)]


def budgets_for(rows: Rows, identity_id: str, facts: Facts, now_us: int) -> tuple[Standing, ...]:
    """Every open budget that a query of this identity must fit in, oldest first.

    The identity's own ones that match `facts`, and those of scope global. One without a row for
    the current period stands at zero.
    """
    own = rows.find(OPEN_BUDGETS, (identity_id,))
    shared = () if identity_id == SYSTEM_IDENTITY else rows.find(OPEN_BUDGETS, (SYSTEM_IDENTITY,))
    applying = [budget for budget in own if _covers(budget, facts)]
    applying += [budget for budget in shared if budget.scope is Scope.GLOBAL]
    applying.sort(key=lambda budget: (budget.created_us, budget.budget_id))
    starts = starts_of_day(now_us // DAY_US)
    return tuple(_standing_at(rows, budget, starts[budget.period]) for budget in applying)


def _covers(budget: Budget, facts: Facts) -> bool:
    return budget.scope in _WHOLE_IDENTITY or facts.get(budget.scope) == budget.scope_value


def _standing_at(rows: Rows, budget: Budget, start_us: int) -> Standing:
    found = rows.find(CURRENT_PERIODS, (budget.identity_id, start_us))
    period = next((row for row in found if row.budget_id == budget.budget_id), None)
    return standing_in(budget, start_us, period)


def budgets_of(rows: Rows, reservation: Reservation) -> tuple[Standing, ...]:
    """The budgets and periods that a reservation stands in, whatever day it is now."""
    return tuple(_standing_of_leg(rows, leg) for leg in reservation.legs)


def _standing_of_leg(rows: Rows, leg: Key) -> Standing:
    budget = rows.get(Budget, leg[:1])
    period = rows.get(BudgetPeriod, leg)
    if budget is None or period is None:
        raise LookupError(f"a reservation stands in {leg}, which has no row")
    return Standing(budget, period)


def current_of(rows: Rows, standings: Sequence[Standing], now_us: int) -> tuple[Standing, ...]:
    """The same budgets in the periods that go on now; needs what `needs_for_reserve` names."""
    starts = starts_of_day(now_us // DAY_US)
    return tuple(_standing_at(rows, each.budget, starts[each.budget.period]) for each in standings)


def available(standings: Iterable[Standing]) -> int:
    """The most that can be held in all of them; the largest limit there is when there are none."""
    rooms = (engine.available(standing.account) for standing in standings)
    return min(rooms, default=LIMIT_MAX_NANOUSD)


def reserve(
    rows: Rows,
    standings: Sequence[Standing],
    hold: Hold,
    *,
    required: bool,
    now_us: int,
) -> Held | Exhausted | Frozen | NoBudget:
    """Hold the amount in every standing (of `budgets_for`), or in none.

    With `required` off, a query that no budget covers gets a reservation without legs.
    """
    if not standings and required:
        return NoBudget()
    refused = frozen_among(standings, hold.identity_id) or _take(
        rows, standings, hold.amount_nanousd, hold.identity_id
    )
    if refused is not None:
        return refused
    reservation = Reservation(
        identity_id=hold.identity_id,
        request_id=hold.request_id,
        state=ReservationState.HELD,
        amount_nanousd=hold.amount_nanousd,
        posted_nanousd=0,
        overrun_nanousd=0,
        estimated=False,
        legs=tuple(
            (standing.budget.budget_id, standing.period.period_start_us) for standing in standings
        ),
        owner_id=hold.owner_id,
        expires_us=hold.expires_us,
        created_us=now_us,
        ended_us=0,
    )
    rows.put(reservation)
    return Held(reservation)


def top_up(
    rows: Rows, reservation: Reservation, amount_nanousd: int, *, now_us: int
) -> Held | Exhausted | Frozen:
    """Raise what is held to `amount_nanousd`, in every leg or in none; never lowers it."""
    _must_be_held(reservation)
    missing = amount_nanousd - reservation.amount_nanousd
    if missing <= 0:
        return Held(reservation)
    standings, identity_id = budgets_of(rows, reservation), reservation.identity_id
    frozen = frozen_among(current_of(rows, standings, now_us), identity_id)
    refused = frozen or _take(rows, standings, missing, identity_id)
    if refused is not None:
        return refused
    return Held(_put(rows, replace(reservation, amount_nanousd=amount_nanousd)))


def _take(
    rows: Rows, standings: Sequence[Standing], amount: int, identity_id: str
) -> Exhausted | None:
    accounts, exhausted = engine.reserve([standing.account for standing in standings], amount)
    if accounts is None:
        budget = standings[exhausted].budget
        owned = budget.identity_id == identity_id
        return Exhausted(budget.scope, budget.budget_id if owned else "")
    for standing, account in zip(standings, accounts, strict=True):
        rows.put(standing.after(account))
    return None


def room_after(rows: Rows, reservation: Reservation, used: int, *, now_us: int) -> int:
    """The most that `top_up` could hold once `post_part` has posted what an attempt used.

    No more than what is held still, where a budget is frozen or that very bill freezes it.
    """
    leaving = min(used, reservation.amount_nanousd)
    left = reservation.amount_nanousd - leaving
    booked = _booked(rows, reservation, leaving, used)
    today = current_of(rows, [standing for standing, _ in booked], now_us)
    frozen = frozen_among(today, reservation.identity_id)
    if frozen is not None or to_freeze(booked, now_us) is not None:
        return left
    rooms = (engine.available(account) for _, account in booked)
    return left + min(rooms, default=LIMIT_MAX_NANOUSD)


def post_part(
    rows: Rows, reservation: Reservation, used: int, *, estimated: bool, now_us: int
) -> Reservation:
    """Post what one attempt used and keep the rest held. Beyond what is held: overrun."""
    _must_be_held(reservation)
    leaving = min(used, reservation.amount_nanousd)
    return _put(rows, _post(rows, reservation, leaving, used, estimated=estimated, now_us=now_us))


def post(
    rows: Rows, reservation: Reservation, used: int, *, estimated: bool, now_us: int
) -> Reservation:
    """Post what the last attempt used, release the rest, and end the reservation.

    One that a sweep has released already is posted late: what fits, the rest is overrun. Money
    that was spent is never dropped.
    """
    if reservation.state is not ReservationState.HELD:
        return late_post(rows, reservation, used, estimated=estimated, now_us=now_us)
    leaving = reservation.amount_nanousd
    posted = _post(rows, reservation, leaving, used, estimated=estimated, now_us=now_us)
    return _put(rows, replace(posted, state=ReservationState.POSTED, ended_us=now_us))


def _post(
    rows: Rows, reservation: Reservation, leaving: int, used: int, *, estimated: bool, now_us: int
) -> Reservation:
    """`leaving` is how much is held no longer; of it `used` is posted, as far as it goes."""
    if leaving or used:
        booked = _booked(rows, reservation, leaving, used)
        book(rows, reservation.request_id, booked, now_us)
    posted = min(used, leaving)
    return replace(
        reservation,
        amount_nanousd=reservation.amount_nanousd - leaving,
        posted_nanousd=reservation.posted_nanousd + posted,
        overrun_nanousd=reservation.overrun_nanousd + used - posted,
        estimated=reservation.estimated or estimated,
    )


def _booked(rows: Rows, reservation: Reservation, leaving: int, used: int) -> list[Booked]:
    """Each leg with its account as it is once `used` is posted of what leaves the reservation."""
    standings = budgets_of(rows, reservation)
    return [(each, engine.post(each.account, leaving, used)) for each in standings]


def late_post(
    rows: Rows, reservation: Reservation, used: int, *, estimated: bool, now_us: int
) -> Reservation:
    """Post what fits in each leg of a reservation that is held no more; the rest is overrun.

    Raises:
        ValueError: It is held still, or was posted: posting it again would charge it twice.
    """
    if reservation.state in (ReservationState.HELD, ReservationState.POSTED):
        raise ValueError(f"a {reservation.state.value} reservation cannot be posted late")
    standings = budgets_of(rows, reservation)
    booked = [(each, engine.late_post(each.account, used)) for each in standings]
    book(rows, reservation.request_id, booked, now_us)
    overs = (account.overrun - each.period.overrun_nanousd for each, account in booked)
    most_over = max(overs, default=0)
    return _put(
        rows,
        replace(
            reservation,
            posted_nanousd=reservation.posted_nanousd + used - most_over,
            overrun_nanousd=reservation.overrun_nanousd + most_over,
            estimated=reservation.estimated or estimated,
        ),
    )


def void(rows: Rows, reservation: Reservation, now_us: int) -> Reservation:
    """Release all that is held: nothing was dispatched."""
    _must_be_held(reservation)
    return _release(rows, reservation, ReservationState.VOIDED, now_us)


def expire(rows: Rows, reservation: Reservation, now_us: int) -> Reservation:
    """Release what an owner left whose lease has lapsed. It may still be posted late."""
    _must_be_held(reservation)
    return _release(rows, reservation, ReservationState.EXPIRED, now_us)


def _release(
    rows: Rows, reservation: Reservation, state: ReservationState, now_us: int
) -> Reservation:
    held = reservation.amount_nanousd
    for standing in budgets_of(rows, reservation) if held else ():
        rows.put(standing.after(engine.void(standing.account, held)))
    return _put(rows, replace(reservation, state=state, amount_nanousd=0, ended_us=now_us))


def _put(rows: Rows, reservation: Reservation) -> Reservation:
    rows.put(reservation)
    return reservation


def _must_be_held(reservation: Reservation) -> None:
    if reservation.state is not ReservationState.HELD:
        raise ValueError(f"the reservation is {reservation.state.value}, not held")
