"""The server under test, the providers around it, and who calls it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import sqlalchemy as sa

from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu_server.governance.limits.model import HOLD_SLOT
from chenu_server.governance.limits.tables import SLOTS
from chenu_server.providers.catalog import load_catalogue
from chenu_server.upstream import FakeUpstream
from chenu_server.vocabulary import PrincipalType
from loadtest.processes import ServerProcess
from loadtest.tokens import Mint
from tests.faults.provider import FaultyProvider
from tests.faults.script import Kind
from tests.faults.streams import PATIENCE_MS
from tests.harness import EVERYTHING, IDENTITY_ROLES, Client

RECORDS: Final = Path(__file__).with_name("records")
FAULTY: Final = ("faulty_chat", "faulty_messages", "faulty_open")
STEADY: Final = "steady"
STEADY_ANSWER: Final = '{"city":"Oslo"}'
"""What the next candidate says: a text, and JSON for whoever asks for that."""
CONNECT_MS: Final = 5_000
START_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True)
class Site:
    """A server process, and what a run needs to speak to it."""

    channel: grpc.aio.Channel
    mint: Mint
    faulty: FaultyProvider
    steady: FakeUpstream
    server: ServerProcess
    url: str

    @property
    def peak_mib(self) -> int:
        """The most memory that the server has held so far."""
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) // 1_024

    def forget_holds(self) -> None:
        """Let time pass for providers that have said when to come back."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(SLOTS.delete().where(SLOTS.c.slot == HOLD_SLOT))
        engine.dispose()

    def client(self, identity: str) -> Client:
        """A person with every role of an identity."""
        token = self.mint.token(PrincipalType.USER, "ann", {identity: IDENTITY_ROLES})
        return Client(self.channel, (("authorization", f"Bearer {token}"),))

    async def funded(self, identity: str) -> Client:
        """The same, with a budget that nothing here uses up."""
        client = self.client(identity)
        request = bb.CreateBudgetRequest(
            scope=bb.BUDGET_SCOPE_IDENTITY,
            period=bb.BUDGET_PERIOD_TOTAL,
            limit_nanousd=EVERYTHING,
        )
        await client.call(client.budgets.CreateBudget, request)
        return client


@asynccontextmanager
async def sited(url: str, folder: Path, kinds: Iterable[Kind]) -> AsyncIterator[Site]:
    """Start it all, on a database that is empty but for its schema; stop it all."""
    by_marker = {kind.marker: kind for kind in kinds}
    catalogue = load_catalogue(RECORDS)
    async with FaultyProvider(by_marker) as faulty, FakeUpstream(catalogue) as steady:
        steady.behave(answer=STEADY_ANSWER)
        mint = Mint(folder)
        settings = _settings(url, mint, faulty, steady)
        with ServerProcess(folder, settings) as server:
            server.wait_serving(START_TIMEOUT_S)
            async with grpc.aio.insecure_channel(server.target) as channel:
                yield Site(channel, mint, faulty, steady, server, url)


def _settings(
    url: str, mint: Mint, faulty: FaultyProvider, steady: FakeUpstream
) -> Mapping[str, Any]:
    patient = {
        "limit": 100_000,
        "connect_timeout_ms": CONNECT_MS,
        "first_event_timeout_ms": PATIENCE_MS,
        "between_events_timeout_ms": PATIENCE_MS,
    }
    paths = {name: "" if name == "faulty_messages" else "/v1" for name in FAULTY}
    providers: dict[str, Any] = {
        name: {"base_url": faulty.url + path, **patient} for name, path in paths.items()
    }
    providers[STEADY] = {"base_url": steady.provider_url(STEADY), "limit": 100_000}
    return {
        "server": {"listen": "127.0.0.1:0"},
        "database": {"url": url},
        "identity": mint.settings,
        "limits": {"identity_limit": 0, "identity_burst": 0, "calls_per_s": 0},
        # What is looked at here is what a provider says, and not who may see it.
        "tools": {"unlisted": "allow"},
        "providers": {
            "catalog_dir": str(RECORDS),
            "enabled": list(providers),
            "settings": providers,
        },
        "log": {"level": "info", "json": True},
    }
