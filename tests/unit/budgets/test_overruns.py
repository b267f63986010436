"""A bill beyond what was held: entered always, and beyond 1 % of a limit it freezes a budget."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chenu_server.caller import SYSTEM_IDENTITY
from chenu_server.governance.budgets.decide import (
    Exhausted,
    Frozen,
    Held,
    expire,
    late_post,
    post,
    post_part,
    room_after,
    top_up,
)
from chenu_server.governance.budgets.model import Budget, BudgetPeriod
from chenu_server.vocabulary import Period, Scope
from tests.fakes.rows import FakeRows
from tests.unit.budgets.samples import (
    ALICE,
    NOON,
    budget,
    legs_of,
    reserved,
    topping_up,
    try_reserve,
)

DAY_US = 86_400_000_000
LIMIT = 10_000
ONE_PERCENT = LIMIT // 100


def overrun(rows: FakeRows, by: int, *, request_id: str = "q", now_us: int = NOON) -> None:
    """A query that held 10 and was billed so much more."""
    held = reserved(rows, 10, request_id=request_id, now_us=now_us)
    post(legs_of(rows, held), held, 10 + by, estimated=False, now_us=now_us)


def frozen(rows: FakeRows) -> set[str]:
    """The budgets with a frozen period."""
    return {row.budget_id for row in rows.all(BudgetPeriod) if row.frozen_us}


@pytest.mark.parametrize(("by", "after"), [(ONE_PERCENT, set()), (ONE_PERCENT + 1, {"day"})])
def test_an_overrun_beyond_one_percent_freezes(by: int, after: set[str]) -> None:
    """One nano-dollar decides, and the last query is told by nobody: the next one is."""
    rows = FakeRows(budget("day", LIMIT))
    overrun(rows, by)

    assert after == frozen(rows)
    assert isinstance(try_reserve(rows, 1, request_id="next"), Frozen if after else Held)


def test_small_overruns_add_up() -> None:
    """A provider that always bills a little more is no better than one that once bills much."""
    rows = FakeRows(budget("day", LIMIT))
    overrun(rows, ONE_PERCENT, request_id="first")
    overrun(rows, 1, request_id="second")

    assert {"day"} == frozen(rows)


def test_a_limit_of_nothing_is_frozen_by_any_overrun() -> None:
    """1 % of nothing is nothing."""
    rows = FakeRows(budget("day", 0))
    held = reserved(rows, 0)
    post(legs_of(rows, held), held, 1, estimated=False, now_us=NOON)

    assert {"day"} == frozen(rows)


def test_a_grant_does_not_widen_the_hundredth() -> None:
    """A person approved it for what was asked, not for what a provider adds."""
    rows = FakeRows(budget("day", LIMIT, granted=LIMIT))
    overrun(rows, ONE_PERCENT + 1)

    assert {"day"} == frozen(rows)


def scoped(*names: str) -> FakeRows:
    """A budget of each scope, all of the same limit; those of identity are older first."""
    made = {
        "agent": budget("agent", LIMIT, scope=Scope.AGENT, scope_value="nova"),
        "thread": budget("thread", LIMIT, scope=Scope.THREAD, scope_value="42"),
        "sphere": budget("sphere", LIMIT, scope=Scope.SPHERE, scope_value="business"),
        "provider": budget("provider", LIMIT, scope=Scope.PROVIDER, scope_value="anthropic"),
        "old": budget("old", LIMIT, period=Period.TOTAL, created_us=NOON - 2),
        "young": budget("young", LIMIT, created_us=NOON - 1),
        "all": budget("all", LIMIT, identity_id=SYSTEM_IDENTITY, scope=Scope.GLOBAL),
    }
    return FakeRows(*(made[name] for name in names))


@pytest.mark.parametrize(
    ("applying", "narrowest"),
    [
        (("all", "sphere", "thread", "agent"), {"agent"}),
        (("all", "provider", "young", "sphere", "thread"), {"thread"}),
        (("all", "provider", "young", "sphere"), {"sphere"}),
        (("all", "provider", "young", "old"), {"old"}),
        (("all", "provider"), {"provider"}),
        (("all",), set()),
    ],
)
def test_the_narrowest_budget_is_frozen_and_never_a_global_one(
    applying: tuple[str, ...], narrowest: set[str]
) -> None:
    """Agent, thread, sphere, identity, provider; the older of two alike; everybody's goes on."""
    rows = scoped(*applying)
    overrun(rows, ONE_PERCENT + 1)

    assert narrowest == frozen(rows)


