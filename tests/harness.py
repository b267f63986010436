"""A real server on a free port, a real upstream beside it, and callers with tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import sqlalchemy as sa
import structlog
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # no stubs
from grpc_status import rpc_status  # type: ignore[import-untyped]  # no stubs

from chenu.api.governance.v1 import (
    audit_service_pb2_grpc,
    budget_service_pb2,
    budget_service_pb2_grpc,
    checkpoint_service_pb2_grpc,
    identity_service_pb2_grpc,
    rate_limit_service_pb2_grpc,
)
from chenu.api.pipeline.v1 import (
    pipeline_service_pb2 as pb,
)
from chenu.api.pipeline.v1 import (
    pipeline_service_pb2_grpc,
    router_service_pb2_grpc,
    routing_pb2,
    tool_call_service_pb2_grpc,
)
from chenu_server import failpoints
from chenu_server.bootstrap import Application, application
from chenu_server.caller import Principal
from chenu_server.config import Settings, load_settings
from chenu_server.governance.identity.model import Issuer
from chenu_server.governance.identity.tokens import create_key, issue, read_key
from chenu_server.governance.tools.release_keys import create_release_key
from chenu_server.providers.catalog import Catalogue, load_catalogue
from chenu_server.providers.prices import resolve_prices
from chenu_server.upstream import FakeUpstream
from chenu_server.vocabulary import PrincipalType, Role

PROVIDERS = ("anthropic", "google", "groq", "mistral", "ollama", "openai")
EVERYTHING = 10**15
IDENTITY_ROLES = (Role.MEMBER, Role.APPROVER, Role.BUDGET_ADMIN, Role.AUDITOR)
SYSTEM_ROLES = (Role.OPERATOR, Role.SYSTEM_AUDITOR)
CALL_TIMEOUT_S = 20.0
SERVICES = {
    "PipelineService": "pipeline",
    "RouterService": "router",
    "CheckpointService": "checkpoints",
    "BudgetService": "budgets",
    "RateLimitService": "limits",
    "IdentityService": "identity",
    "ToolCallService": "tool_calls",
    "AuditService": "audit",
}

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Failure:
    """A failed call as a client reads it: by reason, never by message."""

    code: grpc.StatusCode
    reason: str
    metadata: Mapping[str, str]
    retry_after_us: int | None
    message: str
    trailers: Mapping[str, str]
    domain: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def details_bytes(self) -> int:
        """How much the details weigh together."""
        return sum(detail.ByteSize() for detail in self.details.values())


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """What the status says to a machine. Of details of one type, the last is kept."""
    status = rpc_status.from_call(error)
    details: dict[str, Any] = {}
    for packed in status.details if status else ():
        detail = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2])()
        packed.Unpack(detail)
        details[type(detail).__name__] = detail
    info = details.get("ErrorInfo", error_details_pb2.ErrorInfo())
    retry = details.get("RetryInfo")
    return Failure(
        code=error.code(),
        reason=info.reason,
        metadata=dict(info.metadata),
        retry_after_us=retry.retry_delay.ToMicroseconds() if retry else None,
        message=error.details() or "",
        trailers={key: value for key, value in error.trailing_metadata() if isinstance(value, str)},
        domain=info.domain,
        details=details,
    )


class Client:
    """One principal's stubs: every call carries its token and a deadline."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Metadata) -> None:
        self.channel = channel
        self.metadata = metadata
        self.pipeline = pipeline_service_pb2_grpc.PipelineServiceStub(channel)
        self.router = router_service_pb2_grpc.RouterServiceStub(channel)
        self.checkpoints = checkpoint_service_pb2_grpc.CheckpointServiceStub(channel)
        self.tool_calls = tool_call_service_pb2_grpc.ToolCallServiceStub(channel)
        self.budgets = budget_service_pb2_grpc.BudgetServiceStub(channel)
        self.limits = rate_limit_service_pb2_grpc.RateLimitServiceStub(channel)
        self.identity = identity_service_pb2_grpc.IdentityServiceStub(channel)
        self.audit = audit_service_pb2_grpc.AuditServiceStub(channel)

    def rpc(self, name: str) -> Any:
        """The stub's method for a wire name: `/package.Service/Method`."""
        service, _, method = name.rpartition("/")
        return getattr(getattr(self, SERVICES[service.rpartition(".")[2]]), method)

    async def call(self, method: Any, request: Any, *, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """One unary call."""
        return await method(request, metadata=self.metadata, timeout=timeout_s)

    async def fail(
        self, method: Any, request: Any, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> Failure:
        """One unary or streaming call that must be refused."""
        failure = await self.outcome(method, request, timeout_s=timeout_s)
        if failure is None:
            raise AssertionError("the call was not refused")
        return failure

    async def outcome(
        self, method: Any, request: Any, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> Failure | None:
        """How one unary or streaming call was refused; None if it was served."""
        try:
            call = method(request, metadata=self.metadata, timeout=timeout_s)
            if hasattr(call, "__aiter__"):
                async for _ in call:
                    pass
            else:
                await call
        except grpc.aio.AioRpcError as error:
            return failure_of(error)
        return None

    async def events(
        self, method: Any, request: Any, *, timeout_s: float = CALL_TIMEOUT_S
    ) -> tuple[list[Any], Failure | None]:
        """A stream's events, and how it failed if it did."""
        seen: list[Any] = []
        call = method(request, metadata=self.metadata, timeout=timeout_s)
        try:
            async for response in call:
                seen.append(response.event)  # noqa: PERF401 - what came before a failure counts
        except grpc.aio.AioRpcError as error:
            return seen, failure_of(error)
        finally:
            call.cancel()
        return seen, None

    async def query(self, text: str, **fields: Any) -> pb.QueryResponse:
        """Run one query to its end."""
        timeout_s = fields.pop("timeout_s", CALL_TIMEOUT_S)
        response: pb.QueryResponse = await self.call(
            self.pipeline.Query, pb.QueryRequest(text=text, **fields), timeout_s=timeout_s
        )
        return response


@dataclass
class Stage:
    """A server, its upstream, and what a test needs to speak to them."""

    application: Application
    upstream: FakeUpstream
    issuer: Issuer
    channel: grpc.aio.Channel
    settings: Settings
    clients: dict[Any, Client] = field(default_factory=dict)

    def token(
        self,
        identities: Mapping[str, Sequence[Role]],
        *,
        type: PrincipalType = PrincipalType.SERVICE,
        name: str = "backend",
        acting_for: Sequence[str] = (),
        lifetime_s: int = 600,
        age_s: int = 0,
    ) -> str:
        """A token of the local issuer, made `age_s` ago."""
        return token_of(
            self.issuer,
            identities,
            type=type,
            name=name,
            acting_for=acting_for,
            lifetime_s=lifetime_s,
            age_s=age_s,
        )

    def client(
        self,
        identity: str = "acme",
        *,
        roles: Sequence[Role] = (Role.MEMBER,),
        type: PrincipalType = PrincipalType.SERVICE,
        name: str = "backend",
        acting_for: Sequence[str] = (),
    ) -> Client:
        """A client of one principal in one identity."""
        token = self.token({identity: roles}, type=type, name=name, acting_for=acting_for)
        return self.with_token(token)

    def with_token(self, token: str, *more: tuple[str, str]) -> Client:
        """A client that sends this token and more metadata."""
        return Client(self.channel, (("authorization", f"Bearer {token}"), *more))

    def anonymous(self) -> Client:
        """A client that sends nothing about itself."""
        return Client(self.channel, ())

    @asynccontextmanager
    async def narrow(self, client: Client) -> AsyncIterator[Client]:
        """The same caller on a connection that takes 64 KiB ahead of its reader and no more."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
        address = f"127.0.0.1:{self.application.port}"
        async with grpc.aio.insecure_channel(address, options) as channel:
            yield Client(channel, client.metadata)

    def sql(self, *statements: str, **values: object) -> None:
        """Change what is stored behind the server's back, all at once: time travel, no more."""
        engine = sa.create_engine(self.settings.database.url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement), values)
        engine.dispose()

    def person(self, identity: str = "acme", name: str = "ann") -> Client:
        """A person with every role of an identity."""
        return self.client(identity, roles=IDENTITY_ROLES, type=PrincipalType.USER, name=name)

    def operator(self) -> Client:
        """A person with every role of `system`."""
        roles = (*IDENTITY_ROLES, *SYSTEM_ROLES)
        return self.client("system", roles=roles, type=PrincipalType.USER, name="olga")

    async def budget(
        self, identity: str = "acme", limit_nanousd: int = EVERYTHING
    ) -> budget_service_pb2.Budget:
        """A total budget for an identity."""
        request = budget_service_pb2.CreateBudgetRequest(
            scope=budget_service_pb2.BUDGET_SCOPE_IDENTITY,
            period=budget_service_pb2.BUDGET_PERIOD_TOTAL,
            limit_nanousd=limit_nanousd,
        )
        admin = self.person(identity, "budget-admin")
        made = await admin.call(admin.budgets.CreateBudget, request)
        budget: budget_service_pb2.Budget = made.budget
        return budget


@cache  # of all that a start does, this takes longest
def _priced_on(day: date) -> Catalogue:
    return resolve_prices(load_catalogue(), day)


@asynccontextmanager
async def staged(
    database_url: str,
    folder: Path,
    overrides: Mapping[str, Any] | Callable[[FakeUpstream], Mapping[str, Any]] | None = None,
) -> AsyncIterator[Stage]:
    """A server on this database, until the block ends; overrides may need to know the upstream."""
    key_file = folder / f"{uuid4()}.key"
    create_key(key_file)
    issuer = local_issuer(key_file)
    async with FakeUpstream(_priced_on(datetime.now(UTC).date())) as upstream:
        changes = overrides(upstream) if callable(overrides) else overrides or {}
        settings = load_settings(
            None, {**settings_for(database_url, key_file, upstream), **changes}
        )
        async with running(settings) as app:
            options = [("grpc.use_local_subchannel_pool", 1)]
            async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}", options) as channel:
                yield Stage(app, upstream, issuer, channel, settings)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Application]:
    """A server until the block ends; nothing of it stays behind in this process."""
    try:
        async with application(settings) as app:
            yield app
    finally:
        failpoints.disarm()
        structlog.reset_defaults()


