"""What can be set, section by section: the frozen models, their defaults and their bounds."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import pydantic_settings
from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    model_validator,
)

from chenu_server.config.routing_section import AgentsSettings, RoutingSettings
from chenu_server.config.section import Section, did_you_mean, refusal
from chenu_server.failpoints import checked

PREFIX: Final = "CHENU_"
LEEWAY_MAX_S: Final = 60

_HOST_PORT: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})")
_DATABASE: Final = r"^(sqlite:///[^:?].*|postgresql(\+psycopg)?://.+)$"
PASSWORD: Final = re.compile(r"(//[^/:@]*:)([^@]*)@")

# Seconds of 68 years: as microseconds they still fit the int64 of the engine and of the columns.
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
NotNegative = Annotated[int, Field(ge=0, le=2**31 - 1)]
# A request on its way counts as large as one can be: 21 MiB.
ReceivingBytes = Annotated[int, Field(ge=22_020_096, le=2**31 - 1)]
TimeoutMs = Annotated[int, Field(ge=1, le=600_000)]
CheckpointExpiry = Annotated[int, Field(ge=60, le=86_400)]
PrincipalTypeName = Literal["user", "service", "agent"]
CheckpointTypeName = Literal[
    "execution_approval",
    "data_access",
    "scope_elevation",
    "budget_approval",
    "cross_sphere",
    "destructive_action",
    "identity_boundary",
]


def _host_port(value: str) -> str:
    match = _HOST_PORT.fullmatch(value)
    if match is None or int(match[2]) > 65_535:
        raise refusal("it is not host:port", "write it like 127.0.0.1:50051; port 0 takes any")
    return value


class ServerSettings(Section):
    """Where and how the server listens."""

    listen: Annotated[str, AfterValidator(_host_port)] = "127.0.0.1:50051"
    """host:port of the gRPC server; port 0 takes a free one."""
    insecure_dev: bool = False
    """Allow local HS256 tokens off loopback, and failpoints. Never in production."""
    drain_grace_s: NotNegative = 20
    """How long calls may finish after SIGTERM before they are cut."""
    max_connection_age_s: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """When connections are told to go, to spread load; running calls end on the old one."""
    receiving_max_bytes: ReceivingBytes = 268_435_456
    """Bytes of requests over 262,144 that are on their way in or held by queries, of all."""
    receiving_per_identity_bytes: ReceivingBytes = 67_108_864
    """Of these, for one identity."""
    receive_timeout_s: Annotated[int, Field(ge=1, le=600)] = 60
    """How long one request may take to arrive."""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        host = self.listen.rpartition(":")[0].strip("[]")
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            # No other name: where it leads is not known here, and may change.
            return host == "localhost"


class DatabaseSettings(Section):
    """Where decisions are recorded."""

    url: Annotated[str, Field(repr=False, pattern=_DATABASE)] = "sqlite:///var/chenu.db"
    """sqlite:///path or postgresql+psycopg://user:password@host/database; hosts may be many."""
    reader_threads: Positive = 4
    """Connections that read."""


class WriterSettings(Section):
    """How decisions are committed in groups."""

    queue_max: Positive = 4_096
    """Decisions that may wait; more are refused with SERVER_OVERLOADED."""
    batch_max: Annotated[int, Field(ge=1, le=128)] = 128
    """Decisions in one transaction."""
    note_delay_ms: Positive = 100
    """How long a write that nobody waits for may wait."""
    probe_ms: Positive = 5_000
    """How often an idle server tries whether decisions can be recorded."""


class ClaimSettings(Section):
    """How claims are called: subject, type, identities, actor (RFC 8693), sign-in, client."""

    subject: str = "sub"
    principal_type: str = "chenu_type"
    identities: str = "chenu_identities"
    actor: str = "act"
    methods: str = "amr"
    client: str = "azp"


