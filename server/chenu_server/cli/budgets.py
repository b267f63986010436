"""`chenu budgets`: the limits on money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chenu_server.cli import parse
from chenu_server.cli.groups import commands
from chenu_server.cli.output import usd, when
from chenu_server.cli.paging import Limit, first
from chenu_server.cli.remote import Session, remote

if TYPE_CHECKING:
    from chenu.api.governance.v1 import budget_service_pb2

app = commands("The limits on money.")

BudgetId = Annotated[str, typer.Argument(help="The budget.")]
LimitUsd = Annotated[str, typer.Option("--limit-usd", help="US dollars per period, such as 25.00.")]
Etag = Annotated[str, typer.Option(help="Only if the budget is still as it was when read.")]


@remote(app, "create")
async def create(
    session: Session,
    limit_usd: LimitUsd,
    period: Annotated[str, typer.Option(help="daily, monthly or total.")] = "monthly",
    scope: Annotated[
        str, typer.Option(help="identity; or global, with --identity system.")
    ] = "identity",
) -> None:
    """Add a budget. It counts from now on."""
    from chenu.api.governance.v1 import budget_service_pb2

    budget = await session.client.budgets.create(
        scope=parse.choice("--scope", budget_service_pb2.BudgetScope, scope),
        period=parse.choice("--period", budget_service_pb2.BudgetPeriod, period),
        limit_nanousd=parse.nanousd("--limit-usd", limit_usd),
    )
    session.output.message(budget, _fields(budget))


@remote(app, "list")
async def list_budgets(session: Session, *, limit: Limit) -> None:
    """List the identity's budgets, oldest first."""
    found = first(limit, session.client.budgets.list())
    header = ("budget", "scope", "period", "limit", "spent", "reserved", "overrun", "frozen")
    await session.output.messages(found, header, _row)


@remote(app, "get")
async def get_budget(session: Session, budget_id: BudgetId) -> None:
    """Show one budget with its amounts in the current period."""
    budget = await session.client.budgets.get(budget_id)
    session.output.message(budget, _fields(budget))


@remote(app, "update")
async def update(
    session: Session, budget_id: BudgetId, limit_usd: LimitUsd, etag: Etag = ""
) -> None:
    """Change a budget's limit."""
    budget = await session.client.budgets.update(
        budget_id, limit_nanousd=parse.nanousd("--limit-usd", limit_usd), etag=etag
    )
    session.output.message(budget, _fields(budget))


@remote(app, "unfreeze")
async def unfreeze(
    session: Session,
    budget_id: BudgetId,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
) -> None:
    """Let a budget that an overrun has frozen admit queries again."""
    budget = await session.client.budgets.unfreeze(budget_id, reason=reason)
    session.output.message(budget, _fields(budget))


@remote(app, "delete")
async def delete(session: Session, budget_id: BudgetId, etag: Etag = "") -> None:
    """Remove a budget on which nothing is reserved."""
    await session.client.budgets.delete(budget_id, etag=etag)
    if session.output.as_json:
        session.output.json({"budget_id": budget_id})
    else:
        session.output.line(f"deleted {budget_id}")


def _names(budget: budget_service_pb2.Budget) -> tuple[str, str]:
    from chenu.api.governance.v1 import budget_service_pb2
    from chenu.names import name_of

    scope = name_of(budget_service_pb2.BudgetScope, budget.scope)
    value = f"{scope} {budget.subject}".strip()
    return value, name_of(budget_service_pb2.BudgetPeriod, budget.period)


def _row(budget: budget_service_pb2.Budget) -> tuple[str, ...]:
    amounts = (
        budget.limit_nanousd,
        budget.posted_nanousd,
        budget.reserved_nanousd,
        budget.overrun_nanousd,
    )
    return (budget.budget_id, *_names(budget), *map(usd, amounts), when(budget.freeze_time))


def _fields(budget: budget_service_pb2.Budget) -> list[tuple[str, str]]:
    scope, period = _names(budget)
    return [
        ("budget", budget.budget_id),
        ("scope", scope),
        ("period", period),
        ("since", when(budget.period_start)),
        ("limit", usd(budget.limit_nanousd)),
        ("granted", usd(budget.granted_nanousd)),
        ("spent", usd(budget.posted_nanousd)),
        ("reserved", usd(budget.reserved_nanousd)),
        ("overrun", usd(budget.overrun_nanousd)),
        ("frozen", when(budget.freeze_time)),
        ("etag", budget.etag),
    ]
