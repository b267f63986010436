"""A service's own spending over the wire, on each store: held, then posted or voided, once."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chenu.api.governance.v1 import action_pb2
from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.governance.v1 import reservation_pb2 as rb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Stage, eventually, staged
from tests.service.asking import approval
from tests.service.spending import (
    HELD,
    PAYMENT,
    POSTED,
    USD,
    VOIDED,
    books,
    not_held,
    post,
    refused,
    reserve,
    shown,
    sms,
    unposted,
    void,
)

# --- held, posted, voided -------------------------------------------------------------------------


async def test_what_is_held_is_posted_once_and_the_rest_is_free(funded: Stage) -> None:
    """The two phases; each call again is answered alike."""
    client, request = funded.client(), sms(5 * USD)
    held = await reserve(client, request)
    again = await reserve(client, request)
    before = await books(funded)
    posted = await post(client, request, 3 * USD)
    once_more = await post(client, request, 3 * USD)

    assert (HELD, 5 * USD, 0) == (held.state, held.amount_nanousd, held.posted_nanousd)
    assert held == again and posted == once_more
    assert (0, 5 * USD, 0) == before
    assert (POSTED, 3 * USD) == (posted.state, posted.posted_nanousd)
    assert (3 * USD, 0, 0) == await books(funded)


async def test_nothing_that_has_ended_is_spent_again(funded: Stage) -> None:
    """An OK of `Reserve` says that the money is held; whoever repeats it later gets none."""
    client, spent, unspent = funded.client(), sms(), sms()
    for request in (spent, unspent):
        await reserve(client, request)
    await post(client, spent, USD)
    voided = await void(client, unspent)

    assert VOIDED == voided.state and "RESERVATION_NOT_HELD" == voided.reason
    assert voided == await void(client, unspent)
    assert "posted" == not_held(await refused(client, spent))
    assert "voided" == not_held(await refused(client, unspent))
    assert "posted" == not_held(await unposted(client, spent, 2 * USD))
    assert "voided" == not_held(await unposted(client, unspent, 0))
    voiding = bb.VoidRequest(request_id=spent.request_id)
    assert "posted" == not_held(await client.fail(client.budgets.Void, voiding))
    assert (USD, 0, 0) == await books(funded)


async def test_no_more_is_posted_than_was_reserved(funded: Stage) -> None:
    """A member's word alone drives no budget into the red."""
    client, request = funded.client(), sms(2 * USD)
    await reserve(client, request)

    failure = await unposted(client, request, 2 * USD + 1)

    assert ("INVALID_FIELD", "amount_nanousd") == (failure.reason, failure.metadata["field"])
    assert HELD == (await shown(client, request)).state
    assert POSTED == (await post(client, request, 2 * USD)).state


async def test_of_twenty_at_once_as_many_are_held_as_the_budget_covers(funded: Stage) -> None:
    """Exactly, whoever comes first; those that are refused hold nothing."""
    clients = [funded.client(name=f"backend-{at % 4}") for at in range(20)]
    asked = [client.outcome(client.budgets.Reserve, sms(3 * USD)) for client in clients]

    outcomes = Counter(failure and failure.reason for failure in await asyncio.gather(*asked))

    assert {None: 3, "BUDGET_EXHAUSTED": 17} == outcomes
    assert (0, 9 * USD, 0) == await books(funded)


async def test_an_id_that_failed_stays_failed(funded: Stage) -> None:
    """Whatever room there is later: the service was told no, and may have acted on it."""
    client, request = funded.client(), sms(11 * USD)
    first = await refused(client, request)
    funded.sql("UPDATE budgets SET limit_nanousd = :limit", limit=100 * USD)

    again = await refused(client, request)
    anew = sms(11 * USD)

    assert ("BUDGET_EXHAUSTED", "identity") == (first.reason, first.metadata["scope"])
    assert (first.reason, first.metadata) == (again.reason, again.metadata)
    assert HELD == (await reserve(client, anew)).state
    stored = await shown(client, request)
    assert (rb.RESERVATION_STATE_REFUSED, "BUDGET_EXHAUSTED") == (stored.state, stored.reason)


async def test_without_a_budget_nothing_is_held(funded: Stage) -> None:
    """As no query runs without one."""
    client = funded.client("zenith")

    assert "BUDGET_REQUIRED" == (await refused(client, sms())).reason


async def test_queries_and_reservations_share_a_budget(funded: Stage) -> None:
    """Money that a service holds is there for no query."""
    client = funded.client()
    await reserve(client, sms(10 * USD))

    failure = await client.fail(client.pipeline.Query, pb.QueryRequest(text="Hello"))

    assert "BUDGET_EXHAUSTED" == failure.reason


# --- time ---------------------------------------------------------------------------------------


