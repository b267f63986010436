"""What a server answers from a database, over gRPC, as canonical JSON.

Left out is what no database holds: page tokens, which are a release's own. What depends on the
day is asked as of the day of the fixture: see `rest.py`.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu.api.governance.v1 import checkpoint_pb2
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.governance.v1 import identity_service_pb2 as ib
from chenu.api.pipeline.v1 import message_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.governance.limits.store import SqlSlots
from chenu_server.infra.db.reader import Reader
from tests.contract.db.release.asked import ALIASES
from tests.contract.db.release.people import IDENTITIES, SYSTEM, People
from tests.contract.db.release.rows import RELEASE
from tests.harness import PROVIDERS, Client

ANSWERS: Final = Path(__file__).with_name(f"{RELEASE}.answers.json.gz")
FINAL: Final = frozenset(
    f"QUERY_STATE_{state}" for state in ("REJECTED", "EXPIRED", "COMPLETED", "FAILED", "CANCELLED")
)
_PAGE: Final = 13
"""Small enough that every listing has several pages, and no divisor of their lengths."""
_CONTENT_PAGE: Final = 130_001
_SHOWN_BYTES: Final = 1_000
_QUERY_LISTS: Final = {
    "all": (),
    "waiting": (message_pb2.QUERY_STATE_BLOCKED, message_pb2.QUERY_STATE_APPROVED),
    "completed": (message_pb2.QUERY_STATE_COMPLETED,),
}
_CHECKPOINT_LISTS: Final = {
    "all": (),
    "pending": (checkpoint_pb2.CHECKPOINT_STATE_PENDING,),
    "approved": (checkpoint_pb2.CHECKPOINT_STATE_APPROVED,),
}

Plain = dict[str, Any]


def known() -> Plain:
    """What the release answered, and when and under which ids it was asked."""
    found: Plain = json.loads(gzip.decompress(ANSWERS.read_bytes()))
    return found


def keep(answers: Plain) -> None:
    """Write the file; the same answers give the same bytes."""
    ANSWERS.write_bytes(gzip.compress(canonical(answers).encode(), mtime=0))


def canonical(value: object) -> str:
    """JSON that is the same text for the same value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


ADDED: Final = {"operation_kind": "OPERATION_KIND_QUERY"}
"""What later releases tell besides: the one thing that all of this one's is."""


def differences(expected: object, actual: object, at: str = "") -> Iterator[str]:
    """Where two answers differ, and how."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for name in sorted(expected.keys() | actual.keys()):
            if name in ADDED and (expected.get(name), actual.get(name)) == (None, ADDED[name]):
                continue
            yield from differences(expected.get(name), actual.get(name), f"{at}/{name}")
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for number, pair in enumerate(zip(expected, actual, strict=True)):
            yield from differences(*pair, f"{at}/{number}")
    elif expected != actual:
        yield f"{at}: {canonical(expected)} became {canonical(actual)}"


async def answered(people: People, ids: Mapping[str, str]) -> Plain:
    """All of it; by `ids` are known those that no list shows, which are of `acme`."""
    aliases = {"acme": [ids[name] for name in ALIASES]}
    identities = {
        name: await _of_identity(people.person(name), aliases.get(name, ())) for name in IDENTITIES
    }
    auditor = people.person(SYSTEM)
    return {
        "identities": identities,
        "budgets": await _budgets(auditor),
        "violations": await _violations(auditor),
        "entries": await _entries(auditor),
        "ledger": await _ledger(auditor),
    }


async def slots_at(url: str, now_us: int) -> Plain:
    """What stands of the providers' slots; no rpc tells it as of another day."""
    reader = Reader(url, threads=1)
    slots = SqlSlots(reader, limit_of=lambda _: 100)
    try:
        use = await slots.use(now_us)
        times = {name: list(await slots.free_times(name, 9)) for name in PROVIDERS}
    finally:
        await reader.close()
    return {
        "use": {
            name: [each.in_use, each.next_free_us, each.held_until_us] for name, each in use.items()
        },
        "times": times,
    }


async def _of_identity(person: Client, aliases: Sequence[str]) -> Plain:
    queries = {
        name: await _pages(
            person, person.pipeline.ListQueries, pb.ListQueriesRequest(states=states)
        )
        for name, states in _QUERY_LISTS.items()
    }
    checkpoints = {
        name: await _pages(
            person, person.checkpoints.ListCheckpoints, cb.ListCheckpointsRequest(states=states)
        )
        for name, states in _CHECKPOINT_LISTS.items()
    }
    counted = await person.call(
        person.checkpoints.CountPendingCheckpoints, cb.CountPendingCheckpointsRequest()
    )
    request_ids = [*_ids(queries["all"], "queries", "request_id"), *aliases]
    checkpoint_ids = _ids(checkpoints["all"], "checkpoints", "checkpoint_id")
    return {
        "queries": {each: await _query(person, each) for each in request_ids},
        "query_lists": queries,
        "checkpoints": {each: await _checkpoint(person, each) for each in checkpoint_ids},
        "checkpoint_lists": checkpoints,
        "pending": counted.pending,
        "budgets": await _budgets(person),
        "entries": _ids(await _entries(person), "entries", "entry_id"),
        "violations": await _violations(person),
    }


