"""Who may make, see, change and remove a budget, and what the ledger says of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from chenu_server.caller import SYSTEM_IDENTITY, Caller, Principal
from chenu_server.errors import (
    BudgetExists,
    BudgetInUse,
    EtagMismatch,
    IdentityBoundaryViolation,
    InvalidField,
    RoleRequired,
)
from chenu_server.governance.budgets.model import LIMIT_MAX_NANOUSD, Budget, BudgetPeriod
from chenu_server.governance.budgets.ports import Place, Starts
from chenu_server.governance.budgets.service import BudgetService, etag_of
from chenu_server.vocabulary import Period, PrincipalType, Role, Scope
from tests.fakes.boundary import FakeBoundary
from tests.fakes.rows import FakeRows
from tests.fakes.writer import FakeWriter
from tests.unit.budgets.samples import ALICE, NOON, reserved


def caller(identity_id: str = ALICE, *roles: Role) -> Caller:
    """Somebody with these roles, budget_admin unless told otherwise."""
    return Caller(
        principal=Principal(type=PrincipalType.USER, id="carol"),
        identity_id=identity_id,
        roles=frozenset(roles or (Role.BUDGET_ADMIN,)),
        acting_for=("user:dave",),
    )


class RowsReader:
    """A `BudgetReader` on the fake writer's rows."""

    def __init__(self, rows: FakeRows) -> None:
        self._rows = rows

    async def get(
        self, identity_id: str, budget_id: str, starts: Starts
    ) -> tuple[Budget, BudgetPeriod | None] | None:
        """One open budget of the identity."""
        found = await self.page(identity_id, starts, None, 10**6)
        return next((pair for pair in found if pair[0].budget_id == budget_id), None)

    async def page(
        self, identity_id: str, starts: Starts, after: Place | None, count: int
    ) -> Sequence[tuple[Budget, BudgetPeriod | None]]:
        """Oldest first."""
        after = after or Place(0, "")
        budgets = sorted(self._rows.all(Budget), key=lambda row: (row.created_us, row.budget_id))
        return [
            (row, self._rows.get(BudgetPeriod, (row.budget_id, starts[row.period])))
            for row in budgets
            if row.identity_id == identity_id
            and not row.deleted
            and (row.created_us, row.budget_id) > (after.created_us, after.budget_id)
        ][:count]


class Setting:
    """A service on fakes; budgets are named b1, b2 and so on."""

    def __init__(self) -> None:
        self.writer = FakeWriter(now_us=NOON)
        self.boundary = FakeBoundary()
        self.made = 0
        self.service = BudgetService(
            writer=self.writer,
            reader=RowsReader(self.writer.rows),
            boundary=self.boundary,
            now_us=lambda: self.writer.now_us,
            make_id=self._make_id,
        )

    def _make_id(self) -> str:
        self.made += 1
        return f"b{self.made}"

    async def daily(self, limit_nanousd: int = 100) -> str:
        """A daily budget of Alice's; its id."""
        made = await self.service.create(caller(), Scope.IDENTITY, Period.DAILY, limit_nanousd)
        return made.budget.budget_id


@pytest.fixture
def setting() -> Setting:
    """Nothing made yet."""
    return Setting()


async def test_a_budget_is_made_with_an_entry_that_says_by_whom(setting: Setting) -> None:
    """What decisions depend on never changes without a record."""
    made = await setting.service.create(caller(), Scope.IDENTITY, Period.MONTHLY, 5)

    (entry,) = setting.writer.rows.entries
    assert [made.budget] == setting.writer.rows.all(Budget)
    assert ("admin", "create", ALICE, "user", "carol", ("user:dave",), "budget", "b1") == (
        entry.decision,
        entry.action,
        entry.identity_id,
        entry.principal_type,
        entry.principal_id,
        entry.acting_for,
        entry.resource_kind,
        entry.resource_id,
    )
    assert {"limit_nanousd": 5, "period": "monthly", "scope": "identity"} == json.loads(
        entry.payload
    )


async def test_a_second_budget_of_the_same_scope_and_period_is_refused(setting: Setting) -> None:
    """It names the one there is, to be updated instead; nothing is written."""
    await setting.daily()

    with pytest.raises(BudgetExists) as refused:
        await setting.service.create(caller(), Scope.IDENTITY, Period.DAILY, 7)
    assert "b1" == refused.value.budget_id
    assert 1 == len(setting.writer.rows.all(Budget)) == len(setting.writer.rows.entries)


async def test_other_identities_and_periods_have_budgets_of_their_own(setting: Setting) -> None:
    """One for each identity, scope and period."""
    await setting.daily()
    await setting.service.create(caller(), Scope.IDENTITY, Period.TOTAL, 1)
    await setting.service.create(caller("bob"), Scope.IDENTITY, Period.DAILY, 1)

    assert 3 == len(setting.writer.rows.all(Budget))


@pytest.mark.parametrize(
    ("who", "role"),
    [
        (caller(ALICE, Role.BUDGET_ADMIN), "operator"),
        (caller(SYSTEM_IDENTITY, Role.MEMBER), "operator"),
    ],
)
async def test_a_global_budget_is_made_in_system_only(
    setting: Setting, who: Caller, role: str
) -> None:
    """It binds everybody."""
    with pytest.raises(RoleRequired) as refused:
        await setting.service.create(who, Scope.GLOBAL, Period.DAILY, 1)
    assert role == refused.value.role


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.BUDGET_ADMIN])
async def test_an_operator_or_budget_admin_of_system_makes_global_ones(
    setting: Setting, role: Role
) -> None:
    """Either is enough."""
    made = await setting.service.create(
        caller(SYSTEM_IDENTITY, role), Scope.GLOBAL, Period.DAILY, 1
    )

    assert (Scope.GLOBAL, SYSTEM_IDENTITY) == (made.budget.scope, made.budget.identity_id)


