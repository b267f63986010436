"""Prices of a new day: resolved while the server goes on serving."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chenu_server.bootstrap import routes as module
from chenu_server.bootstrap.routes import Plan, price_again
from chenu_server.providers.catalog import Catalogue

YESTERDAY = date(2026, 1, 1)


class Routed:
    """Routes that only know their plan."""

    def __init__(self) -> None:
        self.plan = plan_of(Catalogue(providers={}, retired=frozenset()))

    def reprice(self, plan: Plan) -> None:
        """Take it."""
        self.plan = plan


def plan_of(loaded: Catalogue) -> Plan:
    """A plan of yesterday."""
    return Plan(loaded=loaded, priced=loaded, day=YESTERDAY, rules=cast(Any, SimpleNamespace()))


class Slow:
    """Resolves prices only once it is let."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.priced: dict[int, Catalogue] = {}

    def __call__(self, loaded: Catalogue, day: date) -> Catalogue:
        """Another catalogue for each that is given."""
        self.begun.set()
        assert self.may_end.wait(5), "the event loop stood still"
        return self.priced.setdefault(id(loaded), Catalogue(providers={}, retired=frozenset()))


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    """In the place of what resolves prices."""
    slow = Slow()
    monkeypatch.setattr(module, "resolve_prices", slow)
    return slow


async def test_calls_go_on_while_prices_are_resolved(slow: Slow) -> None:
    """It takes the time of many calls, which would all stand still at midnight."""
    routes = Routed()
    pricing = asyncio.create_task(price_again(cast(Any, routes)))
    await asyncio.to_thread(slow.begun.wait)
    slow.may_end.set()
    await pricing

    assert datetime.now(UTC).date() == routes.plan.day
    assert routes.plan.priced is slow.priced[id(routes.plan.loaded)]


async def test_a_catalogue_that_came_meanwhile_stays(slow: Slow) -> None:
    """A reload at midnight must not be undone by the prices of what it replaced."""
    routes = Routed()
    pricing = asyncio.create_task(price_again(cast(Any, routes)))
    await asyncio.to_thread(slow.begun.wait)
    reloaded = Catalogue(providers={}, retired=frozenset())
    routes.reprice(plan_of(reloaded))
    slow.may_end.set()
    await pricing

    assert routes.plan.loaded is reloaded
    assert routes.plan.priced is slow.priced[id(reloaded)]