def _ids(pages: Sequence[Plain], items: str, field: str) -> list[str]:
    return [item[field] for page in pages for item in page.get(items, ())]


# --- queries ----------------------------------------------------------------------------------


async def _query(person: Client, request_id: str) -> Plain:
    """The query by one of its ids, its answer, and its log from the start."""
    request = pb.GetQueryRequest(request_id=request_id)
    shown = await person.call(person.pipeline.GetQuery, request)
    return {"get": _plain(shown), "watch": await _log(person, request_id, shown.query)}


async def _log(person: Client, request_id: str, query: message_pb2.Query) -> list[Plain]:
    """All events; of a query that goes on those that there are."""
    goes_on = message_pb2.QueryState.Name(query.state) not in FINAL
    events = []
    call = person.pipeline.Watch(
        pb.WatchRequest(request_id=request_id), metadata=person.metadata, timeout=20
    )
    async for response in call:
        events.append(_plain(response.event))
        if goes_on and response.event.sequence == query.last_sequence:
            call.cancel()
            break
    return events


# --- what is decided by people ----------------------------------------------------------------


async def _checkpoint(person: Client, checkpoint_id: str) -> Plain:
    shown = await person.call(
        person.checkpoints.GetCheckpoint, cb.GetCheckpointRequest(checkpoint_id=checkpoint_id)
    )
    content = await _pages(
        person,
        person.checkpoints.GetCheckpointContent,
        cb.GetCheckpointContentRequest(checkpoint_id=checkpoint_id, page_bytes=_CONTENT_PAGE),
    )
    for piece in (piece for page in content for piece in page.get("pieces", ())):
        piece["data"] = _short(base64.b64decode(piece.get("data", "")))
    return {"get": _plain(shown), "content": content}


def _short(data: bytes) -> str:
    """A piece of a file is told by its digest."""
    if len(data) > _SHOWN_BYTES:
        return f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}"
    return base64.b64encode(data).decode()


async def _budgets(person: Client) -> list[Plain]:
    """The listed ones, each read alone as well."""
    pages = await _pages(person, person.budgets.ListBudgets, bb.ListBudgetsRequest())
    alone = [
        await person.call(person.budgets.GetBudget, bb.GetBudgetRequest(budget_id=budget_id))
        for budget_id in _ids(pages, "budgets", "budget_id")
    ]
    return [*pages, *map(_plain, alone)]


async def _violations(person: Client) -> list[Plain]:
    return await _pages(person, person.identity.ListViolations, ib.ListViolationsRequest())


# --- the ledger -------------------------------------------------------------------------------


async def _entries(person: Client) -> list[Plain]:
    return await _pages(person, person.audit.ListEntries, ab.ListEntriesRequest())


async def _ledger(auditor: Client) -> Plain:
    """The verdict, and the export by digest: of all of it, and without its last line."""
    verdict = await auditor.call(auditor.audit.VerifyLedger, ab.VerifyLedgerRequest())
    export = await exported(auditor)
    lines = export.splitlines(keepends=True)
    entries_bytes = len(export) - len(lines[-1])
    return {
        "verdict": _plain(verdict),
        "export_bytes": len(export),
        "export_sha256": hashlib.sha256(export).hexdigest(),
        "entries_bytes": entries_bytes,
        "entries_sha256": hashlib.sha256(export[:entries_bytes]).hexdigest(),
    }


async def exported(auditor: Client) -> bytes:
    """The whole ledger as a file."""
    call = auditor.audit.ExportEntries(
        ab.ExportEntriesRequest(), metadata=auditor.metadata, timeout=20
    )
    return b"".join([response.chunk async for response in call])


# --- messages ---------------------------------------------------------------------------------


async def _pages(client: Client, method: Any, request: Any) -> list[Plain]:
    """Every page of a listing, without the tokens."""
    if hasattr(request, "page_size"):
        request.page_size = _PAGE
    pages = []
    while True:
        page = await client.call(method, request)
        request.page_token = page.next_page_token
        page.ClearField("next_page_token")
        pages.append(_plain(page))
        if not request.page_token:
            return pages


def _plain(message: Message) -> Plain:
    plain: Mapping[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return dict(plain)