async def test_an_operator_is_no_budget_admin_of_an_identity(setting: Setting) -> None:
    """Roles do not include one another."""
    with pytest.raises(RoleRequired):
        await setting.service.create(
            caller(SYSTEM_IDENTITY, Role.OPERATOR), Scope.IDENTITY, Period.DAILY, 1
        )


@pytest.mark.parametrize("limit", [-1, LIMIT_MAX_NANOUSD + 1])
async def test_a_limit_out_of_range_names_its_field(setting: Setting, limit: int) -> None:
    """Sums of budgets stay inside 64 bits."""
    budget_id = await setting.daily()

    with pytest.raises(InvalidField) as refused:
        await setting.service.create(caller(), Scope.IDENTITY, Period.TOTAL, limit)
    assert "limit_nanousd" == refused.value.field
    with pytest.raises(InvalidField):
        await setting.service.update(caller(), budget_id, limit, "")


async def test_get_shows_the_current_period(setting: Setting) -> None:
    """Yesterday's spending is not today's."""
    budget_id = await setting.daily()
    reserved(setting.writer.rows, 60)

    assert 60 == (await setting.service.get(caller(), budget_id)).period.reserved_nanousd
    setting.writer.now_us += 86_400_000_000
    assert 0 == (await setting.service.get(caller(), budget_id)).period.reserved_nanousd


async def test_pages_follow_the_order_of_creation(setting: Setting) -> None:
    """A page goes on behind the last one's place."""
    await setting.daily()
    await setting.service.create(caller(), Scope.IDENTITY, Period.TOTAL, 1)

    (first,) = await setting.service.page(caller(), None, 1)
    place = Place(first.budget.created_us, first.budget.budget_id)
    rest = await setting.service.page(caller(), place, 5)
    assert ["b1", "b2"] == [each.budget.budget_id for each in (first, *rest)]


async def test_an_update_gives_a_new_etag_and_an_entry_with_both_limits(setting: Setting) -> None:
    """The ledger says what it was and what it became."""
    budget_id = await setting.daily(100)
    before = await setting.service.get(caller(), budget_id)
    changed = await setting.service.update(caller(), budget_id, 40, etag_of(before))

    assert 40 == changed.budget.limit_nanousd
    assert etag_of(before) != etag_of(changed)
    details = json.loads(setting.writer.rows.entries[-1].payload)
    assert (40, 100) == (details["limit_nanousd"], details["limit_before_nanousd"])


async def test_a_limit_may_fall_below_what_is_held(setting: Setting) -> None:
    """It admits nothing until the spending falls; it takes nothing back."""
    budget_id = await setting.daily(100)
    reserved(setting.writer.rows, 60)
    changed = await setting.service.update(caller(), budget_id, 10, "")

    assert (10, 60) == (changed.budget.limit_nanousd, changed.period.reserved_nanousd)


@pytest.mark.parametrize("etag", ["0", "2", "9" * 5_000, "x", "-1", "²"])
async def test_a_stale_or_made_up_etag_changes_nothing(setting: Setting, etag: str) -> None:
    """Somebody else was first, or nobody ever gave it out."""
    budget_id = await setting.daily()

    with pytest.raises(EtagMismatch):
        await setting.service.update(caller(), budget_id, 1, etag)
    with pytest.raises(EtagMismatch):
        await setting.service.delete(caller(), budget_id, etag)
    assert 1 == len(setting.writer.rows.entries)


async def test_a_budget_that_holds_money_stays(setting: Setting) -> None:
    """Its reservations must still be posted somewhere."""
    budget_id = await setting.daily()
    rows = setting.writer.rows
    reserved(rows, 60)

    with pytest.raises(BudgetInUse):
        await setting.service.delete(caller(), budget_id, "")
    reserved(rows, 0)
    await setting.service.delete(caller(), budget_id, "")
    assert "delete" == rows.entries[-1].action
    assert [True] == [row.deleted for row in rows.all(Budget)]


async def test_money_held_in_an_earlier_period_counts_too(setting: Setting) -> None:
    """A query that waits for a person over midnight stands in yesterday."""
    budget_id = await setting.daily()
    reserved(setting.writer.rows, 60)
    setting.writer.now_us += 86_400_000_000

    with pytest.raises(BudgetInUse):
        await setting.service.delete(caller(), budget_id, "")


async def test_what_is_not_in_the_identity_is_a_violation_alike(setting: Setting) -> None:
    """Existing elsewhere, nowhere, or no longer: the answer does not tell which."""
    gone = await setting.daily()
    await setting.service.delete(caller(), gone, "")
    bobs = await setting.service.create(caller("bob"), Scope.IDENTITY, Period.DAILY, 1)

    for budget_id in (gone, bobs.budget.budget_id, "nowhere"):
        for asked in (
            setting.service.get(caller(), budget_id),
            setting.service.update(caller(), budget_id, 1, ""),
            setting.service.delete(caller(), budget_id, ""),
        ):
            with pytest.raises(IdentityBoundaryViolation):
                await asked
        assert [(ALICE, "budget", budget_id)] * 3 == setting.boundary.refused[-3:]
    assert 3 == len(setting.writer.rows.entries)


async def test_a_deleted_budget_makes_room(setting: Setting) -> None:
    """Its scope and period are free again."""
    await setting.service.delete(caller(), await setting.daily(), "")

    assert "b2" == await setting.daily()
