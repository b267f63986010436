"""The ledger over the wire: every decision once, found by what it was about, whole and provable."""

from __future__ import annotations

from uuid import uuid4

import pytest
from google.protobuf import timestamp_pb2

from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.engine import ExportVerifier
from tests.harness import Client, Stage
from tests.service.asking import approval, blocked, rejection

ALLOW = ab.LEDGER_DECISION_ALLOW
BLOCK = ab.LEDGER_DECISION_BLOCK
EXECUTE = ab.LEDGER_DECISION_EXECUTE
SETTLE = ab.LEDGER_DECISION_SETTLE


async def found(auditor: Client, **filters: object) -> list[ab.LedgerEntry]:
    """The entries that a filter keeps."""
    request = ab.ListEntriesRequest(page_size=200, **filters)  # type: ignore[arg-type] # as is
    answer = await auditor.call(auditor.audit.ListEntries, request)
    return list(answer.entries)


async def exported(auditor: Client) -> bytes:
    """The whole ledger as a file."""
    call = auditor.audit.ExportEntries(
        ab.ExportEntriesRequest(), metadata=auditor.metadata, timeout=20
    )
    return b"".join([response.chunk async for response in call])


def failure_in(data: bytes) -> str | None:
    """What is wrong with an export, by the offline verifier; None if nothing is."""
    verifier = ExportVerifier()
    for line in data.splitlines(keepends=True):
        failure = verifier.line(line)
        if failure is not None:
            return failure
    return verifier.finish()


# --- what is entered --------------------------------------------------------------------------


async def test_an_ordinary_query_has_three_entries(stage: Stage) -> None:
    """Allowed and executed in one commit, settled in another."""
    client, request_id = stage.client(), str(uuid4())
    await client.query("Hello", request_id=request_id)

    entries = await found(stage.person(), resource_id=request_id)

    assert [ALLOW, EXECUTE, SETTLE] == [entry.decision for entry in entries]
    assert entries[0].batch_id == entries[1].batch_id != entries[2].batch_id
    assert {("acme", "backend")} == {(e.identity_id, e.principal.id) for e in entries}


async def test_an_approved_query_says_who_approved(stage: Stage) -> None:
    """The person stands in the entry of the decision, the requester in the others."""
    client, person = stage.client(), stage.person()
    failure = await blocked(client)
    request_id = failure.metadata["request_id"]
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
    await client.events(client.pipeline.Continue, pb.ContinueRequest(request_id=request_id))

    entries = await found(person, resource_id=request_id)

    decided = [(entry.decision, entry.principal.id) for entry in entries]
    assert [
        (BLOCK, "backend"),
        (ab.LEDGER_DECISION_APPROVE, "ann"),
        (EXECUTE, "backend"),
        (SETTLE, "backend"),
    ] == decided


async def test_a_rejected_query_never_has_an_execute_entry(stage: Stage) -> None:
    """No is written down, and nothing behind it."""
    client, person = stage.client(), stage.person()
    failure = await blocked(client)
    await person.call(person.checkpoints.ResolveCheckpoint, rejection(failure))

    entries = await found(person, resource_id=failure.metadata["request_id"])

    assert [BLOCK, ab.LEDGER_DECISION_REJECT] == [entry.decision for entry in entries]


async def test_a_denied_query_has_one_entry_with_its_reason(stage: Stage) -> None:
    """Denied in lane D is closed in lane D."""
    stranger, request_id = stage.client("other"), str(uuid4())
    query = pb.QueryRequest(text="Hello", request_id=request_id)
    await stranger.fail(stranger.pipeline.Query, query)

    entries = await found(stage.person("other"), resource_id=request_id)

    assert [(ab.LEDGER_DECISION_DENY, "BUDGET_REQUIRED")] == [
        (entry.decision, entry.reason) for entry in entries
    ]


async def test_invalid_requests_and_reads_are_not_entered(stage: Stage) -> None:
    """The ledger is of decisions; noise would hide them."""
    person = stage.person()
    before = await found(person)
    await person.fail(person.pipeline.Query, pb.QueryRequest())
    await person.call(person.pipeline.ListQueries, pb.ListQueriesRequest())
    await stage.anonymous().fail(stage.anonymous().pipeline.Query, pb.QueryRequest(text="Hello"))

    assert before == await found(person)


# --- finding ----------------------------------------------------------------------------------


async def test_each_filter_keeps_what_it_names(stage: Stage) -> None:
    """An auditor finds a decision by what it was about, by whom, what kind and when."""
    person, request_id = stage.person(), str(uuid4())
    await stage.client().query("Hello")
    await stage.client(name="other-backend").query("Hello", request_id=request_id)
    everything = await found(person)
    last = [entry for entry in everything if entry.resource_id == request_id]

    kept = [
        await found(person, resource_id=request_id),
        await found(person, principal_id="other-backend"),
        await found(person, start_time=last[0].time),
        await found(person, resource_kind="query", principal_id="other-backend"),
    ]
    settled = await found(person, decision=SETTLE)
    made = await found(person, action=ab.LEDGER_ACTION_CREATE)
    earlier = await found(person, end_time=last[0].time)

    assert [last] * 4 == kept
    assert [entry for entry in everything if entry.decision == SETTLE] == settled
    assert ["budget"] == [entry.resource_kind for entry in made]
    assert everything[: len(earlier)] == earlier
    assert len(everything) == len(earlier) + len(last)