async def test_what_nobody_posts_is_free_again_when_its_time_is_over(funded: Stage) -> None:
    """A service that died holds a budget for its time and no longer; a late bill is refused."""
    client, request = funded.client(), sms()
    request.ttl.seconds = 3_600
    held = await reserve(client, request)
    funded.sql("UPDATE reservations SET expires_us = 1")

    async def freed() -> bool:
        return (0, 0, 0) == await books(funded)

    await eventually(freed)
    ended = await shown(client, request)

    assert 3_600 == held.expire_time.seconds - held.create_time.seconds
    assert (rb.RESERVATION_STATE_EXPIRED, "RESERVATION_NOT_HELD") == (ended.state, ended.reason)
    assert "expired" == not_held(await unposted(client, request, 1))
    assert "expired" == not_held(await refused(client, request))
    assert rb.RESERVATION_STATE_EXPIRED == (await void(client, request)).state


# --- whose it is --------------------------------------------------------------------------------


async def test_an_id_names_one_thing_of_one_principal(funded: Stage) -> None:
    """Other content, another principal, or a query under the same id is a conflict."""
    client, other, request = funded.client(), funded.client(name="other"), sms()
    await reserve(client, request)
    dearer = bb.ReserveRequest()
    dearer.CopyFrom(request)
    dearer.amount_nanousd += 1
    query = pb.QueryRequest(text="Hello", request_id=request.request_id)
    answered = await client.query("Hello", request_id=str(uuid4()))
    of_query = sms(request_id=answered.query.request_id)

    conflicts = [
        await refused(client, dearer),
        await refused(other, request),
        await unposted(other, request, 1),
        await other.fail(other.budgets.Void, bb.VoidRequest(request_id=request.request_id)),
        await client.fail(client.pipeline.Query, query),
        await refused(client, of_query),
        await unposted(client, of_query, 1),
    ]

    assert ["REQUEST_ID_CONFLICT"] * 7 == [failure.reason for failure in conflicts]
    assert HELD == (await shown(client, request)).state


async def test_the_same_service_for_somebody_else_is_another_asker(funded: Stage) -> None:
    """What was approved or held for Alice is not Bob's to use, spoil or end."""
    alice = funded.client(acting_for=("user:alice",))
    bob = funded.client(acting_for=("user:bob",))
    request, person = sms(intents=[PAYMENT]), funded.person()
    failure = await refused(alice, request)
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
    conflicts = [
        await refused(bob, request),
        await unposted(bob, request, 1),
        await bob.fail(bob.budgets.Void, bb.VoidRequest(request_id=request.request_id)),
    ]
    held = await reserve(alice, request)

    assert ["REQUEST_ID_CONFLICT"] * 3 == [conflict.reason for conflict in conflicts]
    assert HELD == held.state
    assert "REQUEST_ID_CONFLICT" == (await refused(bob, request)).reason
    assert POSTED == (await post(alice, request, 1)).state


async def test_what_is_said_to_be_spent_and_is_not_posted_stands_in_the_ledger(
    funded: Stage,
) -> None:
    """Too much, or too late: no budget moves, and an auditor sees who claims what."""
    client, person, request = funded.client(), funded.person(), sms(2 * USD)
    await reserve(client, request)
    await unposted(client, request, 3 * USD)
    await void(client, request)
    await unposted(client, request, USD)
    listed = await person.call(person.audit.ListEntries, ab.ListEntriesRequest())

    claims = [entry for entry in listed.entries if entry.resource_kind == "claim"]
    assert [request.request_id] * 2 == [claim.resource_id for claim in claims]
    assert {"RESERVATION_NOT_HELD"} == {claim.reason for claim in claims}
    assert (0, 0, 0) == await books(funded)


async def test_a_reservation_is_no_query(funded: Stage) -> None:
    """Whatever reads queries does not know of it."""
    client, request = funded.client(), sms(intents=[PAYMENT])
    await refused(client, request)
    await reserve(client, sms())
    listed = await client.call(client.pipeline.ListQueries, pb.ListQueriesRequest())
    named = request.request_id
    failures = [
        await client.fail(client.pipeline.GetQuery, pb.GetQueryRequest(request_id=named)),
        await client.fail(client.pipeline.Watch, pb.WatchRequest(request_id=named)),
        await client.fail(client.pipeline.Continue, pb.ContinueRequest(request_id=named)),
        await client.fail(client.pipeline.CancelQuery, pb.CancelQueryRequest(request_id=named)),
    ]

    assert not listed.queries
    assert ["IDENTITY_BOUNDARY_VIOLATION"] * 4 == [failure.reason for failure in failures]
    assert rb.RESERVATION_STATE_BLOCKED == (await shown(client, request)).state


