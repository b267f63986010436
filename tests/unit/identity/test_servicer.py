"""IdentityService on real rows: who a caller is, and what reached over its boundary."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import grpc
import pytest
import pytest_asyncio

from chenu.api.annotations.v1 import access_pb2
from chenu.api.governance.v1 import identity_service_pb2 as pb
from chenu.api.governance.v1 import identity_service_pb2_grpc as pb_grpc
from chenu_server.engine import Rows
from chenu_server.governance.identity.model import Violation
from chenu_server.governance.identity.service import ViolationService
from chenu_server.governance.identity.servicer import IdentityServicer
from chenu_server.governance.identity.store import SqlViolations
from chenu_server.governance.identity.tables import VIOLATIONS_MAP
from chenu_server.infra.db.reader import Reader
from chenu_server.infra.db.session import Write
from chenu_server.infra.rpc.server import Mount, RpcServer
from chenu_server.vocabulary import PrincipalType, Role, ViolationType
from tests.stores import store_at
from tests.unit.identity.samples import NOW_S, NOW_US, token
from tests.unit.rpc.samples import FakeBoundary, all_layers, bearer

VIOLATION = Violation(
    violation_id="v-0",
    ledger_number=0,
    source_identity="acme",
    principal_type=PrincipalType.SERVICE,
    principal_id="svc-1",
    type=ViolationType.CROSS_IDENTITY_ACCESS,
    target_kind="query",
    target_id="q-1",
    method="/chenu.api.pipeline.v1.PipelineService/GetQuery",
    peer="ipv4:127.0.0.1:5",
    time_us=NOW_US,
)
# Two at one time, to be told apart by their ids; one of another identity.
STORED = (
    VIOLATION,
    replace(VIOLATION, violation_id="v-2", time_us=NOW_US + 1),
    replace(VIOLATION, violation_id="v-1", time_us=NOW_US + 1),
    replace(VIOLATION, violation_id="v-3", time_us=NOW_US + 2, source_identity="beta"),
)
AUDITOR = bearer(token({"acme": [Role.AUDITOR]}))
SYSTEM_AUDITOR = bearer(token({"system": [Role.SYSTEM_AUDITOR]}))


def store(url: str, rows: Sequence[Violation]) -> None:
    """Commit violations as the writer does."""
    session = store_at(url).connect()
    session.begin()
    session.write([Write(VIOLATIONS_MAP, Rows([VIOLATIONS_MAP.encode(row) for row in rows]))])
    session.commit()
    session.close()


@pytest_asyncio.fixture
async def stub(database_url: str) -> AsyncIterator[pb_grpc.IdentityServiceAsyncStub]:
    """A client of a server on each store, with `STORED` in it."""
    store(database_url, STORED)
    reader = Reader(database_url, threads=1)
    servicer = IdentityServicer(ViolationService(SqlViolations(reader)))
    service = pb.DESCRIPTOR.services_by_name["IdentityService"]
    mount = Mount(service, pb_grpc.add_IdentityServiceServicer_to_server, servicer)
    server = RpcServer("127.0.0.1:0", [mount], all_layers(FakeBoundary()))
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield pb_grpc.IdentityServiceStub(channel)
    await server.drain(0)
    await reader.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_am_i_says_what_the_token_says(stub: pb_grpc.IdentityServiceAsyncStub) -> None:
    """A caller that is refused for a role can see which it has."""
    roles = {"beta": [Role.MEMBER], "acme": [Role.BUDGET_ADMIN, Role.MEMBER]}
    sent = bearer(token(roles, kind=PrincipalType.AGENT), x_chenu_identity="acme")

    answer = await stub.WhoAmI(pb.WhoAmIRequest(), metadata=sent, timeout=20)

    held = {it.identity_id: list(it.roles) for it in answer.identities}
    assert ("svc-1", access_pb2.PRINCIPAL_TYPE_AGENT, "acme") == (
        answer.principal.id,
        answer.principal.type,
        answer.identity_id,
    )
    assert {
        "acme": [access_pb2.ROLE_MEMBER, access_pb2.ROLE_BUDGET_ADMIN],
        "beta": [access_pb2.ROLE_MEMBER],
    } == held
    assert ["acme", "beta"] == list(held)
    assert NOW_S + 600 == answer.expire_time.seconds


async def test_an_auditor_sees_the_violations_of_its_identity(
    stub: pb_grpc.IdentityServiceAsyncStub,
) -> None:
    """Newest first, then by id; another identity's are not its business."""
    answer = await stub.ListViolations(pb.ListViolationsRequest(), metadata=AUDITOR, timeout=20)

    assert ["v-1", "v-2", "v-0"] == [it.violation_id for it in answer.violations]
    last = answer.violations[-1]
    assert pb.VIOLATION_TYPE_CROSS_IDENTITY_ACCESS == last.type
    assert ("acme", "query", "q-1", VIOLATION.method, VIOLATION.peer) == (
        last.identity_id,
        last.target_kind,
        last.target_id,
        last.method,
        last.peer,
    )
    assert NOW_US == last.time.ToMicroseconds()


@pytest.mark.parametrize("size", [1, 2, 3, 4])
async def test_pages_show_everything_once(
    stub: pb_grpc.IdentityServiceAsyncStub, size: int
) -> None:
    """Whatever the size, also between two of the same time; `system` sees all identities."""
    seen: list[str] = []
    asked = pb.ListViolationsRequest(page_size=size)
    while True:
        answer = await stub.ListViolations(asked, metadata=SYSTEM_AUDITOR, timeout=20)
        seen += [it.violation_id for it in answer.violations]
        asked.page_token = answer.next_page_token
        if not asked.page_token:
            break

    assert ["v-3", "v-1", "v-2", "v-0"] == seen


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_page_token_is_of_one_identity(stub: pb_grpc.IdentityServiceAsyncStub) -> None:
    """It belongs to its listing and gives no right."""
    asked = pb.ListViolationsRequest(page_size=1)
    page = await stub.ListViolations(asked, metadata=SYSTEM_AUDITOR, timeout=20)
    asked.page_token = page.next_page_token

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ListViolations(asked, metadata=AUDITOR, timeout=20)

    assert grpc.StatusCode.INVALID_ARGUMENT == caught.value.code()
