"""Lane G: it settles until it is recorded, and gives up only what cannot be written."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import cast

import pytest

from chenu_server.errors import ChenuError, GovernanceUnavailable, Internal
from chenu_server.pipeline.lanes import audit
from chenu_server.pipeline.lanes.audit import AuditLane
from chenu_server.pipeline.lanes.steps import Proceed
from chenu_server.pipeline.model import Cursor
from chenu_server.pipeline.ports import Governance, Settlement
from chenu_server.pipeline.records import Operation
from chenu_server.vocabulary import EventKind, QueryStatus
from tests.unit.operations.samples import BOUND_1
from tests.unit.pipeline.test_execution import FakeProvider, Scene


@dataclass
class FakeGovernance:
    """Refuses settlements as it was told to, then records one."""

    refusals: list[ChenuError] = field(default_factory=list)
    seen: list[Settlement] = field(default_factory=list)

    async def settle(self, settlement: Settlement) -> Operation:
        """The next refusal, or the query."""
        self.seen.append(settlement)
        if self.refusals:
            raise self.refusals.pop(0)
        return settlement.query


async def settled(*refusals: ChenuError) -> list[Settlement]:
    """What lane G tried, for a query that answered."""
    lane, state, run = await Scene(FakeProvider()).start()
    governance = FakeGovernance(list(refusals))
    try:
        assert Proceed() == await lane.run(state, run)
        await AuditLane(cast(Governance, governance)).run(state, run, Proceed())
    finally:
        run.finish()
    return governance.seen


async def test_a_database_that_is_away_is_asked_again_for_the_same() -> None:
    """The answer is there and paid for: it is only not recorded yet."""
    tried = await settled(GovernanceUnavailable(), GovernanceUnavailable())

    assert [QueryStatus.COMPLETED] * 3 == [each.status for each in tried]
    assert [["hi"]] * 3 == [[part.text for part in each.output] for each in tried]


async def test_an_end_that_cannot_be_written_is_one_without_the_answer() -> None:
    """A bug in the command would come again; the query ends, charged at its bound."""
    tried = await settled(Internal())

    assert [QueryStatus.COMPLETED, QueryStatus.FAILED] == [each.status for each in tried]
    last = tried[-1]
    assert last.ended is not None
    assert (BOUND_1, True, ()) == (last.ended.charge_nanousd, last.ended.estimated, last.output)


async def test_what_cannot_be_ended_at_all_is_left_to_a_restart() -> None:
    """The run ends: it holds no place for ever."""
    with pytest.raises(Internal):
        await settled(Internal(), Internal())


async def test_who_follows_has_the_beginning_before_the_end_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The commit of a short answer would take the interpreter from who hands it over."""
    monkeypatch.setattr(audit, "_SHOWN_WITHIN_S", 3_600)
    lane, state, run = await Scene(FakeProvider()).start()
    governance = FakeGovernance()
    async with aclosing(run.log.follow(Cursor(), 0)) as events:
        assert Proceed() == await lane.run(state, run)
        ends = AuditLane(cast(Governance, governance)).run(state, run, Proceed())
        ending = asyncio.ensure_future(ends)
        while (await anext(events)).kind is not EventKind.LLM_CALL_DELTA:
            pass
        for _ in range(5):
            await asyncio.sleep(0)
        recorded = list(governance.seen)
        following = asyncio.ensure_future(anext(events))
        await ending
        following.cancel()
        await asyncio.wait([following])
    run.finish()

    assert ([], 1) == (recorded, len(governance.seen))
