"""The world of a random walk: two identities and everybody's budgets, slots, clocks that step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from random import Random
from typing import Final, TypeVar

from chenu_server.caller import SYSTEM_IDENTITY
from chenu_server.governance.budgets.model import Budget, BudgetPeriod, Reservation
from chenu_server.governance.budgets.periods import DAY_US, period_start_us
from chenu_server.governance.checkpoints.model import Checkpoint, Expiries
from chenu_server.governance.limits.model import ProviderLimit
from chenu_server.pipeline.media_records import StoredFile
from chenu_server.unit import Moment, Row, Unit
from chenu_server.units.rules import Rules
from chenu_server.vocabulary import CheckpointType, Period, Scope
from tests.fakes.rows import FakeRows, run
from tests.twins.asks import FILES, IDENTITIES, PROVIDERS, ROLES, SPHERES
from tests.unit.budgets.samples import at, budget
from tests.unit.units.samples import rules

T = TypeVar("T")

SECOND_US: Final = 1_000_000
LIFETIME_US: Final = 60 * SECOND_US
# Most of them so long before a period ends that something is on its way when it does.
BEGINNINGS: Final = (
    "2026-11-18T12:00:00",
    "2027-02-28T23:59:20",
    "2028-02-28T23:59:20",
    "2028-02-29T23:59:20",  # a leap day, and the end of a month
    "2027-12-31T23:59:20",
    "2028-12-31T23:59:20",  # a Sunday: day, week, month and year end at once
    "2100-02-28T23:59:40",  # no leap year
    "1999-12-31T23:59:40",
)
_VALUES: Final = {
    Scope.SPHERE: tuple(sphere.value for sphere in SPHERES),
    Scope.AGENT: ROLES,
    Scope.PROVIDER: PROVIDERS,
    Scope.THREAD: ("", "thread-1"),
}


class World:
    """Rows, rules and clocks. A unit that runs in it is compared with its command."""

    def __init__(self, dice: Random) -> None:
        self.now_us = at(dice.choice(BEGINNINGS)) + dice.choice((0, 1, SECOND_US))
        self.mono_ns = dice.choice((0, 10**15))
        self.rules = _rules(dice)
        self.rows = FakeRows(*_budgets(dice, self.now_us), *_files(dice))
        self.ids = count(1)
        self.dear = dice.choice((0.1, 0.4, 0.8))  # how often more is billed than was held
        self._before = {each.key: _spent(self.rows, each) for each in self.rows.all(Budget)}

    @property
    def now(self) -> Moment:
        """The batch's time."""
        return Moment(now_us=self.now_us, mono_ns=self.mono_ns)

    def act(self, unit: Unit[T]) -> T:
        """A unit's outcome; no money is made or lost by it."""
        outcome = run(unit, self.rows, self.now)
        self._check_money()
        return outcome

    def pass_time(self, dice: Random) -> None:
        """Slots free, waits lapse, and now and then a period ends, to the microsecond."""
        step_us = dice.choice((1, SECOND_US, 4 * SECOND_US, 11 * SECOND_US, 13 * SECOND_US))
        if dice.random() < 0.3:
            exact_us = dice.choice(self._ends()) - self.now_us + dice.choice((-1, 0, 0, 1))
            days_us = dice.choice((1, 7, 31, 366)) * DAY_US
            step_us = dice.choice((max(exact_us, 0), max(exact_us, 0), days_us))
        self.now_us += step_us
        # The database's clock goes its own way, and another process has another clock.
        told_ns = dice.choice((1_000 * step_us,) * 4 + (0, 999 * step_us, -5_000_000_000))
        self.mono_ns = max(self.mono_ns + told_ns, 0)

    def _ends(self) -> list[int]:
        """When something that waits has waited long enough, and when the day is over."""
        open_ones = [each for each in self.rows.all(Checkpoint) if each.is_open]
        lapses = [each.use_before_us or each.expires_us for each in open_ones]
        return [*lapses[-3:], self.now_us - self.now_us % DAY_US + DAY_US]

    def change_rules(self, dice: Random) -> None:
        """The operator starts it anew with other limits, perhaps as another process."""
        other = _rules(dice)
        self.rules = replace(
            self.rules,
            limits=other.limits,
            default_limit=other.default_limit,
            pending_max=other.pending_max,
            least_cap=other.least_cap,
            owner_id=other.owner_id,
        )

    def _check_money(self) -> None:
        """Each budget holds and has spent what its reservations say."""
        for each in self.rows.all(Budget):
            held, spent = _of_reservations(self.rows, each)
            periods = [row for row in self.rows.all(BudgetPeriod) if row.key[0] == each.budget_id]
            assert held == sum(row.reserved_nanousd for row in periods), each
            assert spent == _spent(self.rows, each) - self._before.get(each.key, 0), each