def local_issuer(key_file: Path) -> Issuer:
    """The issuer whose key this is, for every type of principal."""
    return Issuer(
        name="chenu-local",
        audience="chenu",
        key=read_key(key_file),
        principal_types=frozenset(PrincipalType),
    )


def token_of(
    issuer: Issuer,
    identities: Mapping[str, Sequence[Role]],
    *,
    type: PrincipalType = PrincipalType.SERVICE,
    name: str = "backend",
    acting_for: Sequence[str] = (),
    lifetime_s: int = 600,
    age_s: int = 0,
) -> str:
    """A token of an issuer, made `age_s` ago."""
    return issue(
        issuer,
        Principal(type=type, id=name),
        identities,
        now_us=time.time_ns() // 1_000 - age_s * 1_000_000,
        lifetime_s=lifetime_s,
        acting_for=acting_for,
    )


async def eventually(holds: Callable[[], Awaitable[bool]], within_s: float = 10.0) -> None:
    """Wait until something holds that nobody tells of."""
    async with asyncio.timeout(within_s):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.01)


def settings_for(database_url: str, key_file: Path, upstream: FakeUpstream) -> dict[str, Any]:
    """By dotted key: every provider at the upstream, no limits, tokens of one local issuer."""
    return {
        "server.listen": "127.0.0.1:0",
        "server.drain_grace_s": 2,
        "server.insecure_dev": True,
        "database.url": database_url,
        "identity.issuers": [
            {
                "name": "chenu-local",
                "key_file": str(key_file),
                "principal_types": ["user", "service", "agent"],
            }
        ],
        "providers.enabled": list(PROVIDERS),
        "providers.settings": {
            name: {"base_url": upstream.provider_url(name), "api_key": "sk-test-key"}
            for name in PROVIDERS
        },
        # Calls pass by policies alone, unless a test is about who must look at them.
        "tools.unlisted": "allow",
        "tools.release_key_file": str(release_key(key_file.parent)),
        "limits.identity_limit": 0,
        "limits.identity_burst": 0,
        "limits.calls_per_s": 0,
        "log.level": "error",
    }


def release_key(folder: Path) -> Path:
    """A file with a key that releases are signed with."""
    file = folder / "release.pem"
    with suppress(FileExistsError):
        create_release_key(file)
    return file


def only(provider: str, model: str) -> routing_pb2.RoutingRequest:
    """A chain of one."""
    return routing_pb2.RoutingRequest(
        strategy=routing_pb2.STRATEGY_SPECIFIC,
        preferred_provider=provider,
        preferred_model=model,
        allowed_providers=[provider],
    )
