"""Calls that a model proposes, over the wire and on each store: held, approved, taken, redeemed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from chenu.api.governance.v1 import action_pb2
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import event_pb2, message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import tool_call_service_pb2 as ts
from chenu.release import MemoryReleaseStore, ReleaseError
from chenu_server.upstream import FakeUpstream
from tests.harness import IDENTITY_ROLES, Stage, only, staged
from tests.service.tools import (
    CANCELLED,
    CONFIGURED,
    HELD,
    MODEL,
    PAID,
    PASSED,
    REFUSED,
    RELEASED,
    SECRET,
    decide,
    not_taken,
    proposing,
    shown,
    taken,
    verified,
)


@pytest.fixture
async def gated(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server whose operator has configured two tools."""
    async with staged(database_url, tmp_path, CONFIGURED) as running:
        await running.budget()
        yield running


async def test_of_two_calls_one_passes_and_one_waits_for_a_person(gated: Stage) -> None:
    """The query is over and charged; who asked has the one's arguments and not the other's."""
    client = gated.client()
    request = proposing(gated, ("look", '{"at": 1}'), ("refund", PAID))
    answer = (await client.call(client.pipeline.Query, request)).answer
    look, refund = answer.tool_calls
    kept, hidden = answer.parts

    assert message_pb2.STOP_REASON_TOOL_CALLS == answer.stop_reason
    assert [("look", PASSED, ""), ("refund", HELD, refund.checkpoint_id)] == [
        (each.tool, each.state, each.checkpoint_id) for each in (look, refund)
    ]
    assert refund.checkpoint_id
    assert refund.expire_time.ToMicroseconds() > 0 == look.expire_time.ToMicroseconds()
    assert '{"at": 1}' == kept.tool_call.arguments_json
    assert ("refund", "") == (hidden.tool_call.name, hidden.tool_call.arguments_json)
    assert answer.cost_nanousd > 0


async def test_until_its_release_the_arguments_stand_in_no_place_but_one(gated: Stage) -> None:
    """No event, output, entry, question or row has them, but what approvers alone read."""
    client, person = gated.client(), gated.person()
    request = proposing(gated, ("refund", PAID))
    events, _ = await client.events(client.pipeline.Run, pb.RunRequest(query=request))
    (call,) = events[-1].pipeline_complete.answer.tool_calls
    watched, _ = await client.events(
        client.pipeline.Watch, pb.WatchRequest(request_id=request.request_id)
    )
    asking = cb.GetCheckpointContentRequest(checkpoint_id=call.checkpoint_id)
    refused = await client.fail(client.checkpoints.GetCheckpointContent, asking)
    got = await client.call(
        client.checkpoints.GetCheckpoint,
        cb.GetCheckpointRequest(checkpoint_id=call.checkpoint_id),
    )
    content = await person.call(person.checkpoints.GetCheckpointContent, asking)
    facts, arguments = (piece.data.decode() for piece in content.pieces)

    machine = gated.client(roles=IDENTITY_ROLES)
    never = await machine.fail(machine.checkpoints.GetCheckpointContent, asking)

    assert not [event for event in (*events, *watched) if SECRET in str(event)]
    # A service with the role of an approver can decide on nothing, and is none.
    assert ["ROLE_REQUIRED"] * 2 == [refused.reason, never.reason]
    assert action_pb2.OPERATION_KIND_TOOL_CALL == got.checkpoint.operation_kind
    assert ("tool", "refund") == (got.checkpoint.target.kind, got.checkpoint.target.id)
    assert SECRET not in str(got.checkpoint)
    assert PAID == arguments
    assert all(told in facts for told in ("salt", "payment", "payments", request.request_id))
    assert ["query_contents"] == _places_of(gated, SECRET)


async def test_an_approved_call_is_taken_with_exactly_what_the_person_saw(gated: Stage) -> None:
    """Bytes and proof are the same each time, and good for one execution."""
    client, person = gated.client(), gated.person()
    request = proposing(gated, ("refund", PAID))
    answer = (await client.call(client.pipeline.Query, request)).answer
    (call,) = answer.tool_calls
    early = await not_taken(client, call.call_id)
    await decide(person, call)
    waiting = await shown(client, call.call_id)
    first, again = await taken(client, call.call_id), await taken(client, call.call_id)
    store = MemoryReleaseStore()
    release = await verified(client, first, store)

    assert "CHECKPOINT_PENDING" == early
    assert HELD == waiting.state
    assert first == again
    assert (PAID, RELEASED) == (first.arguments_json, first.call.state)
    assert ("payments", "refund", "payment", "person") == (
        release.audience,
        release.tool,
        release.effect,
        release.basis,
    )
    assert (call.call_id, "service:backend", "acme") == (
        release.call_id,
        release.principal,
        release.identity_id,
    )
    assert sha256(PAID.encode()).hexdigest() == release.arguments_sha256
    assert first.call.action_digest.hex() == release.action_digest
    with pytest.raises(ReleaseError, match="replayed"):
        await verified(client, again, store)