@pytest.mark.parametrize(
    "time", [{"seconds": 2**60}, {"seconds": 1, "nanos": -1}, {"seconds": 1, "nanos": 10**9}]
)
async def test_a_time_that_is_none_is_refused(stage: Stage, time: dict[str, int]) -> None:
    """Such a timestamp is no point in time, and would filter by another one."""
    person = stage.person()
    request = ab.ListEntriesRequest(start_time=timestamp_pb2.Timestamp(**time))

    refused = await person.fail(person.audit.ListEntries, request)

    assert ("INVALID_FIELD", "start_time") == (refused.reason, refused.metadata["field"])


async def test_an_entry_is_read_by_its_id(stage: Stage) -> None:
    """The same as listed; system's auditor reads any."""
    person, operator = stage.person(), stage.operator()
    await stage.client().query("Hello")
    (listed,) = await found(person, decision=SETTLE)
    request = ab.GetEntryRequest(entry_id=listed.entry_id)

    own = await person.call(person.audit.GetEntry, request)
    systems = await operator.call(operator.audit.GetEntry, request)

    assert (listed, listed) == (own.entry, systems.entry)


async def test_an_identity_sees_its_own_entries_and_system_all(stage: Stage) -> None:
    """The chain is one, the view is the identity's."""
    await stage.budget("other")
    await stage.client("acme").query("Hello")
    await stage.client("other").query("Hello")

    acme = await found(stage.person("acme"))
    everything = await found(stage.operator())

    assert {"acme"} == {entry.identity_id for entry in acme}
    assert {"acme", "other"} == {entry.identity_id for entry in everything}
    assert list(range(1, len(everything) + 1)) == [entry.sequence for entry in everything]
    assert [e.entry_hash for e in everything[:-1]] == [e.prev_hash for e in everything[1:]]


# --- proving ----------------------------------------------------------------------------------


async def test_the_server_says_that_its_ledger_holds(stage: Stage) -> None:
    """Every hash and link, up to the head."""
    operator = stage.operator()
    await stage.client().query("Hello")
    everything = await found(operator)

    verdict = await operator.call(operator.audit.VerifyLedger, ab.VerifyLedgerRequest())

    assert ab.LEDGER_VERDICT_HOLDS == verdict.verdict
    assert (len(everything), everything[-1].entry_hash) == (verdict.entries, verdict.head)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET entry_hash = zeroblob(32) WHERE sequence = 2",
        "UPDATE ledger_entries SET canonical = (SELECT other.canonical FROM ledger_entries AS other"
        " WHERE other.sequence = 3) WHERE sequence = 2",
        "UPDATE ledger_entries SET resource_id = 'elsewhere' WHERE sequence = 2",
        "UPDATE ledger_payloads SET payload = '{}'",
        "DELETE FROM ledger_entries WHERE sequence = 2",
        "DELETE FROM ledger_entries WHERE sequence = (SELECT max(sequence) FROM ledger_entries)",
    ],
)
async def test_the_server_finds_what_was_changed_behind_its_back(
    stage: Stage, statement: str
) -> None:
    """Whoever can write the database still cannot change history unseen."""
    operator = stage.operator()
    await stage.client().query("Hello")
    stage.sql(statement)

    verdict = await operator.call(operator.audit.VerifyLedger, ab.VerifyLedgerRequest())

    assert ab.LEDGER_VERDICT_BROKEN == verdict.verdict
    assert verdict.failed_sequence > 0
    assert verdict.failure


async def test_an_export_verifies_without_the_server(stage: Stage) -> None:
    """Anyone with the file can check it: each entry, the count and the head."""
    operator = stage.operator()
    await stage.client().query("Grüße, 你好 🎈")
    everything = await found(operator)

    data = await exported(operator)

    assert failure_in(data) is None
    assert len(everything) + 1 == data.count(b"\n")


@pytest.mark.parametrize("place", [0.05, 0.3, 0.5, 0.7, 0.97])
async def test_one_flipped_bit_of_an_export_is_found(stage: Stage, place: float) -> None:
    """Wherever it is: in an entry, a hash, a payload or the tail."""
    await stage.client().query("Hello")
    data = bytearray(await exported(stage.operator()))
    data[int(len(data) * place)] ^= 1

    assert failure_in(bytes(data)) is not None


async def test_a_cut_export_is_found(stage: Stage) -> None:
    """The last line states the count and the head."""
    await stage.client().query("Hello")
    lines = (await exported(stage.operator())).splitlines(keepends=True)

    assert failure_in(b"".join(lines[:-1])) is not None
    assert failure_in(b"".join([*lines[:-2], lines[-1]])) is not None