def test_a_budget_whose_own_limit_is_far_is_not_frozen_for_another() -> None:
    """What is frozen was overrun itself: so the refusal says."""
    wide = budget("wide", 100 * LIMIT, scope=Scope.SPHERE, scope_value="business")
    rows = FakeRows(wide, budget("tight", LIMIT))
    overrun(rows, ONE_PERCENT + 1)

    assert {"tight"} == frozen(rows)


def test_one_freeze_answers_for_every_budget_that_was_overrun() -> None:
    """Unfreezing the narrowest must not let the next nano-dollar freeze the one around it."""
    rows = scoped("sphere", "young")
    overrun(rows, ONE_PERCENT + 1)
    thaw(rows, "sphere")
    overrun(rows, 1, request_id="next")

    assert set() == frozen(rows)


def thaw(rows: FakeRows, budget_id: str) -> None:
    """As `UnfreezeBudget` leaves the row."""
    for row in rows.all(BudgetPeriod):
        if row.budget_id == budget_id:
            rows.put(replace(row, frozen_us=0, overrun_seen_nanousd=row.overrun_nanousd))


def test_a_frozen_budget_refuses_before_an_exhausted_one() -> None:
    """More money would not help; a person must look first."""
    rows = FakeRows(budget("day", LIMIT), budget("small", 0, period=Period.TOTAL))
    held = reserved(rows, 0)
    post(legs_of(rows, held), held, ONE_PERCENT + 1, estimated=False, now_us=NOON)
    thaw(rows, "small")

    assert Frozen(Scope.IDENTITY, "day") == try_reserve(rows, 1, request_id="next")
    thaw(rows, "day")
    assert Exhausted(Scope.IDENTITY, "small") == try_reserve(rows, 1, request_id="next")


def test_the_next_day_is_not_frozen() -> None:
    """The freeze ends with its period, without anybody."""
    rows = FakeRows(budget("day", LIMIT))
    overrun(rows, ONE_PERCENT + 1)

    assert isinstance(try_reserve(rows, 1, request_id="next", now_us=NOON + DAY_US), Held)


def test_a_total_budget_stays_frozen() -> None:
    """Its period never ends."""
    rows = FakeRows(budget("total", LIMIT, period=Period.TOTAL))
    overrun(rows, ONE_PERCENT + 1)

    assert isinstance(try_reserve(rows, 1, request_id="next", now_us=NOON + 400 * DAY_US), Frozen)


def test_yesterdays_bill_freezes_nothing_today() -> None:
    """It counts against yesterday, whose freeze is over; it is entered all the same."""
    rows = FakeRows(budget("day", LIMIT))
    held = reserved(rows, 10)
    post(legs_of(rows, held), held, LIMIT, estimated=False, now_us=NOON + DAY_US)

    assert set() == frozen(rows)
    assert ["BUDGET_OVERRUN"] == [entry.reason for entry in rows.entries]


def test_a_deleted_budget_is_not_frozen() -> None:
    """There is nothing to unfreeze."""
    rows = FakeRows(budget("day", LIMIT))
    held = reserved(rows, 10)
    rows.put(replace(one(rows), deleted=True))
    post(legs_of(rows, held), held, LIMIT, estimated=False, now_us=NOON)

    assert set() == frozen(rows)


def one(rows: FakeRows) -> Budget:
    """The only budget."""
    (found,) = rows.all(Budget)
    return found


def test_a_failed_attempts_bill_freezes_too() -> None:
    """Whatever books a bill decides by the same rule, in its own unit."""
    rows = FakeRows(budget("day", LIMIT))
    held = reserved(rows, 10)
    post_part(legs_of(rows, held), held, 11 + ONE_PERCENT, estimated=True, now_us=NOON)

    assert {"day"} == frozen(rows)