async def test_only_who_reserved_and_a_budget_admin_see_it(funded: Stage) -> None:
    """Amounts are nobody else's."""
    client, request = funded.client(), sms(labels={"team": "growth"}, run_id="r-1")
    held = await reserve(client, request)
    asked = bb.GetReservationRequest(request_id=request.request_id)
    other = funded.client(name="other")
    failure = await other.fail(other.budgets.GetReservation, asked)

    assert ("ROLE_REQUIRED", "budget_admin") == (failure.reason, failure.metadata["role"])
    assert held == await shown(funded.person(), request) == await shown(client, request)
    assert ({"team": "growth"}, "r-1") == (dict(held.labels), held.run_id)
    assert (action_pb2.SPHERE_PERSONAL, request.target) == (held.sphere, held.target)


async def test_the_ledger_tells_the_whole_story(funded: Stage) -> None:
    """Who asked, who approved, what it cost, and that the chain holds."""
    client, person, request = funded.client(), funded.person(), sms(intents=[PAYMENT])
    failure = await refused(client, request)
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
    await reserve(client, request)
    await post(client, request, USD)
    asked = ab.ListEntriesRequest()
    listed = await person.call(person.audit.ListEntries, asked)
    operator = funded.operator()
    verified = await operator.call(operator.audit.VerifyLedger, ab.VerifyLedgerRequest())

    about = [entry for entry in listed.entries if entry.resource_id == request.request_id]
    decided = ("BLOCK", "APPROVE", "EXECUTE", "SETTLE")
    assert sorted(ab.LedgerDecision.Value(f"LEDGER_DECISION_{each}") for each in decided) == sorted(
        entry.decision for entry in about
    )
    assert {"reservation"} == {entry.resource_kind for entry in about}
    assert ab.LEDGER_VERDICT_HOLDS == verified.verdict


# --- limits and fields ----------------------------------------------------------------------------


async def test_a_reserve_is_new_work_and_its_repeat_is_not(
    database_url: str, tmp_path: Path
) -> None:
    """Counted on arrival, given back when the id proves known."""
    settings = {"limits.identity_limit": 3, "limits.identity_burst": 3}
    async with staged(database_url, tmp_path, settings) as stage:
        await stage.budget()
        client, request = stage.client(), sms()
        for _ in range(6):
            await reserve(client, request)
        for _ in range(2):
            await reserve(client, sms())

        assert "RATE_LIMITED" == (await refused(client, sms())).reason
        assert POSTED == (await post(client, request, 1)).state


async def test_repeats_of_one_call_are_counted_once(database_url: str, tmp_path: Path) -> None:
    """A service that repeats what is slow must not block its identity: at once, or given up."""
    settings = {
        "limits.identity_limit": 4,
        "limits.identity_burst": 4,
        "failpoints": "reserve.before_commit=sleep:300",
    }
    async with staged(database_url, tmp_path, settings) as stage:
        await stage.budget()
        client, request = stage.client(), sms()
        calls = [client.outcome(client.budgets.Reserve, request, timeout_s=0.1) for _ in range(6)]
        given_up = await asyncio.gather(*calls)
        held = await asyncio.gather(*(reserve(client, request) for _ in range(6)))

        assert {"DEADLINE_EXCEEDED"} == {each.code.name for each in given_up if each}
        assert {HELD} == {each.state for each in held}
        assert [HELD] * 3 == [(await reserve(client, sms())).state for _ in range(3)]
        assert "RATE_LIMITED" == (await refused(client, sms())).reason


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("request_id", {"request_id": ""}),
        ("request_id", {"request_id": "mine"}),
        ("amount_nanousd", {"amount_nanousd": 0}),
        ("amount_nanousd", {"amount_nanousd": -1}),
        ("amount_nanousd", {"amount_nanousd": 10**18 + 1}),
        ("target.operation", {"target": action_pb2.Target(kind="campaign")}),
        ("target.operation", {"target": action_pb2.Target(operation=" ")}),
        ("target.operation", {"target": action_pb2.Target(operation="sms.send\n")}),
        ("target.operation", {"target": action_pb2.Target(operation="x" * 129)}),
        ("description", {"description": "x" * 2_001}),
        ("intents", {"intents": [99]}),
        ("sphere", {"sphere": 99}),
        ("run_id", {"run_id": "x" * 257}),
        ("labels", {"labels": {f"key-{at}": "" for at in range(9)}}),
        ("ttl", {"ttl": {"seconds": 0, "nanos": 999_000_000}}),
        ("ttl", {"ttl": {"seconds": 86_401}}),
        ("ttl", {"ttl": {"seconds": -1}}),
    ],
)
async def test_a_wrong_field_is_named(funded: Stage, field: str, changed: dict[str, Any]) -> None:
    """And nothing is held."""
    failure = await refused(funded.client(), sms(**changed))

    assert ("INVALID_FIELD", field) == (failure.reason, failure.metadata["field"])
    assert (0, 0, 0) == await books(funded)
