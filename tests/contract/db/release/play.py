"""How the story of the release is told: by asks with a name, each with the outcome it must have."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final
from uuid import uuid4

from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.ids import new_id
from chenu_server.upstream import FakeUpstream
from tests.contract.db.release.asked import ASKS, AWKWARD
from tests.contract.db.release.people import People
from tests.harness import Client, Failure

DONE: Final = "done"
PENDING: Final = "CHECKPOINT_PENDING"
PATIENCE_S: Final = 20.0
DEADLINE_S: Final = 120.0
"""Longer than a provider's window: who waits for a place in it waits, and is not refused."""


class Play:
    """What happens while one server lives. `ids` are those that were asked under, by name."""

    def __init__(self, people: People, upstream: FakeUpstream, ids: dict[str, str]) -> None:
        self.people = people
        self.upstream = upstream
        self.ids = ids

    # --- asking -------------------------------------------------------------------------------

    async def ask(self, name: str, comes_to: str = DONE, request_id: str = "") -> None:
        """Ask once, under an id of version 7 unless told otherwise."""
        given = request_id or self.ids.get(name) or new_id()
        self.ids[name] = given.lower()
        client = self.people.named(ASKS[name].by)
        request = ASKS[name].request(given)
        failure = await client.outcome(client.pipeline.Query, request, timeout_s=DEADLINE_S)

        _came_to(name, comes_to, failure)

    def start(self, name: str, comes_to: str) -> asyncio.Task[None]:
        """Ask, and do not wait for what it comes to."""
        return asyncio.create_task(self.ask(name, comes_to))

    async def under_way(self, calls: int = 1) -> None:
        """Until the provider has so many calls open."""
        async with asyncio.timeout(PATIENCE_S):
            await self.upstream.until_open(calls)

    async def shown(self, name: str) -> pb.GetQueryResponse:
        """A query as it stands, with its answer."""
        client = self.people.named(ASKS[name].by)
        request = pb.GetQueryRequest(request_id=self.ids[name])
        response: pb.GetQueryResponse = await client.call(client.pipeline.GetQuery, request)
        return response

    # --- deciding -----------------------------------------------------------------------------

    async def block(self, *names: str) -> None:
        """Ask for what must wait, one after another."""
        for name in names:
            await self.ask(name, PENDING)

    async def approve(self, name: str) -> None:
        """A person says yes."""
        await self._resolve(name, cb.CHECKPOINT_DECISION_APPROVE, "")

    async def reject(self, name: str) -> None:
        """A person says no, in words that are hard to keep."""
        await self._resolve(name, cb.CHECKPOINT_DECISION_REJECT, f"not today {AWKWARD}")

    async def _resolve(
        self, name: str, decision: cb.CheckpointDecision.ValueType, reason: str
    ) -> None:
        person = self._person_of(name)
        request = cb.ResolveCheckpointRequest(
            checkpoint_id=(await self.shown(name)).query.checkpoint_id,
            decision_id=str(uuid4()),
            decision=decision,
            reason=reason,
        )
        await person.call(person.checkpoints.ResolveCheckpoint, request)

    async def go_on(self, name: str, comes_to: str = DONE) -> None:
        """Have what is approved run, and follow it to its end."""
        client = self.people.named(ASKS[name].by)
        request = pb.ContinueRequest(request_id=self.ids[name])
        _, failure = await client.events(client.pipeline.Continue, request)

        _came_to(name, comes_to, failure)

    async def watched(self, name: str) -> None:
        """Until it has ended."""
        client = self.people.named(ASKS[name].by)
        request = pb.WatchRequest(request_id=self.ids[name])
        _, failure = await client.events(client.pipeline.Watch, request)

        assert failure is None

    async def cancel(self, name: str) -> None:
        """Withdraw it."""
        client = self.people.named(ASKS[name].by)
        request = pb.CancelQueryRequest(request_id=self.ids[name], reason=f"changed {AWKWARD}")
        await client.call(client.pipeline.CancelQuery, request)

    # --- money --------------------------------------------------------------------------------

    async def fund(
        self,
        identity: str,
        limit_nanousd: int,
        period: bb.BudgetPeriod.ValueType = bb.BUDGET_PERIOD_TOTAL,
        scope: bb.BudgetScope.ValueType = bb.BUDGET_SCOPE_IDENTITY,
    ) -> bb.Budget:
        """Make a budget."""
        request = bb.CreateBudgetRequest(scope=scope, period=period, limit_nanousd=limit_nanousd)
        person = self.people.person(identity)
        made: bb.Budget = (await person.call(person.budgets.CreateBudget, request)).budget
        return made

    # --- the boundary -------------------------------------------------------------------------

    async def overreach(self, client: Client, method: Any, request: Any) -> None:
        """Reach for what is another identity's."""
        failure = await client.fail(method, request)

        assert "IDENTITY_BOUNDARY_VIOLATION" == failure.reason

    def _person_of(self, name: str) -> Client:
        by = ASKS[name].by
        return self.people.person("globex" if by == "globex" else "acme")


def _came_to(name: str, expected: str, failure: Failure | None) -> None:
    """A lost call comes to its status."""
    outcome = (failure.reason or failure.code.name) if failure else DONE

    assert expected == outcome, f"{name} came to {outcome}: {failure}"


async def soon(happens: Awaitable[object]) -> None:
    """Wait for it, but not for ever."""
    await asyncio.wait_for(happens, PATIENCE_S)