def _spent(rows: FakeRows, limit: Budget) -> int:
    periods = [each for each in rows.all(BudgetPeriod) if each.budget_id == limit.budget_id]
    return sum(each.posted_nanousd + each.overrun_nanousd for each in periods)


def _of_reservations(rows: FakeRows, limit: Budget) -> tuple[int, int]:
    """What the reservations of a budget hold and have spent."""
    found = [
        each
        for each in rows.all(Reservation)
        if any(budget_id == limit.budget_id for budget_id, _ in each.legs)
    ]
    spent = sum(each.posted_nanousd + each.overrun_nanousd for each in found)
    return sum(each.amount_nanousd for each in found), spent


def _limit(dice: Random) -> ProviderLimit:
    return ProviderLimit(
        requests=dice.choice((1, 2, 3)),
        window_us=dice.choice((2, 5, 10)) * SECOND_US,
        guard_us=250_000,
        dispatch_within_us=SECOND_US,
    )


def _rules(dice: Random) -> Rules:
    some = dice.sample(PROVIDERS, dice.randrange(3))
    return rules(
        expiries=Expiries(
            LIFETIME_US,
            {
                CheckpointType.CROSS_SPHERE: LIFETIME_US // 2,
                CheckpointType.DATA_ACCESS: 10 * SECOND_US,
            },
        ),
        default_limit=_limit(dice),
        limits={provider: _limit(dice) for provider in some},
        ledger_number=7,
        owner_id=dice.choice(("owner", "owner", "owner-2")),
        least_cap=dice.choice((1, 256, 256, 1_000)),
        budget_required=dice.random() < 0.8,
        pending_max=dice.choice((0, 1, 3, 100, 100)),
    )


def _files(dice: Random) -> list[Row]:
    """Files that are stored already."""
    stored = dice.sample(FILES, dice.randrange(4))
    return [
        StoredFile(identity_id=identity_id, sha256=bytes.fromhex(digest), size=3)
        for identity_id in IDENTITIES
        for digest in stored
    ]


def _budgets(dice: Random, now_us: int) -> Iterator[Row]:
    """Often one over everybody, and some of each identity; of some a period has begun."""
    if dice.random() < 0.75:
        yield from _budget(dice, "b-0", SYSTEM_IDENTITY, Scope.GLOBAL, now_us)
    yield from _budget(dice, "b-9", SYSTEM_IDENTITY, Scope.IDENTITY, now_us)
    for number, identity_id in enumerate(IDENTITIES, 1):
        for of_identity in range(dice.choice((0, 1, 2, 2, 3, 3, 4, 5))):
            scope = dice.choice(tuple(Scope)) if of_identity else Scope.IDENTITY
            name = f"b-{dice.randrange(9)}{number}{of_identity}"  # not in the order of creation
            yield from _budget(dice, name, identity_id, scope, now_us)


def _budget(
    dice: Random, budget_id: str, identity_id: str, scope: Scope, now_us: int
) -> Iterator[Row]:
    period = dice.choice(tuple(Period))
    is_global = scope is Scope.GLOBAL
    limit = dice.choice((90_000, 200_000) if is_global else (3_000, 9_000, 20_000, 60_000, 90_000))
    made = budget(
        budget_id,
        limit,
        identity_id=identity_id,
        scope=scope,
        scope_value=dice.choice(_VALUES.get(scope, ("",))),
        period=period,
        granted=dice.choice((0, 0, 500)),
        deleted=dice.random() < 0.05,
        created_us=now_us - dice.choice((1, 1, 2, DAY_US)),
    )
    yield made
    if dice.random() < 0.4:
        over = dice.choice((0, 0, limit // 200, limit // 50))
        yield BudgetPeriod(
            budget_id=budget_id,
            period_start_us=period_start_us(period, now_us - dice.choice((0, 0, DAY_US))),
            identity_id=identity_id,
            posted_nanousd=dice.choice((0, limit // 4, limit // 2)),
            reserved_nanousd=0,
            overrun_nanousd=over,
            overrun_seen_nanousd=dice.choice((0, over)),
            frozen_us=dice.choice((0, 0, 0, 0, now_us - 5)) if over else 0,
        )