def test_a_late_bill_freezes_too() -> None:
    """Its owner was thought dead, others took the room: what does not fit is overrun."""
    rows = FakeRows(budget("day", LIMIT))
    held = reserved(rows, 500)
    ended = expire(legs_of(rows, held), held, NOON)
    reserved(rows, LIMIT, request_id="other")
    late_post(legs_of(rows, ended), ended, ONE_PERCENT + 1, estimated=True, now_us=NOON)

    assert {"day"} == frozen(rows)


def test_what_is_held_is_posted_though_the_budget_is_frozen() -> None:
    """Running queries end as they would; only what is new is refused."""
    rows = FakeRows(budget("day", LIMIT))
    running = reserved(rows, 60, request_id="running")
    overrun(rows, ONE_PERCENT + 1)
    ended = post(legs_of(rows, running), running, 25, estimated=False, now_us=NOON)

    assert (25, 0) == (ended.posted_nanousd, ended.overrun_nanousd)


def test_a_frozen_budget_tops_nothing_up() -> None:
    """A further attempt may use what is held and not more."""
    rows = FakeRows(budget("day", LIMIT))
    running = reserved(rows, 60, request_id="running")
    overrun(rows, ONE_PERCENT + 1)
    seen = topping_up(rows, running)

    assert Frozen(Scope.IDENTITY, "day") == top_up(seen, running, 61, now_us=NOON)
    assert Held(running) == top_up(seen, running, 60, now_us=NOON)
    assert 40 == room_after(seen, running, 20, now_us=NOON)


def test_over_midnight_today_says_what_is_frozen() -> None:
    """The money is yesterday's. A freeze of yesterday is over; one of today binds it."""
    tomorrow = NOON + DAY_US
    for frozen_us, is_frozen in ((NOON, False), (tomorrow, True)):
        rows = FakeRows(budget("day", LIMIT))
        running = reserved(rows, 60, request_id="running")
        overrun(rows, ONE_PERCENT + 1, now_us=frozen_us)
        seen = topping_up(rows, running, tomorrow)

        assert is_frozen == (40 == room_after(seen, running, 20, now_us=tomorrow))
        assert is_frozen == isinstance(top_up(seen, running, 61, now_us=tomorrow), Frozen)


@pytest.mark.parametrize(
    ("used", "room"),
    [
        (0, LIMIT),
        (20, LIMIT - 20),
        (60, LIMIT - 60),
        (60 + ONE_PERCENT, LIMIT - 60 - ONE_PERCENT),
        (61 + ONE_PERCENT, 0),
    ],
)
def test_the_room_after_a_bill_is_what_a_top_up_gets(used: int, room: int) -> None:
    """Also where the bill is an overrun, and where that very overrun freezes the budget."""
    rows = FakeRows(budget("day", LIMIT))
    held = reserved(rows, 60)

    assert room == room_after(topping_up(rows, held), held, used, now_us=NOON)
    after = post_part(legs_of(rows, held), held, used, estimated=True, now_us=NOON)
    seen = topping_up(rows, after)
    assert not isinstance(top_up(seen, after, room + 1, now_us=NOON), Held)
    assert isinstance(top_up(seen, after, room, now_us=NOON), Held)


def test_every_overrun_is_entered_for_each_budget() -> None:
    """By the system, with how much and by which query; the budget that it froze says so."""
    rows = scoped("young", "all")
    overrun(rows, ONE_PERCENT + 1)

    assert {
        "young": ("admin", "update", ALICE, "BUDGET_FROZEN"),
        "all": ("admin", "update", SYSTEM_IDENTITY, "BUDGET_OVERRUN"),
    } == {
        entry.resource_id: (entry.decision, entry.action, entry.identity_id, entry.reason)
        for entry in rows.entries
    }
    assert {("service", SYSTEM_IDENTITY, "budget")} == {
        (entry.principal_type, entry.principal_id, entry.resource_kind) for entry in rows.entries
    }
    details = json.loads(rows.entries[0].payload)
    assert ("q", 101, 101, LIMIT) == (
        details["request_id"],
        details["overrun_by_nanousd"],
        details["overrun_nanousd"],
        details["limit_nanousd"],
    )


def test_an_ordinary_bill_is_not_entered() -> None:
    """The settling entry says what it cost."""
    rows = FakeRows(budget("day", LIMIT))
    overrun(rows, 0)

    assert [] == rows.entries
