"""The stage: who takes part, and how a step asks in their name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from chenu.aio import Client
from chenu.api.governance.v1 import budget_service_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2, routing_pb2
from chenu_server.caller import SYSTEM_IDENTITY, PrincipalType, Role
from loadtest.processes import ServerProcess, UpstreamProcess
from loadtest.tokens import Mint

MAIN_PROVIDER: Final = "openai"  # of every step without a provider of its own
MAIN_MODEL: Final = "gpt-6-luna"
BUDGET_MODEL: Final = "mistral-small-2603"  # of mistral, for the budget's step alone
RATE_MODEL: Final = "openai/gpt-oss-20b"  # of groq, for the rate limit's step alone
RATE_PROVIDER: Final = "groq"
PROVIDERS: Final = ("anthropic", "groq", "mistral", "openai")
BUDGET_NANOUSD: Final = 50_000_000_000

MEMBER: Final = (Role.MEMBER, Role.BUDGET_ADMIN, Role.AUDITOR)
APPROVER: Final = (Role.MEMBER, Role.APPROVER, Role.AUDITOR)
CAST: Final[Mapping[str, tuple[PrincipalType, str, Iterable[Role]]]] = {
    "orders": (PrincipalType.SERVICE, "acme", MEMBER),
    "ada": (PrincipalType.USER, "acme", APPROVER),
    "helper-bot": (PrincipalType.AGENT, "acme", APPROVER),
    "gil": (PrincipalType.USER, "globex", APPROVER),
    "intake": (PrincipalType.SERVICE, "globex", MEMBER),
    "thrift": (PrincipalType.SERVICE, "frugal", MEMBER),
    "hasty": (PrincipalType.SERVICE, "surge-one", MEMBER),
    "brisk": (PrincipalType.SERVICE, "surge-two", MEMBER),
    "olga": (PrincipalType.USER, SYSTEM_IDENTITY, (Role.OPERATOR, Role.SYSTEM_AUDITOR)),
}
FUNDED: Final = ("orders", "intake", "hasty", "brisk")


@dataclass(frozen=True)
class Play:
    """The processes of one demo, and where their files are."""

    server: ServerProcess
    upstream: UpstreamProcess
    mint: Mint
    directory: Path


class Stage:
    """Everybody's client, and the fake upstream's books."""

    def __init__(self, play: Play) -> None:
        self.upstream = play.upstream
        self.directory = play.directory
        self.server = play.server
        self._clients = {
            name: Client(
                play.server.target,
                token=play.mint.token(kind, name, {identity: roles}),
                options=(("grpc.use_local_subchannel_pool", 1),),
            )
            for name, (kind, identity, roles) in CAST.items()
        }
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for client in self._clients.values():
            await self._stack.enter_async_context(client)
        for name in FUNDED:
            await self.fund(name, BUDGET_NANOUSD)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def __getitem__(self, name: str) -> Client:
        """The client of one of the cast."""
        return self._clients[name]

    async def fund(self, name: str, limit_nanousd: int) -> budget_service_pb2.Budget:
        """Give the identity of one of the cast its only budget."""
        return await self[name].budgets.create(
            scope=budget_service_pb2.BUDGET_SCOPE_IDENTITY,
            period=budget_service_pb2.BUDGET_PERIOD_TOTAL,
            limit_nanousd=limit_nanousd,
        )

    async def budget(self, name: str) -> budget_service_pb2.Budget:
        """That budget as it stands."""
        (budget,) = [budget async for budget in self[name].budgets.list()]
        return budget

    def reached(self) -> int:
        """How many calls to the main model's provider have arrived there."""
        return len(self.upstream.arrivals(provider=MAIN_PROVIDER))


def only(model: str) -> routing_pb2.RoutingRequest:
    """A route with one model and no fallback."""
    return routing_pb2.RoutingRequest(strategy=routing_pb2.STRATEGY_SPECIFIC, preferred_model=model)


def ask(text: str, model: str = MAIN_MODEL, **fields: Any) -> pipeline_service_pb2.QueryRequest:
    """A query to one model."""
    return pipeline_service_pb2.QueryRequest(text=text, routing=only(model), **fields)