class IssuerSettings(Section):
    """Whose tokens are taken, and what they may say."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """The `iss` claim of its tokens."""
    kind: Literal["local_hs256"] = "local_hs256"
    """How its tokens are signed; fixes the algorithm."""
    key_file: Path
    """Made with `chenu token key`; readable by this user alone."""
    audience: Annotated[str, Field(min_length=1, max_length=256)] = "chenu"
    """The `aud` claim that its tokens must have."""
    principal_types: tuple[PrincipalTypeName, ...] = ("service",)
    """Types of principal that it may assert."""
    claims: ClaimSettings = ClaimSettings()
    """Names of its claims."""
    leeway_s: Annotated[int, Field(ge=0, le=LEEWAY_MAX_S)] = 5
    """How far its `iat` and `nbf` may be ahead of this clock; `exp` is exact."""


LOCAL_ISSUER: Final = IssuerSettings(
    name="chenu-local",
    key_file=Path("var/token.key"),
    principal_types=("user", "service", "agent"),
)


class IdentitySettings(Section):
    """Who may say who calls."""

    issuers: Annotated[tuple[IssuerSettings, ...], Field(min_length=1)] = (LOCAL_ISSUER,)
    """Issuers by name."""

    @model_validator(mode="after")
    def _names_differ(self) -> IdentitySettings:
        if len({issuer.name for issuer in self.issuers}) < len(self.issuers):
            raise refusal("two issuers have the same name", "name each as its `iss` claim does")
        return self


class LimitSettings(Section):
    """How much an identity may ask and a provider is asked. 0 switches a limit off."""

    identity_limit: NotNegative = 100
    """New work of one identity in any window."""
    identity_window_s: Positive = 60
    """The window of new work."""
    identity_burst: NotNegative = 20
    """New work of one identity in any burst window."""
    identity_burst_window_ms: Positive = 1_000
    """The burst window."""
    identity_block_s: NotNegative = 120
    """How long an identity that broke its limit is blocked."""
    calls_per_s: NotNegative = 50
    """Other calls of one identity."""
    calls_burst: Positive = 100
    """Other calls that may come at once."""
    keys_max: Positive = 100_000
    """Identities that are counted at a time."""
    provider_limit: Positive = 100
    """Calls of one provider in any window, unless its own `limit` says otherwise."""
    provider_window_s: Positive = 60
    """The window of a provider."""
    guard_ms: NotNegative = 250
    """Kept free at a window's end for the way to the provider."""
    dispatch_within_ms: Positive = 1_000
    """How long after its admission a call may go out."""
    waiting_max: Positive = 1_000
    """Calls that may wait for one provider."""
    open_streams_max: NotNegative = 1_024
    """Streams that need no token (health, reflection) open at a time."""
    open_streams_per_peer: NotNegative = 128
    """Of these, from one address."""
    open_asking_max: NotNegative = 8
    """Of these, streams of reflection: each may hold up to 21 MiB of a request while it is open."""
    open_asking_per_peer: NotNegative = 2
    """Of these, from one address."""
    open_stream_idle_s: NotNegative = 60
    """How long reflection may be asked nothing before its stream is ended."""
    open_watch_idle_s: NotNegative = 3_600
    """How long a stream of health states may have nothing to tell before it is ended."""
    pending_max: NotNegative = 100
    """Checkpoints of one identity that may wait for a person."""


class BudgetSettings(Section):
    """Whether queries need a budget."""

    required: bool = True
    """Refuse a query to which no budget applies."""


class CheckpointSettings(Section):
    """How long a person has to decide, and who may."""

    default_expiry_s: CheckpointExpiry = 1_800
    """For every type without its own."""
    expiry_s: dict[CheckpointTypeName, CheckpointExpiry] = Field(default_factory=dict)
    """By type of checkpoint, 60 to 86400."""
    four_eyes: list[CheckpointTypeName] = Field(default_factory=list)
    """Types on which somebody else than who asked has to decide."""


