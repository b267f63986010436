"""A frozen budget in every command: what is new is refused, what runs ends, what waits is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chenu_server.governance.budgets.model import Budget, BudgetPeriod
from chenu_server.operations.ask import Consume, Validate
from chenu_server.operations.run import Recover, Retry, Settle
from chenu_server.pipeline.ports import Admitted, Closed, TooDear
from chenu_server.reasons import Reason
from chenu_server.vocabulary import CheckpointState, Intent, Period, QueryStatus
from tests.unit.operations.samples import (
    ACME,
    BOUND_1,
    BOUND_2,
    FIRST,
    SECOND_US,
    World,
    admission,
    ended,
    following,
    route,
    settlement,
)

DAY_US = 86_400_000_000
LIMIT = 100_000
TOO_FAR = LIMIT // 100 + 1


def overrun(world: World, by: int = TOO_FAR) -> None:
    """Another query, billed so much more than it held; its slot is free again afterwards."""
    other = world.admitted(admission("other"))
    world.act(Settle(settlement(other, ended(other, BOUND_2 + by))))
    world.now_us += 20 * SECOND_US


def frozen(world: World) -> bool:
    """Whether any period is."""
    return any(row.frozen_us for row in world.rows.all(BudgetPeriod))


@pytest.mark.parametrize("intent", [Intent.QUERY, Intent.DELETE])
def test_a_new_query_is_closed_with_the_reason(intent: Intent) -> None:
    """Before anybody is asked: an approval could not run it either."""
    world = World()
    overrun(world)

    assert isinstance(world.admit(admission(intents=(intent,))), Closed)
    assert ("deny", "BUDGET_FROZEN") == (world.entries[-1], world.rows.entries[-1].reason)
    assert "budget.exceeded" in world.kinds


def test_frozen_is_told_before_exhausted() -> None:
    """A lower price would not help."""
    world = World()
    overrun(world)
    world.set_limit(0)
    world.admit()

    assert "BUDGET_FROZEN" == world.rows.entries[-1].reason


def test_validation_says_so_too() -> None:
    """It says what admission would."""
    world = World()
    overrun(world)
    answer = world.act(Validate(admission(), world.rules))

    assert Reason.BUDGET_FROZEN is answer.denial.reason


def test_an_approved_query_ends_as_refused() -> None:
    """It holds its money, and does not run: a person approved it before the overrun was known."""
    world = World()
    asked = world.approved()
    overrun(world)
    answer = world.act(Consume(asked, world.rules, take_slot=True))

    assert isinstance(answer, Closed)
    assert "BUDGET_FROZEN" == world.rows.entries[-1].reason
    assert QueryStatus.FAILED is world.query.status
    assert CheckpointState.CANCELLED is world.checkpoint.state
    assert 0 == world.held.amount_nanousd
    assert "budget.exceeded" in world.kinds


def test_an_approval_over_midnight_is_judged_by_today() -> None:
    """It holds yesterday's money; a freeze of yesterday is over, one of today binds it."""
    yesterday, today = World(), World()
    for world in (yesterday, today):
        world.rules = replace(
            world.rules, expiries=replace(world.rules.expiries, default_us=DAY_US)
        )
    asked = {world: world.approved() for world in (yesterday, today)}
    overrun(yesterday)
    for world in asked:
        world.now_us += DAY_US // 2 + SECOND_US
    overrun(today)

    assert isinstance(
        yesterday.act(Consume(asked[yesterday], yesterday.rules, take_slot=True)), Admitted
    )
    assert isinstance(today.act(Consume(asked[today], today.rules, take_slot=True)), Closed)


def test_a_candidate_that_needs_more_is_not_tried() -> None:
    """The chain ends; what ran is settled."""
    world = World()
    first = world.admitted(admission(chain=route(FIRST, FIRST)))
    overrun(world)
    end = ended(first, BOUND_1, failure="timeout", estimated=True)

    assert isinstance(world.act(Retry(following(first, end), world.rules)), TooDear)
    world.act(Settle(settlement(first, end, QueryStatus.FAILED)))
    assert BOUND_1 == world.query.cost_nanousd


