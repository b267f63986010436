"""A server dies at each edge of a proposed call: it is released once, and no approval is lost."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import uuid4

import pytest
import sqlalchemy as sa

from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import tool_call_pb2 as tp
from chenu.api.pipeline.v1 import tool_call_service_pb2 as ts
from tests.crash.site import DONE, Callers, Site, outcome_of
from tests.harness import only, release_key

pytestmark = pytest.mark.crash

EDGES: Final = ["before_commit", "after_commit"]
REFUND: Final = cp.Tool(
    name="refund",
    effect=cp.TOOL_EFFECT_PAYMENT,
    parameters='{"type":"object","properties":{"amount":{"type":"number"}}}',
)
LOOK: Final = cp.Tool(name="look", effect=cp.TOOL_EFFECT_READ, parameters='{"type":"object"}')
PAID: Final = '{"amount": 19.99}'


class Proposed:
    """An answer with two calls: one passes, one waits for a person."""

    def __init__(self, site: Site) -> None:
        site.more |= {
            "tools.unlisted": "allow",
            "tools.release_key_file": str(release_key(site.directory)),
        }
        site.upstream.behave("*", calls=json.dumps([["look", "{}"], ["refund", PAID]]))
        self.site = site
        self.request = pb.QueryRequest(
            text="What now?",
            request_id=str(uuid4()),
            tools=[LOOK, REFUND],
            routing=only("groq", "openai/gpt-oss-120b"),
        )

    async def ask(self, at: Callers) -> str:
        """The query, or the same once more."""
        return (await self._asked(at))[1]

    async def _asked(self, at: Callers) -> tuple[Any, str]:
        return await outcome_of(at.backend.call(at.backend.pipeline.Query, self.request))

    async def calls(self, at: Callers) -> list[tp.ProposedCall]:
        """What its answer proposed."""
        return list((await self._asked(at))[0].answer.tool_calls)

    async def approve(self, at: Callers) -> tp.ProposedCall:
        """A person says yes to exactly the one that waits."""
        (_, refund) = await self.calls(at)
        got = await at.person.call(
            at.person.checkpoints.GetCheckpoint,
            cb.GetCheckpointRequest(checkpoint_id=refund.checkpoint_id),
        )
        asked = cb.ResolveCheckpointRequest(
            checkpoint_id=refund.checkpoint_id,
            decision_id=str(uuid4()),
            decision=cb.CHECKPOINT_DECISION_APPROVE,
            expected_action_digest=got.checkpoint.action_digest,
        )
        await at.person.call(at.person.checkpoints.ResolveCheckpoint, asked)
        return refund

    def released(self) -> list[str]:
        """What the ledger says was let go: by the call's id, once for each time."""
        told = sa.text(
            "SELECT request_id FROM queries JOIN tool_calls ON call_id = request_id"
            " WHERE taken_us > 0 ORDER BY request_id"
        )
        with self.site.database() as connection:
            return [row.request_id for row in connection.execute(told)]


async def take(at: Callers, call_id: str) -> tuple[Any, str]:
    """A call that may be executed, and what asking for it came to."""
    request = ts.TakeToolCallRequest(call_id=call_id)
    return await outcome_of(at.backend.call(at.backend.tool_calls.TakeToolCall, request))


async def redeem(at: Callers, release: str) -> str:
    """What using a release up came to."""
    request = ts.RedeemReleaseRequest(
        release=release, tool="refund", audience="refund", arguments_json=PAID
    )
    return (await outcome_of(at.backend.call(at.backend.tool_calls.RedeemRelease, request)))[1]


@pytest.mark.parametrize("edge", EDGES)
async def test_calls_are_there_with_their_answer_or_not_at_all(site: Site, edge: str) -> None:
    """No call of an answer that was never settled waits for anybody."""
    proposed = Proposed(site)
    async with site.running(f"settle.{edge}=kill") as at:
        await at.fund()
        assert "UNAVAILABLE" == await at.dies_of(proposed.ask(at))
    async with site.running() as at:
        again = await proposed.ask(at)
        waiting = await at.person.call(
            at.person.checkpoints.CountPendingCheckpoints, cb.CountPendingCheckpointsRequest()
        )

        settled = edge == "after_commit"
        assert DONE if settled else "EXECUTION_INTERRUPTED" == again
        assert (1 if settled else 0) == waiting.pending
    with site.database() as connection:
        stored = connection.scalar(sa.text("SELECT count(*) FROM tool_calls"))

    assert (2 if settled else 0) == stored


@pytest.mark.parametrize("edge", EDGES)
async def test_an_approved_call_is_released_once_over_a_crash(site: Site, edge: str) -> None:
    """The approval is there until it is used; whoever asks again is given the same bytes."""
    proposed = Proposed(site)
    async with site.running(f"take.{edge}=kill") as at:
        await at.fund()
        assert DONE == await proposed.ask(at)
        refund = await proposed.approve(at)
        assert "UNAVAILABLE" == await at.dies_of(_told(at, refund.call_id))
    left = proposed.released()
    async with site.running() as at:
        first, again = [await take(at, refund.call_id) for _ in range(2)]

        assert ([refund.call_id] if edge == "after_commit" else []) == left
        assert [DONE, DONE] == [first[1], again[1]]
        assert first[0] == again[0]
        assert (PAID, tp.TOOL_CALL_STATE_RELEASED) == (
            first[0].arguments_json,
            first[0].call.state,
        )
    assert [refund.call_id] == proposed.released()
    assert 1 == _entries(site, "execute", refund.call_id)


@pytest.mark.parametrize("edge", EDGES)
async def test_a_release_is_redeemed_once_over_a_crash(site: Site, edge: str) -> None:
    """Who was told nothing knows nothing; but never are two told that they may."""
    proposed = Proposed(site)
    async with site.running(f"redeem.{edge}=kill") as at:
        await at.fund()
        assert DONE == await proposed.ask(at)
        refund = await proposed.approve(at)
        release = (await take(at, refund.call_id))[0].release
        assert "UNAVAILABLE" == await at.dies_of(redeem(at, release))
    async with site.running() as at:
        told = [await redeem(at, release) for _ in range(2)]

    used = "RELEASE_USED"
    assert ([used, used] if edge == "after_commit" else [DONE, used]) == told


async def test_an_approval_that_was_given_outlives_its_server(site: Site) -> None:
    """Between the person's word and the take nothing is lost, and nothing is released."""
    proposed = Proposed(site)
    async with site.running("resolve.after_commit=kill") as at:
        await at.fund()
        assert DONE == await proposed.ask(at)
        (_, refund) = await proposed.calls(at)
        assert "UNAVAILABLE" == await at.dies_of(_resolved(proposed, at))
    assert [] == proposed.released()
    async with site.running() as at:
        got, outcome = await take(at, refund.call_id)

        assert (DONE, PAID) == (outcome, got.arguments_json)


async def _told(at: Callers, call_id: str) -> str:
    return (await take(at, call_id))[1]


async def _resolved(proposed: Proposed, at: Callers) -> str:
    return (await outcome_of(proposed.approve(at)))[1]


def _entries(site: Site, decision: str, call_id: str) -> int:
    """How many entries of a decision there are about a call."""
    counted = sa.text(
        "SELECT count(*) FROM ledger_entries WHERE decision = :decision AND resource_id = :call_id"
    )
    with site.database() as connection:
        return int(connection.scalar(counted, {"decision": decision, "call_id": call_id}) or 0)