async def test_a_call_that_passed_has_a_proof_too(gated: Stage) -> None:
    """By policy, and by nobody's approval."""
    client = gated.client()
    answer = (await client.call(client.pipeline.Query, proposing(gated, ("look", "{}")))).answer
    (call,) = answer.tool_calls
    first = await taken(client, call.call_id)
    release = await verified(client, first, MemoryReleaseStore())

    assert ("policy", "look", "look") == (release.basis, release.tool, release.audience)
    assert PASSED == first.call.state
    assert "" == first.call.checkpoint_id


async def test_nobody_else_takes_a_call(gated: Stage) -> None:
    """No other principal, not the same one for somebody else, and no other identity."""
    client = gated.client()
    answer = (await client.call(client.pipeline.Query, proposing(gated, ("look", "{}")))).answer
    (call,) = answer.tool_calls
    others = [
        gated.client(name="other"),
        gated.client(acting_for=("user:ann",)),
        gated.client("globex"),
    ]

    assert ["REQUEST_ID_CONFLICT", "REQUEST_ID_CONFLICT", "IDENTITY_BOUNDARY_VIOLATION"] == [
        await not_taken(each, call.call_id) for each in others
    ]
    assert 0 == (await shown(client, call.call_id)).take_time.ToMicroseconds()


async def test_a_rejected_call_is_not_taken_and_the_others_are(gated: Stage) -> None:
    """A decision is about one call; one without the action that was seen is none."""
    client, person = gated.client(), gated.person()
    request = proposing(gated, ("refund", PAID), ("refund", '{"amount": 5}'))
    answer = (await client.call(client.pipeline.Query, request)).answer
    first, second = answer.tool_calls
    unseen = await person.fail(
        person.checkpoints.ResolveCheckpoint,
        cb.ResolveCheckpointRequest(
            checkpoint_id=first.checkpoint_id,
            decision_id="0198f3a0-0000-7000-8000-000000000001",
            decision=cb.CHECKPOINT_DECISION_APPROVE,
        ),
    )
    await decide(person, first, decision=cb.CHECKPOINT_DECISION_REJECT, reason="too much")
    await decide(person, second)

    assert ("INVALID_FIELD", "expected_action_digest") == (unseen.reason, unseen.metadata["field"])
    assert "CHECKPOINT_REJECTED" == await not_taken(client, first.call_id)
    assert REFUSED == (await shown(client, first.call_id)).state
    assert '{"amount": 5}' == (await taken(client, second.call_id)).arguments_json


async def test_a_release_is_redeemed_once(gated: Stage) -> None:
    """Online, by whoever executes it, for exactly this tool, audience and arguments."""
    client, executor = gated.client(), gated.client(name="payments")
    answer = (
        await client.call(client.pipeline.Query, proposing(gated, ("look", '{"at":2}')))
    ).answer
    got = await taken(client, answer.tool_calls[0].call_id)
    good: dict[str, Any] = {
        "release": got.release,
        "tool": "look",
        "audience": "look",
        "arguments_json": '{"at":2}',
    }

    async def redeemed(by: Any = executor, **changed: str) -> str:
        request = ts.RedeemReleaseRequest(**{**good, **changed})
        failure = await by.outcome(by.tool_calls.RedeemRelease, request)
        return "OK" if failure is None else failure.metadata.get("problem") or failure.reason

    assert [
        "wrong_tool",
        "wrong_audience",
        "wrong_arguments",
        "IDENTITY_BOUNDARY_VIOLATION",
        "OK",
        "RELEASE_USED",
    ] == [
        await redeemed(tool="refund"),
        await redeemed(audience="payments"),
        await redeemed(arguments_json='{"at":3}'),
        await redeemed(gated.client("globex", name="payments")),
        await redeemed(),
        await redeemed(),
    ]
    assert (await shown(client, got.call.call_id)).redeem_time.ToMicroseconds() > 0


async def test_a_cancelled_query_takes_its_held_calls_with_it(gated: Stage) -> None:
    """Nothing of it is released afterwards; what passed has passed."""
    client, person = gated.client(), gated.person()
    request = proposing(gated, ("look", "{}"), ("refund", PAID), ("refund", '{"amount":1}'))
    answer = (await client.call(client.pipeline.Query, request)).answer
    look, first, second = answer.tool_calls
    await decide(person, second)
    ended = await client.call(
        client.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=request.request_id)
    )

    assert message_pb2.QUERY_STATE_COMPLETED == ended.query.state
    assert [PASSED, CANCELLED, CANCELLED] == [
        (await shown(client, each.call_id)).state for each in (look, first, second)
    ]
    assert ["TOOL_CALL_CANCELLED"] * 2 == [
        await not_taken(client, each.call_id) for each in (first, second)
    ]