class PipelineSettings(Section):
    """How queries run."""

    deadline_s: Positive = 300
    """For a query whose call has no deadline."""
    abandon_after_ms: NotNegative = 2_000
    """How long a query that nobody watches runs on, unless it is detached."""
    default_output_cap: Annotated[int, Field(ge=1, le=1_000_000)] = 1_024
    """Output tokens of a query that names no cap."""
    least_output_cap: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    """A cap is never lowered below this to fit a budget."""
    running_max: Positive = 2_000
    """Queries that run at a time."""
    watchers_max: Positive = 256
    """Open streams of one identity."""
    write_timeout_s: Positive = 10
    """How long a stream's reader may hold an event up."""
    unread_max: Positive = 64
    """Streams of one identity that were ended for that, and whose reader is still connected."""
    delta_coalesce_ms: Annotated[int, Field(ge=0, le=20)] = 20
    """How long text is gathered into one event, 0 to 20."""

    @model_validator(mode="after")
    def _least_is_least(self) -> PipelineSettings:
        if self.least_output_cap > self.default_output_cap:
            raise refusal("least_output_cap is above default_output_cap", "lower it")
        return self


class ProviderSettings(Section):
    """One provider of the catalogue."""

    base_url: str | None = None
    """In place of the catalogue's."""
    api_key: SecretStr | None = None
    """Better in the environment than in a file."""
    proxy: SecretStr | None = None
    """An HTTP proxy to reach it through, as http://host:port. The environment's are not used."""
    ca_file: Path | None = None
    """Certificates (PEM) that vouch for it, in place of the machine's own."""
    limit: Positive | None = None
    """Calls in any window, in place of `limits.provider_limit`."""
    connect_timeout_ms: TimeoutMs | None = None
    """How long a connection may take, in place of the catalogue's."""
    first_event_timeout_ms: TimeoutMs | None = None
    """How long an answer may take to begin, in place of the catalogue's."""
    between_events_timeout_ms: TimeoutMs | None = None
    """How long an answer that has begun may say nothing, in place of the catalogue's."""


class InstanceSettings(ProviderSettings):
    """One of several instances of a provider: a deployment, a key of a pool, a region."""

    record: str
    """The provider of the catalogue that it is an instance of."""
    region: Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]{0,31})?$")] = ""
    """Where it runs; its models count as running there alone."""
    models: tuple[str, ...] = ()
    """The models that it serves; none named: all of its record."""


class ProvidersSettings(Section):
    """Which providers are called."""

    catalog_dir: Path | None = None
    """Records (TOML) laid over the shipped ones, by name; an operator's prices stand there."""
    enabled: tuple[str, ...] = ()
    """Names from the catalogue."""
    settings: dict[str, ProviderSettings] = Field(default_factory=dict)
    """By name: key, address, limit, time-outs."""
    instances: dict[str, InstanceSettings] = Field(default_factory=dict)
    """By a name of their own: further instances of providers, enabled by standing here."""

    @property
    def called(self) -> Mapping[str, ProviderSettings]:
        """Every provider and instance that is called, by name."""
        plain = {name: self.settings.get(name, ProviderSettings()) for name in self.enabled}
        return {**plain, **self.instances}

    @model_validator(mode="after")
    def _settings_are_used(self) -> ProvidersSettings:
        for name in self.settings:
            if name not in self.enabled:
                raise refusal(
                    f"provider {name!r} has settings but is not enabled",
                    f"add it to providers.enabled{did_you_mean(name, self.enabled)}",
                )
        return self


class PolicySettings(Section):
    """Which policies hold beside the shipped ones."""

    operator_dir: Path | None = None
    """Cedar files that may only forbid or demand a checkpoint."""


