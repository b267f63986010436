"""BudgetService: what goes in and comes out on the wire."""

from __future__ import annotations

from typing import cast

import pytest

from chenu.api.governance.v1 import budget_service_pb2 as pb
from chenu_server.caller import SYSTEM_IDENTITY
from chenu_server.errors import IdentityBoundaryViolation, InvalidField
from chenu_server.governance.budgets.servicer import BudgetServicer
from chenu_server.governance.budgets.spending_service import SpendingService
from chenu_server.infra.rpc.paging import page_token_of
from chenu_server.vocabulary import Role
from tests.fakes.calls import NO_CONTEXT, calling
from tests.unit.budgets.samples import ALICE, NOON, at, reserved
from tests.unit.budgets.test_service import Setting

CREATE = pb.CreateBudgetRequest(
    scope=pb.BUDGET_SCOPE_IDENTITY, period=pb.BUDGET_PERIOD_DAILY, limit_nanousd=100
)


@pytest.fixture
def setting() -> Setting:
    """Nothing made yet."""
    return Setting()


def servicer_of(setting: Setting) -> BudgetServicer:
    """A servicer of budgets alone."""
    return BudgetServicer(setting.service, cast("SpendingService", None))


async def create(setting: Setting, request: pb.CreateBudgetRequest = CREATE) -> pb.Budget:
    """A budget of Alice's."""
    with calling(ALICE, Role.BUDGET_ADMIN):
        answer = await servicer_of(setting).CreateBudget(request, NO_CONTEXT)
    return answer.budget


async def test_a_budget_is_shown_with_all_its_amounts(setting: Setting) -> None:
    """Amounts are for a budget_admin, and for nobody else."""
    made = await create(setting)
    reserved(setting.writer.rows, 60)
    with calling(ALICE, Role.BUDGET_ADMIN):
        request = pb.GetBudgetRequest(budget_id=made.budget_id)
        shown = (await servicer_of(setting).GetBudget(request, NO_CONTEXT)).budget

    assert (ALICE, pb.BUDGET_SCOPE_IDENTITY, pb.BUDGET_PERIOD_DAILY, pb.ON_EXHAUST_DENY) == (
        shown.subject,
        shown.scope,
        shown.period,
        shown.on_exhaust,
    )
    assert (100, 0, 60, 0, 0) == (
        shown.limit_nanousd,
        shown.posted_nanousd,
        shown.reserved_nanousd,
        shown.overrun_nanousd,
        shown.granted_nanousd,
    )
    assert at("2026-11-18T00:00:00") == shown.period_start.ToMicroseconds()
    assert NOON == shown.create_time.ToMicroseconds() == shown.update_time.ToMicroseconds()


async def test_a_total_budget_has_no_period_start_and_a_global_one_no_value(
    setting: Setting,
) -> None:
    """It never started, and it is everybody's."""
    request = pb.CreateBudgetRequest(
        scope=pb.BUDGET_SCOPE_GLOBAL, period=pb.BUDGET_PERIOD_TOTAL, limit_nanousd=1
    )
    with calling(SYSTEM_IDENTITY, Role.OPERATOR):
        made = (await servicer_of(setting).CreateBudget(request, NO_CONTEXT)).budget

    assert (False, "") == (made.HasField("period_start"), made.subject)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scope", pb.BUDGET_SCOPE_UNSPECIFIED),
        ("scope", pb.BUDGET_SCOPE_SPHERE),
        ("scope", 99),
        ("period", pb.BUDGET_PERIOD_UNSPECIFIED),
        ("period", pb.BUDGET_PERIOD_WEEKLY),
        ("period", -1),
        ("on_exhaust", 7),
        ("limit_nanousd", -1),
    ],
)
async def test_what_is_not_taken_names_its_field(setting: Setting, field: str, value: int) -> None:
    """A caller can fix what it sent."""
    request = pb.CreateBudgetRequest()
    request.CopyFrom(CREATE)
    setattr(request, field, value)

    with pytest.raises(InvalidField) as refused:
        await create(setting, request)
    assert field == refused.value.field


@pytest.mark.parametrize("budget_id", ["", "x" * 257, "a\0b", "a\nb"])
async def test_an_impossible_id_is_invalid(setting: Setting, budget_id: str) -> None:
    """NUL and control characters are in no id that this server made."""
    request = pb.GetBudgetRequest(budget_id=budget_id)

    with calling(ALICE, Role.BUDGET_ADMIN), pytest.raises(InvalidField):
        await servicer_of(setting).GetBudget(request, NO_CONTEXT)


async def test_budgets_are_listed_page_by_page(setting: Setting) -> None:
    """The last page has no token."""
    for period in (pb.BUDGET_PERIOD_DAILY, pb.BUDGET_PERIOD_MONTHLY, pb.BUDGET_PERIOD_TOTAL):
        await create(setting, pb.CreateBudgetRequest(scope=CREATE.scope, period=period))
    servicer, shown, token = servicer_of(setting), list[str](), ""
    with calling(ALICE, Role.BUDGET_ADMIN):
        for _ in range(2):
            request = pb.ListBudgetsRequest(page_size=2, page_token=token)
            page = await servicer.ListBudgets(request, NO_CONTEXT)
            shown += [each.budget_id for each in page.budgets]
            token = page.next_page_token

    assert (["b1", "b2", "b3"], "") == (shown, token)


@pytest.mark.parametrize("after", [("x", "b"), ("1",), ("9" * 30, "b"), ("1", "\0"), ("1", "")])
async def test_a_made_up_token_is_invalid(setting: Setting, after: tuple[str, ...]) -> None:
    """Tokens are not signed; what stands in one is checked like any field."""
    request = pb.ListBudgetsRequest(page_token=page_token_of(after, ("budgets", ALICE)))

    with calling(ALICE, Role.BUDGET_ADMIN), pytest.raises(InvalidField) as refused:
        await servicer_of(setting).ListBudgets(request, NO_CONTEXT)
    assert "page_token" == refused.value.field


async def test_update_and_delete_take_the_etag_that_was_shown(setting: Setting) -> None:
    """In any letter case of the id."""
    made = await create(setting)
    servicer = servicer_of(setting)
    with calling(ALICE, Role.BUDGET_ADMIN):
        update = pb.UpdateBudgetRequest(
            budget_id=made.budget_id.upper(), limit_nanousd=7, etag=made.etag
        )
        changed = (await servicer.UpdateBudget(update, NO_CONTEXT)).budget
        delete = pb.DeleteBudgetRequest(budget_id=made.budget_id, etag=changed.etag)
        await servicer.DeleteBudget(delete, NO_CONTEXT)
        with pytest.raises(IdentityBoundaryViolation):
            await servicer.DeleteBudget(delete, NO_CONTEXT)

    assert (7, True) == (changed.limit_nanousd, made.etag != changed.etag)