async def test_the_log_tells_of_each_call_before_its_end(gated: Stage) -> None:
    """Passed, held: one event each, and the same on every reading."""
    client = gated.client()
    request = proposing(gated, ("look", "{}"), ("refund", PAID))
    events, _ = await client.events(client.pipeline.Run, pb.RunRequest(query=request))
    told = [event for event in events if event.HasField("tool_call")]
    answer = events[-1].pipeline_complete.answer

    assert [event_pb2.EVENT_TYPE_TOOL_CALL_PASSED, event_pb2.EVENT_TYPE_TOOL_CALL_HELD] == [
        event.type for event in told
    ]
    assert list(answer.tool_calls) == [event.tool_call for event in told]


@pytest.mark.parametrize(
    ("unlisted", "state", "reason"),
    [("checkpoint", HELD, ""), ("allow", PASSED, ""), ("deny", REFUSED, "POLICY_DENIED")],
)
async def test_a_tool_that_nobody_configured_follows_one_rule(
    sqlite_url: str, tmp_path: Path, unlisted: str, state: int, reason: str
) -> None:
    """Whatever the request says that it does."""
    async with staged(sqlite_url, tmp_path, {"tools.unlisted": unlisted}) as stage:
        await stage.budget()
        client = stage.client()
        answer = (await client.call(client.pipeline.Query, proposing(stage, ("look", "{}")))).answer

    assert [(state, reason)] == [(each.state, each.reason) for each in answer.tool_calls]


async def test_a_call_that_breaks_the_operators_schema_is_not_passed_on(gated: Stage) -> None:
    """Also where the request's own schema would take it."""
    client = gated.client()
    loose = proposing(gated, ("refund", '{"amount":"all"}'))
    loose.tools[1].parameters = '{"type":"object"}'
    failure = await client.fail(client.pipeline.Query, loose)

    assert ("TOOL_CALL_INVALID", "schema") == (failure.reason, failure.metadata["problem"])


def _places_of(stage: Stage, text: str) -> list[str]:
    """The tables that hold a text in any column."""
    engine = sa.create_engine(stage.settings.database.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names()
        found = [
            name
            for name in tables
            if any(
                text.encode() in _raw(value)
                for row in connection.execute(sa.text(f'SELECT * FROM "{name}"'))
                for value in row
            )
        ]
    engine.dispose()
    return found


def _raw(value: object) -> bytes:
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return str(value).encode()


async def test_what_a_model_proposes_is_nobodys_new_work(sqlite_url: str, tmp_path: Path) -> None:
    """Also behind a start, which counts the asks of the last minutes from their rows."""
    limited = {**CONFIGURED, "limits.identity_limit": 4, "limits.identity_burst": 4}
    async with staged(sqlite_url, tmp_path, limited) as stage:
        await stage.budget()
        client = stage.client()
        request = proposing(stage, *[("look", "{}")] * 8)
        answer = (await client.call(client.pipeline.Query, request)).answer
    async with staged(sqlite_url, tmp_path, limited) as stage:
        again = await stage.client().query("Which day is it?")

    assert 8 == len(answer.tool_calls)
    assert message_pb2.QUERY_STATE_COMPLETED == again.query.state


INSTANCE = "groq-a"


async def test_who_forbids_a_provider_forbids_what_its_instances_propose(
    database_url: str, tmp_path: Path
) -> None:
    """At the take as at the settlement, and what needs the provider has it at both."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "groq.cedar").write_text(
        '@id("groq_alone") forbid (principal, action in Action::"call_tool", resource)'
        ' unless { context.providers.contains("groq") };'
    )

    def of_instance(upstream: FakeUpstream) -> dict[str, Any]:
        address = {"base_url": upstream.provider_url("groq"), "api_key": "sk-test-key"}
        return {
            **CONFIGURED,
            "policies.operator_dir": str(folder),
            "providers.instances": {INSTANCE: {"record": "groq", **address}},
        }

    async with staged(database_url, tmp_path, of_instance) as stage:
        await stage.budget()
        client = stage.client()
        request = proposing(stage, ("look", "{}"))
        request.routing.CopyFrom(only(INSTANCE, MODEL[1]))
        response = await client.call(client.pipeline.Query, request)
        (call,) = response.answer.tool_calls
        got = await taken(client, call.call_id)

    assert INSTANCE == response.answer.provider
    assert (PASSED, "{}") == (call.state, got.arguments_json)