class ToolSettings(Section):
    """What the operator says of one tool. It holds whatever a request says that is laxer."""

    effect: Literal["read", "write", "delete", "send", "transfer", "payment"]
    """What calling it does."""
    parameters: Annotated[str, Field(alias="schema", max_length=65_536)] = ""
    """A JSON schema of an object that calls have to satisfy besides the request's own."""
    audience: Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f]*$")] = ""
    """Who executes it: the `aud` of its releases; empty: the tool's own name."""


class ToolsSettings(Section):
    """Calls that models propose, and what releases them."""

    named: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")], ToolSettings] = Field(
        default_factory=dict
    )
    """By the tool's name."""
    unlisted: Literal["checkpoint", "allow", "deny"] = "checkpoint"
    """Calls of tools that are not named: a person looks, policies alone, or none passes."""
    release_key_file: Path | None = None
    """Ed25519 keys that releases are signed with: the first signs. Without it none is released."""
    release_issuer: Annotated[str, Field(min_length=1, max_length=256)] = "chenu"
    """The `iss` of releases."""


class LedgerSettings(Section):
    """How the ledger names itself."""

    origin: Annotated[str, Field(max_length=256)] = ""
    """The origin of a new ledger; empty makes one up. An existing ledger keeps its own."""
    number: NotNegative = 0
    """The number of this database's ledger; the same for all its servers."""


class OwnerSettings(Section):
    """How this process shows that it lives."""

    lease_s: Positive = 15
    """After so long without renewal its work may be taken over."""
    renew_s: Positive = 5
    """How often it renews."""

    @model_validator(mode="after")
    def _renewed_in_time(self) -> OwnerSettings:
        if self.renew_s * 2 > self.lease_s:
            raise refusal(
                "one lost renewal would end the lease", "make renew_s at most half of lease_s"
            )
        return self


class LogSettings(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe that is written."""
    json_lines: Annotated[bool | None, Field(alias="json")] = None
    """JSON lines; unset: everywhere but on a terminal."""


class Settings(pydantic_settings.BaseSettings):
    """Everything that can be set."""

    model_config = pydantic_settings.SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__"
    )

    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    writer: WriterSettings = WriterSettings()
    identity: IdentitySettings = IdentitySettings()
    limits: LimitSettings = LimitSettings()
    budgets: BudgetSettings = BudgetSettings()
    checkpoints: CheckpointSettings = CheckpointSettings()
    pipeline: PipelineSettings = PipelineSettings()
    providers: ProvidersSettings = ProvidersSettings()
    routing: RoutingSettings = RoutingSettings()
    agents: AgentsSettings = AgentsSettings()
    policies: PolicySettings = PolicySettings()
    tools: ToolsSettings = ToolsSettings()
    ledger: LedgerSettings = LedgerSettings()
    owners: OwnerSettings = OwnerSettings()
    log: LogSettings = LogSettings()
    failpoints: Annotated[str, AfterValidator(checked)] = ""

    @classmethod
    def settings_customise_sources(cls, *args: Any, **sources: Any) -> tuple[Any, ...]:
        """Only what `load_settings` has merged; it knows where each value came from."""
        return (sources["init_settings"],)

    @model_validator(mode="after")
    def _development_stays_at_home(self) -> Settings:
        strict = not self.server.insecure_dev
        if strict and self.failpoints:
            raise refusal("failpoints make a server fail on purpose", "set server.insecure_dev")
        # A local key signs for anybody: whoever can reach the port and the file is any person at
        # all.
        if strict and not self.server.is_loopback:
            raise refusal(
                "local_hs256 issuers are for development, and others can reach server.listen",
                "listen on 127.0.0.1, or pass --insecure-dev if you know that you want this",
            )
        return self

    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for the log to leave out."""
        each_called = self.providers.called.values()
        keys = [key for each in each_called for key in (each.api_key, each.proxy)]
        found = [key.get_secret_value() for key in keys if key is not None]
        # The URL is no secret as a whole, and may hold one.
        return (*found, *(it for _, it in PASSWORD.findall(self.database.url)))
