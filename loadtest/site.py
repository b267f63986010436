"""A server and a fake upstream with a fresh database, ready to be asked."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chenu.aio import Client
from chenu.api.governance.v1 import budget_service_pb2
from chenu_server.vocabulary import PrincipalType, Role
from loadtest.database import fresh_database
from loadtest.processes import FAKE_UPSTREAM, SERVE, ServerProcess, UpstreamProcess
from loadtest.tokens import Mint


@dataclass(frozen=True)
class Site:
    """The processes, who makes tokens for them, and where their files are."""

    server: ServerProcess
    upstream: UpstreamProcess
    mint: Mint
    directory: Path

    def client(
        self, kind: PrincipalType, name: str, identity: str, roles: Iterable[Role]
    ) -> Client:
        """A client for one principal in one identity, on a connection of its own."""
        token = self.mint.token(kind, name, {identity: roles})
        # gRPC would let all channels of a process to one address share a connection.
        alone = (("grpc.use_local_subchannel_pool", 1),)
        return Client(self.server.target, token=token, options=alone)

    def funded(self, identity: str, limit_nanousd: int) -> None:
        """Give an identity a budget without an end; for whoever runs no event loop."""
        asyncio.run(self._funded(identity, limit_nanousd))

    async def _funded(self, identity: str, limit_nanousd: int) -> None:
        roles = [Role.BUDGET_ADMIN]
        async with self.client(PrincipalType.SERVICE, "funds", identity, roles) as client:
            await fund(client, limit_nanousd)


@contextmanager
def running_site(
    directory: Path,
    database: str,
    providers: Sequence[str],
    settings: Mapping[str, Any] | None = None,
    *,
    server_core: int | None = None,
    upstream_core: int | None = None,
    upstream_program: Sequence[str] = FAKE_UPSTREAM,
    command: Sequence[str] = SERVE,
    python: str = sys.executable,
) -> Iterator[Site]:
    """Start it all; stop it all.

    Args:
        directory: Where files and logs go.
        database: One of `database.DATABASES`.
        providers: The catalogue's names; the fake upstream plays them.
        settings: Further sections of the server's configuration.
        server_core: The only processor core that the server may use.
        upstream_core: Likewise for the fake upstream.
        upstream_program: What plays the providers; it takes the file for its port as last word.
        command: What starts the server.
        python: The interpreter that runs it, of this tree or of another.
    """
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(database, directory, python))
        mint = Mint(directory)
        upstream = stack.enter_context(
            UpstreamProcess(directory, core=upstream_core, program=upstream_program)
        )
        # The server's settings name its port, which it chooses as it starts.
        upstream.wait_listening()
        sections = {
            # Any free port: several of these may run side by side.
            "server": {"listen": "127.0.0.1:0"},
            "database": {"url": url},
            "identity": mint.settings,
            "providers": upstream.provider_settings(providers),
            "log": {"level": "info", "json": True},
            **(settings or {}),
        }
        server = ServerProcess(
            directory, sections, core=server_core, command=command, python=python
        )
        stack.enter_context(server).wait_serving()
        yield Site(server=server, upstream=upstream, mint=mint, directory=directory)


async def fund(client: Client, limit_nanousd: int) -> budget_service_pb2.Budget:
    """Give the client's identity a budget without an end."""
    return await client.budgets.create(
        scope=budget_service_pb2.BUDGET_SCOPE_IDENTITY,
        period=budget_service_pb2.BUDGET_PERIOD_TOTAL,
        limit_nanousd=limit_nanousd,
    )
