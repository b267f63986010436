"""The promise on money, under every interleaving of every operation."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chenu_server.caller import SYSTEM_IDENTITY
from chenu_server.governance.budgets.decide import (
    Held,
    expire,
    late_post,
    post,
    post_part,
    top_up,
    void,
)
from chenu_server.governance.budgets.model import (
    BudgetPeriod,
    Period,
    Reservation,
    ReservationState,
    Scope,
)
from tests.fakes.rows import FakeRows
from tests.unit.budgets.samples import NOON, budget, legs_of, try_reserve

DAY_US = 86_400_000_000
BUDGETS = (
    budget("day", 100),
    budget("month", 250, period=Period.MONTHLY, granted=20),
    budget("all", 180, identity_id=SYSTEM_IDENTITY, scope=Scope.GLOBAL, period=Period.TOTAL),
)
LIMITS = {each.budget_id: each.limit_nanousd + each.granted_nanousd for each in BUDGETS}

amounts = st.integers(1, 120)
picks = st.integers(0, 2**16)


class Spending(RuleBasedStateMachine):
    """Queries of one identity over three days, against a plain count of what was spent."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = FakeRows(*BUDGETS)
        self.now_us = NOON
        self.queries = 0
        self.spent: dict[tuple[str, int], int] = {}

    def pick(self, number: int, *states: ReservationState) -> Reservation | None:
        """One of the reservations in these states, if there is one."""
        found = [row for row in self.rows.all(Reservation) if row.state in states]
        return found[number % len(found)] if found else None

    def spend(self, reservation: Reservation, used: int) -> None:
        """What the provider billed stands against every budget of the reservation."""
        for leg in reservation.legs:
            self.spent[leg] = self.spent.get(leg, 0) + used

    @rule(amount=amounts)
    def reserve(self, amount: int) -> None:
        """A query asks."""
        self.queries += 1
        outcome = try_reserve(self.rows, amount, request_id=str(self.queries), now_us=self.now_us)
        if isinstance(outcome, Held):
            self.check_admitted(outcome.reservation)

    @rule(number=picks, amount=amounts)
    def top_up(self, number: int, amount: int) -> None:
        """A further attempt asks for more."""
        held = self.pick(number, ReservationState.HELD)
        if held is None:
            return
        outcome = top_up(legs_of(self.rows, held), held, amount)
        if isinstance(outcome, Held) and outcome.reservation != held:
            self.check_admitted(held)

    @rule(number=picks, used=st.integers(0, 150))
    def post_part(self, number: int, used: int) -> None:
        """An attempt failed; it may have billed more than was held."""
        held = self.pick(number, ReservationState.HELD)
        if held is not None:
            self.spend(held, used)
            post_part(legs_of(self.rows, held), held, used, estimated=True)

    @rule(number=picks, used=st.integers(0, 150))
    def post(self, number: int, used: int) -> None:
        """The last attempt ended."""
        held = self.pick(number, ReservationState.HELD)
        if held is not None:
            self.spend(held, used)
            post(legs_of(self.rows, held), held, used, estimated=False, now_us=self.now_us)

    @rule(number=picks)
    def void(self, number: int) -> None:
        """Nothing was dispatched."""
        held = self.pick(number, ReservationState.HELD)
        if held is not None:
            void(legs_of(self.rows, held), held, self.now_us)

    @rule(number=picks)
    def expire(self, number: int) -> None:
        """The owner's lease lapsed."""
        held = self.pick(number, ReservationState.HELD)
        if held is not None:
            expire(legs_of(self.rows, held), held, self.now_us)

    @rule(number=picks, used=st.integers(0, 150))
    def late_post(self, number: int, used: int) -> None:
        """The owner was alive after all."""
        ended = self.pick(number, ReservationState.EXPIRED, ReservationState.VOIDED)
        if ended is not None:
            self.spend(ended, used)
            late_post(legs_of(self.rows, ended), ended, used, estimated=False)

    @precondition(lambda self: self.now_us < NOON + 2 * DAY_US)
    @rule()
    def next_day(self) -> None:
        """Midnight passes; what is held stays in its own day."""
        self.now_us += DAY_US

    def check_admitted(self, reservation: Reservation) -> None:
        """Whatever was just admitted, overrun included, fits."""
        for leg in reservation.legs:
            row = self.rows.get(BudgetPeriod, leg)
            assert row is not None
            whole = row.posted_nanousd + row.reserved_nanousd + row.overrun_nanousd
            assert whole <= LIMITS[row.budget_id]

    @invariant()
    def never_over_the_limit(self) -> None:
        """At every committed state."""
        for row in self.rows.all(BudgetPeriod):
            assert row.posted_nanousd + row.reserved_nanousd <= LIMITS[row.budget_id]

    @invariant()
    def what_is_reserved_is_what_reservations_hold(self) -> None:
        """No money is held by nobody, none is released twice."""
        for row in self.rows.all(BudgetPeriod):
            holders = [each for each in self.rows.all(Reservation) if row.key in each.legs]
            assert row.reserved_nanousd == sum(each.amount_nanousd for each in holders)

    @invariant()
    def every_bill_is_counted(self) -> None:
        """Posted and overrun together are what was spent, to the last nano-dollar."""
        for row in self.rows.all(BudgetPeriod):
            counted = row.posted_nanousd + row.overrun_nanousd
            assert self.spent.get((row.budget_id, row.period_start_us), 0) == counted

    @invariant()
    def a_query_knows_its_own_cost(self) -> None:
        """A reservation adds up what its attempts used."""
        posted = sum(
            each.posted_nanousd + each.overrun_nanousd for each in self.rows.all(Reservation)
        )
        in_total = sum(
            row.posted_nanousd + row.overrun_nanousd
            for row in self.rows.all(BudgetPeriod)
            if row.budget_id == "all"
        )
        assert in_total == posted


TestSpending = Spending.TestCase
TestSpending.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
