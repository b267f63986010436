"""The stage: who takes part, and how a step asks in their name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from chenu.aio import Client
from chenu.api.governance.v1 import budget_service_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2, routing_pb2
from chenu_server.caller import SYSTEM_IDENTITY
from chenu_server.governance.tools.release_keys import create_release_key
from chenu_server.vocabulary import PrincipalType, Role
from loadtest.site import Site, fund

MAIN_PROVIDER: Final = "openai"  # of every step without a provider of its own
MAIN_MODEL: Final = "gpt-6-luna"
BUDGET_MODEL: Final = "mistral-small-2603"  # of mistral, for the budget's step alone
RATE_MODEL: Final = "openai/gpt-oss-20b"  # of groq, for the rate limit's step alone
RATE_PROVIDER: Final = "groq"
PROVIDERS: Final = ("anthropic", "groq", "mistral", "openai")
BUDGET_NANOUSD: Final = 50_000_000_000
LOOK_UP: Final = "find_order"
REFUND: Final = "refund"
EXECUTOR: Final = "payments"  # who executes it
REFUND_SCHEMA: Final = (
    '{"type":"object","properties":{"order":{"type":"integer"},"amount":{"type":"number"}},'
    '"required":["order","amount"]}'
)

MEMBER: Final = (Role.MEMBER, Role.BUDGET_ADMIN, Role.AUDITOR)
APPROVER: Final = (Role.MEMBER, Role.APPROVER, Role.AUDITOR)
CAST: Final[Mapping[str, tuple[PrincipalType, str, Iterable[Role]]]] = {
    "orders": (PrincipalType.SERVICE, "acme", MEMBER),
    EXECUTOR: (PrincipalType.SERVICE, "acme", (Role.MEMBER,)),
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


def configured(directory: Path) -> dict[str, Any]:
    """What the operator says of tools, with a key in `directory` that releases are signed with."""
    key_file = directory / "release.pem"
    create_release_key(key_file)
    named = {
        "get_weather": {"effect": "read"},
        LOOK_UP: {"effect": "read"},
        REFUND: {"effect": "payment", "schema": REFUND_SCHEMA, "audience": EXECUTOR},
    }
    return {"tools": {"named": named, "release_key_file": str(key_file)}}


class Stage:
    """Everybody's client, and the fake upstream's books."""

    def __init__(self, site: Site) -> None:
        self.upstream = site.upstream
        self.directory = site.directory
        self._clients = {
            name: site.client(kind, name, identity, roles)
            for name, (kind, identity, roles) in CAST.items()
        }
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for client in self._clients.values():
            await self._stack.enter_async_context(client)
        for name in FUNDED:
            await fund(self[name], BUDGET_NANOUSD)
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

    async def budget(self, name: str) -> budget_service_pb2.Budget:
        """The only budget of the identity of one of the cast."""
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
