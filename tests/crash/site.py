"""What outlives a server: its database, its upstream with the bill, its callers' tokens."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from signal import SIGKILL
from typing import Any, Final

import grpc
import sqlalchemy as sa

from chenu.api.governance.v1 import budget_service_pb2 as bb
from chenu_server.upstream import FakeUpstream
from chenu_server.vocabulary import PrincipalType, Role
from loadtest.tokens import Mint
from tests.crash.servers import Server
from tests.harness import EVERYTHING, IDENTITY_ROLES, SYSTEM_ROLES, Client, failure_of

IDENTITY: Final = "acme"
PROVIDERS: Final = ("groq", "mistral", "openai")
DONE: Final = "done"
"""What a call comes to that is not refused; a refused one comes to its reason."""


async def outcome_of(call: Awaitable[Any]) -> tuple[Any, str]:
    """A call's response and what it came to; a lost one comes to its status."""
    try:
        return await call, DONE
    except grpc.aio.AioRpcError as error:
        failure = failure_of(error)
        return None, failure.reason or failure.code.name


class Callers:
    """Who calls a server."""

    def __init__(self, channel: grpc.aio.Channel, mint: Mint) -> None:
        self._channel = channel
        self._mint = mint

    @cached_property
    def backend(self) -> Client:
        """The service that asks."""
        return self._client(PrincipalType.SERVICE, "backend", IDENTITY, (Role.MEMBER,))

    @cached_property
    def person(self) -> Client:
        """A person with every role of the identity."""
        return self._client(PrincipalType.USER, "ann", IDENTITY, IDENTITY_ROLES)

    @cached_property
    def auditor(self) -> Client:
        """A person with every role of `system`."""
        return self._client(PrincipalType.USER, "olga", "system", SYSTEM_ROLES)

    def _client(
        self, kind: PrincipalType, name: str, identity: str, roles: tuple[Role, ...]
    ) -> Client:
        token = self._mint.token(kind, name, {identity: roles})
        return Client(self._channel, (("authorization", f"Bearer {token}"),))

    async def fund(self) -> None:
        """Give the identity a budget without an end."""
        request = bb.CreateBudgetRequest(
            scope=bb.BUDGET_SCOPE_IDENTITY,
            period=bb.BUDGET_PERIOD_TOTAL,
            limit_nanousd=EVERYTHING,
        )
        await self.person.call(self.person.budgets.CreateBudget, request)


class Running(Callers):
    """A server that serves, and who calls it."""

    def __init__(self, server: Server, channel: grpc.aio.Channel, mint: Mint) -> None:
        super().__init__(channel, mint)
        self.server = server

    async def dies_of(self, call: Awaitable[str]) -> str:
        """Make a call that the server does not survive; what the call came to."""
        outcome = await call

        assert -SIGKILL == await self.server.ended(), self.server.output()
        return outcome


@dataclass
class Site:
    """Where servers come and go."""

    url: str
    directory: Path
    upstream: FakeUpstream
    mint: Mint
    more: dict[str, Any] = field(default_factory=dict)
    """Settings of the servers to come, by dotted key."""
    _starts: Iterator[int] = field(default_factory=count)

    def _started(self, failpoints: str) -> Server:
        """A server with a log of its own, so that of several each can be asked what it said."""
        log = self.directory / f"server-{next(self._starts)}.log"
        return Server(self.settings(failpoints), log)

    def settings(self, failpoints: str = "") -> dict[str, Any]:
        """The configuration of a server here."""
        return {
            "server.listen": "127.0.0.1:0",
            "server.insecure_dev": True,
            "database.url": self.url,
            "identity.issuers": self.mint.settings["issuers"],
            "providers.enabled": list(PROVIDERS),
            "providers.settings": {
                name: {"base_url": self.upstream.provider_url(name), "api_key": "sk-test-key"}
                for name in PROVIDERS
            },
            "owners.lease_s": 2,
            "owners.renew_s": 1,
            "limits.identity_limit": 0,
            "limits.identity_burst": 0,
            "limits.calls_per_s": 0,
            "limits.provider_limit": 10_000,
            "log.level": "info",
            "log.json": True,
            "failpoints": failpoints,
            **self.more,
        }

    @asynccontextmanager
    async def running(self, failpoints: str = "") -> AsyncIterator[Running]:
        """A server until the block ends; then it is killed, if it still runs."""
        server = self._started(failpoints)
        try:
            async with _channel(await server.serving()) as channel:
                yield Running(server, channel, self.mint)
        finally:
            server.kill()

    @asynccontextmanager
    async def calling(self, port: int) -> AsyncIterator[Callers]:
        """Callers of a server that was started elsewhere."""
        async with _channel(port) as channel:
            yield Callers(channel, self.mint)

    def forbid_everything(self) -> None:
        """From the next server on, an operator's policy refuses whatever is asked."""
        folder = self.directory / "policies"
        folder.mkdir()
        (folder / "closed.cedar").write_text(
            '@id("closed") forbid (principal, action == Action::"submit", resource);'
        )
        self.more["policies.operator_dir"] = str(folder)

    async def dies_at_start(self, failpoints: str) -> None:
        """Start a server that is killed before it serves."""
        server = self._started(failpoints)
        try:
            assert -SIGKILL == await server.ended(), server.output()
        finally:
            server.kill()

    def calls(self, marker: str) -> int:
        """How often the upstream was called for a marker."""
        return sum(arrival.marker == marker for arrival in self.upstream.arrivals)

    @contextmanager
    def database(self) -> Iterator[sa.Connection]:
        """The database itself, whether or not a server runs on it; for writing too."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            yield connection

    @contextmanager
    def left_behind(self) -> Iterator[sa.Connection]:
        """What a killed server left; a SQLite file is copied, or a look would tidy it up."""
        url = sa.make_url(self.url)
        if url.get_backend_name() != "sqlite":
            with self.database() as connection:
                yield connection
            return
        assert url.database is not None
        folder = self.directory / "left"
        folder.mkdir()
        for file in Path(url.database).parent.glob(f"{Path(url.database).name}*"):
            shutil.copy(file, folder)
        copy = sa.create_engine(f"sqlite:///{folder / Path(url.database).name}")
        with copy.connect() as connection:
            yield connection
        copy.dispose()
        shutil.rmtree(folder)


def _channel(port: int) -> grpc.aio.Channel:
    """A connection of its own: a shared one remembers the servers before."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options)
