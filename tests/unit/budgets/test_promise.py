"""The promise on money, under every interleaving of every operation."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chenu_server.caller import SYSTEM_IDENTITY, Caller, Principal
from chenu_server.governance.budgets.changes import UnfreezeBudget
from chenu_server.governance.budgets.decide import (
    Frozen,
    Held,
    expire,
    late_post,
    post,
    post_part,
    top_up,
    void,
)
from chenu_server.governance.budgets.model import BudgetPeriod, Reservation, ReservationState
from chenu_server.governance.budgets.periods import period_start_us
from chenu_server.unit import Moment
from chenu_server.vocabulary import Period, PrincipalType, Scope
from tests.dice import examples
from tests.fakes.rows import FakeRows, run
from tests.unit.budgets.samples import ALICE, NOON, budget, legs_of, topping_up, try_reserve

DAY_US = 86_400_000_000
BUDGETS = (
    budget("day", 100),
    budget("month", 250, period=Period.MONTHLY, granted=20),
    budget("all", 180, identity_id=SYSTEM_IDENTITY, scope=Scope.GLOBAL, period=Period.TOTAL),
)
PERIODS = {each.budget_id: each.period for each in BUDGETS}
OWN = ("day", "month")
ADMIN = Caller(
    principal=Principal(type=PrincipalType.USER, id="ann"), identity_id=ALICE, roles=frozenset()
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
        self.overruns: dict[tuple[str, int], int] = {}
        self.seen: dict[tuple[str, int], int] = {}
        self.frozen: set[tuple[str, int]] = set()

    def pick(self, number: int, *states: ReservationState) -> Reservation | None:
        """One of the reservations in these states, if there is one."""
        found = [row for row in self.rows.all(Reservation) if row.state in states]
        return found[number % len(found)] if found else None

    def spend(self, reservation: Reservation, used: int) -> None:
        """What the provider billed stands against every budget of the reservation."""
        for leg in reservation.legs:
            self.spent[leg] = self.spent.get(leg, 0) + used

    def current(self, leg: tuple[str, int]) -> bool:
        """Whether the leg's period goes on."""
        return period_start_us(PERIODS[leg[0]], self.now_us) == leg[1]

    def is_frozen(self, *legs: tuple[str, int]) -> bool:
        """Whether the model says that one of these admits nothing."""
        return any(leg in self.frozen and self.current(leg) for leg in legs)

    def book(self, reservation: Reservation, overs: dict[tuple[str, int], int]) -> None:
        """The rule on overruns, in plain words: too far is 1 % more than was seen."""
        limits = {each.budget_id: each.limit_nanousd for each in BUDGETS}
        too_far = []
        for leg in reservation.legs:
            self.overruns[leg] = self.overruns.get(leg, 0) + overs[leg]
            beyond = self.overruns[leg] - self.seen.get(leg, 0)
            if overs[leg] and 100 * beyond > limits[leg[0]]:
                too_far.append(leg)
        can = [leg for leg in sorted(too_far) if leg[0] in OWN and self.current(leg)]
        self.frozen.update(can[:1])
        for leg in too_far:
            self.seen[leg] = self.overruns[leg]

    def overs_of(
        self, reservation: Reservation, used: int, *, late: bool
    ) -> dict[tuple[str, int], int]:
        """How far a bill goes beyond what is held; posted late, beyond what has room."""
        overs = {}
        for leg in reservation.legs:
            row = self.rows.get(BudgetPeriod, leg)
            assert row is not None
            taken = row.posted_nanousd + row.reserved_nanousd + row.overrun_nanousd
            room = max(LIMITS[leg[0]] - taken, 0) if late else reservation.amount_nanousd
            overs[leg] = max(used - room, 0)
        return overs

    @rule(amount=amounts)
    def reserve(self, amount: int) -> None:
        """A query asks."""
        self.queries += 1
        outcome = try_reserve(self.rows, amount, request_id=str(self.queries), now_us=self.now_us)
        legs = [(name, period_start_us(period, self.now_us)) for name, period in PERIODS.items()]
        assert self.is_frozen(*legs) == isinstance(outcome, Frozen)
        if isinstance(outcome, Held):
            self.check_admitted(outcome.reservation)

    @rule(name=st.sampled_from([each.budget_id for each in BUDGETS]))
    def unfreeze(self, name: str) -> None:
        """A person lets a budget admit again; the one over everybody is never frozen."""
        unit = UnfreezeBudget(caller=ADMIN, budget_id=name, reason="seen")
        run(unit, self.rows, Moment(now_us=self.now_us, mono_ns=0))
        leg = (name, period_start_us(PERIODS[name], self.now_us))
        if leg in self.frozen:
            self.frozen.remove(leg)
            self.seen[leg] = self.overruns[leg]

    @rule(number=picks, amount=amounts)
    def top_up(self, number: int, amount: int) -> None:
        """A further attempt asks for more."""
        held = self.pick(number, ReservationState.HELD)
        if held is None:
            return
        seen = topping_up(self.rows, held, self.now_us)
        outcome = top_up(seen, held, amount, now_us=self.now_us)
        wants_more = amount > held.amount_nanousd
        today = [(name, period_start_us(PERIODS[name], self.now_us)) for name, _ in held.legs]
        assert (wants_more and self.is_frozen(*today)) == isinstance(outcome, Frozen)
        if isinstance(outcome, Held) and outcome.reservation != held:
            self.check_admitted(held)

    @rule(number=picks, used=st.integers(0, 150))
    def post_part(self, number: int, used: int) -> None:
        """An attempt failed; it may have billed more than was held."""
        held = self.pick(number, ReservationState.HELD)
        if held is not None:
            self.spend(held, used)
            self.book(held, self.overs_of(held, used, late=False))
            post_part(legs_of(self.rows, held), held, used, estimated=True, now_us=self.now_us)

    @rule(number=picks, used=st.integers(0, 150))
    def post(self, number: int, used: int) -> None:
        """The last attempt ended."""
        held = self.pick(number, ReservationState.HELD)
        if held is not None:
            self.spend(held, used)
            self.book(held, self.overs_of(held, used, late=False))
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
            self.book(ended, self.overs_of(ended, used, late=True))
            now_us = self.now_us
            late_post(legs_of(self.rows, ended), ended, used, estimated=False, now_us=now_us)

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
    def what_is_frozen_is_what_was_overrun_too_far(self) -> None:
        """As the plain rule says, row by row; and never the budget over everybody."""
        rows = self.rows.all(BudgetPeriod)
        assert self.frozen == {row.key for row in rows if row.frozen_us}
        assert {"all"}.isdisjoint(name for name, _ in self.frozen)

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
TestSpending.settings = settings(examples(60), stateful_step_count=40)