def test_a_candidate_that_is_covered_is_tried() -> None:
    """Nothing new is reserved for it: what runs may end as it would."""
    world = World()
    first = world.admitted()
    overrun(world)
    end = ended(first, 0, failure="connection")

    assert isinstance(world.act(Retry(following(first, end), world.rules)), Admitted)


def test_a_retry_over_midnight_is_judged_by_today() -> None:
    """Its money is yesterday's; a freeze of yesterday is over, one of today binds it."""
    yesterday, today = World(), World()
    chain = route(FIRST, FIRST)
    running = {world: world.admitted(admission(chain=chain)) for world in (yesterday, today)}
    overrun(yesterday)
    for world in running:
        world.now_us += DAY_US // 2 + SECOND_US
    overrun(today)

    def retried(world: World) -> object:
        end = ended(running[world], BOUND_1, failure="timeout", estimated=True)
        return world.act(Retry(following(running[world], end), world.rules))

    assert isinstance(retried(yesterday), Admitted)
    assert isinstance(retried(today), TooDear)


@pytest.mark.parametrize("over", [TOO_FAR - 1, TOO_FAR])
def test_a_failed_attempts_bill_counts_before_the_next_one_is_covered(over: int) -> None:
    """An overrun takes room, and one too far freezes: the next attempt learns of it here."""
    world = World(LIMIT)
    first = world.admitted(admission(chain=route(FIRST, FIRST)))
    end = ended(first, BOUND_1 + over, failure="http_500", estimated=True)
    answer = world.act(Retry(following(first, end), world.rules))

    assert isinstance(answer, TooDear if over == TOO_FAR else Admitted)


def test_an_overrun_that_takes_the_next_ones_room_ends_the_chain() -> None:
    """The room is measured behind the bill, and not before it."""
    world = World(2 * BOUND_1)
    first = world.admitted(admission(chain=route(FIRST, FIRST)))
    end = ended(first, BOUND_1 + 1, failure="http_500", estimated=True)

    assert isinstance(world.act(Retry(following(first, end), world.rules)), TooDear)


def test_a_late_bill_freezes() -> None:
    """The sweep charged the bound; what the provider billed beyond it finds no room."""
    world = World(LIMIT)
    first = world.admitted()
    world.act(Recover(ACME, "q", "owner"))
    world.set_limit(BOUND_2)
    world.act(Settle(settlement(first, ended(first, BOUND_1 + LIMIT))))

    assert frozen(world)
    assert "BUDGET_FROZEN" == world.rows.entries[-1].reason


def test_running_queries_settle_on_a_frozen_budget() -> None:
    """Money that was spent is booked whatever is frozen."""
    world = World()
    first = world.admitted()
    overrun(world)
    world.act(Settle(settlement(first, ended(first, 77), output="x")))

    assert QueryStatus.COMPLETED is world.query.status
    assert 77 == world.query.cost_nanousd


def test_the_freeze_and_its_bill_are_one_unit() -> None:
    """A crash leaves both or neither: the entry stands before the settlement's own."""
    world = World()
    overrun(world)

    assert [("admin", "BUDGET_FROZEN"), ("settle", "")] == [
        (entry.decision, entry.reason) for entry in world.rows.entries[-2:]
    ]


def test_the_next_day_admits_again() -> None:
    """Without anybody."""
    world = World()
    overrun(world)
    world.now_us += DAY_US

    assert isinstance(world.admit(), Admitted)


def test_a_total_budget_waits_for_a_person() -> None:
    """Its period never ends."""
    world = World()
    (daily,) = world.rows.all(Budget)
    world.rows.put(replace(daily, period=Period.TOTAL))
    overrun(world)
    world.now_us += 400 * DAY_US

    assert isinstance(world.admit(), Closed)
