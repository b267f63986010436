"""AuditService: what goes in and comes out on the wire."""

from __future__ import annotations

import pytest
from google.protobuf import timestamp_pb2

from chenu.api.annotations.v1 import access_pb2
from chenu.api.governance.v1 import audit_service_pb2 as pb
from chenu_server import engine
from chenu_server.caller import SYSTEM_IDENTITY
from chenu_server.errors import InvalidField
from chenu_server.governance.audit import convert
from chenu_server.governance.audit.model import Filters
from chenu_server.governance.audit.service import AuditService
from chenu_server.governance.audit.servicer import CHUNK_BYTES, AuditServicer
from chenu_server.infra.rpc.paging import page_token_of
from chenu_server.vocabulary import Role
from tests.fakes.boundary import FakeBoundary
from tests.fakes.calls import NO_CONTEXT, calling
from tests.unit.audit.chain import ChainReader, sealed_chain

CHAIN = sealed_chain(*["alice", "bob"] * 150)


def servicer_on(reader: ChainReader) -> AuditServicer:
    """A servicer on a chain."""
    return AuditServicer(AuditService(reader=reader, boundary=FakeBoundary()))


def time(seconds: int) -> timestamp_pb2.Timestamp:
    """A Unix time."""
    return timestamp_pb2.Timestamp(seconds=seconds)


async def test_an_entry_is_shown_whole() -> None:
    """Enough to check its hash by hand."""
    with calling("alice", Role.AUDITOR):
        request = pb.GetEntryRequest(entry_id="ENTRY-1")
        answer = await servicer_on(ChainReader(CHAIN)).GetEntry(request, NO_CONTEXT)

    shown, entry = answer.entry, engine.decode_entry(CHAIN[0].canonical)
    assert ("entry-1", 1, 0, "batch", 5) == (
        shown.entry_id,
        shown.sequence,
        shown.ledger_number,
        shown.batch_id,
        shown.time.ToMicroseconds(),
    )
    assert (pb.LEDGER_DECISION_ALLOW, pb.LEDGER_ACTION_EXECUTE) == (shown.decision, shown.action)
    assert ("alice", access_pb2.PRINCIPAL_TYPE_SERVICE, "svc", ["dave"]) == (
        shown.identity_id,
        shown.principal.type,
        shown.principal.id,
        list(shown.acting_for),
    )
    assert ("query", "query-1", "", '{"n":1}') == (
        shown.resource_kind,
        shown.resource_id,
        shown.reason,
        shown.payload,
    )
    assert (entry.payload_digest, entry.prev_hash, CHAIN[0].entry_hash) == (
        shown.payload_digest,
        shown.prev_hash,
        shown.entry_hash,
    )


async def test_a_damaged_entry_is_shown_by_its_columns() -> None:
    """What nobody can read is empty; a name that is none is unspecified."""
    reader = ChainReader(CHAIN)
    copies = {**CHAIN[0].copies, "decision": "maybe", "resource_id": b"\xff"}
    reader.damage(1, canonical=b"garbage", copies=copies)
    with calling("alice", Role.AUDITOR):
        request = pb.GetEntryRequest(entry_id="entry-1")
        shown = (await servicer_on(reader).GetEntry(request, NO_CONTEXT)).entry

    assert ("entry-1", 1, 5, "alice") == (
        shown.entry_id,
        shown.sequence,
        shown.time.ToMicroseconds(),
        shown.identity_id,
    )
    assert (pb.LEDGER_DECISION_UNSPECIFIED, "", "", b"", b"") == (
        shown.decision,
        shown.resource_id,
        shown.payload,
        shown.payload_digest,
        shown.prev_hash,
    )
    assert CHAIN[0].entry_hash == shown.entry_hash


async def test_entries_are_listed_page_by_page() -> None:
    """Nothing is shown twice or left out."""
    servicer, shown, token = servicer_on(ChainReader(CHAIN)), list[int](), ""
    with calling("alice", Role.AUDITOR):
        for _ in range(3):
            request = pb.ListEntriesRequest(page_size=60, page_token=token)
            page = await servicer.ListEntries(request, NO_CONTEXT)
            shown += [entry.sequence for entry in page.entries]
            token = page.next_page_token

    assert (list(range(1, 300, 2)), "") == (shown, token)


def test_filters_are_read_from_the_request() -> None:
    """A time at or before 1970 still counts as set."""
    request = pb.ListEntriesRequest(
        resource_kind="query",
        resource_id="q",
        principal_id="p",
        action=pb.LEDGER_ACTION_IDENTITY_VIOLATION,
        decision=pb.LEDGER_DECISION_SETTLE,
        start_time=timestamp_pb2.Timestamp(seconds=2, nanos=1_999),
        end_time=timestamp_pb2.Timestamp(),
    )

    assert Filters(
        resource_kind="query",
        resource_id="q",
        principal_id="p",
        action="identity_violation",
        decision="settle",
        start_us=2_000_001,
        end_us=1,
    ) == convert.filters_from(request)
    assert Filters() == convert.filters_from(pb.ListEntriesRequest())


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("resource_kind", pb.ListEntriesRequest(resource_kind="a\0b")),
        ("resource_id", pb.ListEntriesRequest(resource_id="x" * 257)),
        ("principal_id", pb.ListEntriesRequest(principal_id="\n")),
        ("action", pb.ListEntriesRequest(action=99)),  # type: ignore[arg-type]  # a newer client
        ("decision", pb.ListEntriesRequest(decision=-1)),  # type: ignore[arg-type] # as above
        ("start_time", pb.ListEntriesRequest(start_time=time(2**62))),
        ("end_time", pb.ListEntriesRequest(end_time=time(-(2**62)))),
        ("page_size", pb.ListEntriesRequest(page_size=-1)),
        ("page_token", pb.ListEntriesRequest(page_token="?")),
    ],
)
async def test_what_is_not_taken_names_its_field(
    field: str, request_: pb.ListEntriesRequest
) -> None:
    """No database ever sees it."""
    with calling("alice", Role.AUDITOR), pytest.raises(InvalidField) as refused:
        await servicer_on(ChainReader(CHAIN)).ListEntries(request_, NO_CONTEXT)
    assert field == refused.value.field


@pytest.mark.parametrize("after", [("x",), ("1", "2"), ("9" * 30,), ("-1",)])
async def test_a_made_up_token_is_invalid(after: tuple[str, ...]) -> None:
    """Tokens are not signed; what stands in one is checked like any field."""
    token = page_token_of(after, convert.about_of("alice", Filters()))
    request = pb.ListEntriesRequest(page_token=token)

    with calling("alice", Role.AUDITOR), pytest.raises(InvalidField) as refused:
        await servicer_on(ChainReader(CHAIN)).ListEntries(request, NO_CONTEXT)
    assert "page_token" == refused.value.field


async def test_a_verdict_says_where_the_ledger_breaks() -> None:
    """The first failure, and how far it holds."""
    reader = ChainReader(CHAIN, chunk_rows=100)
    servicer = servicer_on(reader)
    with calling(SYSTEM_IDENTITY, Role.SYSTEM_AUDITOR):
        whole = await servicer.VerifyLedger(pb.VerifyLedgerRequest(), NO_CONTEXT)
        reader.damage(250, entry_hash=bytes(32))
        broken = await servicer.VerifyLedger(pb.VerifyLedgerRequest(), NO_CONTEXT)

    assert (pb.LEDGER_VERDICT_HOLDS, 300, 0, "") == (
        whole.verdict,
        whole.entries,
        whole.failed_sequence,
        whole.failure,
    )
    assert (pb.LEDGER_VERDICT_BROKEN, 249, 250) == (
        broken.verdict,
        broken.entries,
        broken.failed_sequence,
    )
    assert (CHAIN[-1].entry_hash, CHAIN[248].entry_hash) == (whole.head, broken.head)


async def test_an_export_comes_in_small_pieces_that_verify_together() -> None:
    """No message is larger than the transport takes, whatever the rows hold."""
    servicer = servicer_on(ChainReader(CHAIN, chunk_rows=1_000))
    with calling(SYSTEM_IDENTITY, Role.SYSTEM_AUDITOR):
        stream = servicer.ExportEntries(pb.ExportEntriesRequest(), NO_CONTEXT)
        pieces = [answer.chunk async for answer in stream]
    verifier = engine.ExportVerifier()

    assert len(pieces) > 2
    assert CHUNK_BYTES == max(map(len, pieces))
    assert {None} == {verifier.line(line) for line in b"".join(pieces).splitlines(keepends=True)}
    assert None is verifier.finish()
