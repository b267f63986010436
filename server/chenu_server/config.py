"""Configuration: frozen models, built once at start from TOML, the environment and flags.

Later wins: defaults, then the file, then `CHENU_...` variables (`CHENU_SERVER__LISTEN` is
`server.listen`), then overrides. The only module that reads the environment.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import pydantic_settings
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from chenu_server.failpoints import checked

PREFIX: Final = "CHENU_"
FILE_VARIABLE: Final = "CHENU_CONFIG"
FILE_DEFAULT: Final = Path("chenu.toml")
LEEWAY_MAX_S: Final = 60

_HOST_PORT: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})")
_DATABASE: Final = r"^(sqlite:///[^:?].*|postgresql(\+psycopg)?://.+)$"
_WHY: Final = {"extra_forbidden": "there is no such key", "string_pattern_mismatch": "wrong form"}
_PASSWORD: Final = re.compile(r"(//[^/:@]*:)([^@]*)@")

# Seconds of 68 years: as microseconds they still fit the int64 of the engine and of the columns.
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
NotNegative = Annotated[int, Field(ge=0, le=2**31 - 1)]
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


def _refusal(why: str, do: str) -> PydanticCustomError:
    return PydanticCustomError("chenu", "{why}", {"why": why, "do": do})


def _host_port(value: str) -> str:
    match = _HOST_PORT.fullmatch(value)
    if match is None or int(match[2]) > 65_535:
        raise _refusal("it is not host:port", "write it like 127.0.0.1:50051; port 0 takes any")
    return value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ServerSettings(_Section):
    """Where and how the server listens."""

    listen: Annotated[str, AfterValidator(_host_port)] = "127.0.0.1:50051"
    """host:port of the gRPC server; port 0 takes a free one."""
    insecure_dev: bool = False
    """Allow local HS256 tokens off loopback, and failpoints. Never in production."""
    drain_grace_s: NotNegative = 20
    """How long calls may finish after SIGTERM before they are cut."""
    max_connection_age_s: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """When connections are asked to reconnect, so that load spreads over replicas."""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        host = self.listen.rpartition(":")[0].strip("[]")
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


class DatabaseSettings(_Section):
    """Where decisions are recorded."""

    url: Annotated[str, Field(repr=False, pattern=_DATABASE)] = "sqlite:///var/chenu.db"
    """sqlite:///path or postgresql+psycopg://user:password@host/database."""
    reader_threads: Positive = 4
    """Connections that read."""


class WriterSettings(_Section):
    """How decisions are committed in groups."""

    queue_max: Positive = 4_096
    """Decisions that may wait; more are refused with SERVER_OVERLOADED."""
    batch_max: Annotated[int, Field(ge=1, le=128)] = 128
    """Decisions in one transaction."""
    note_delay_ms: Positive = 100
    """How long a write that nobody waits for may wait."""


class ClaimSettings(_Section):
    """Names of the claims for type, identities with roles, who acts (RFC 8693), sign-in."""

    principal_type: str = "chenu_type"
    identities: str = "chenu_identities"
    actor: str = "act"
    methods: str = "amr"


class IssuerSettings(_Section):
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


class IdentitySettings(_Section):
    """Who may say who calls."""

    issuers: Annotated[tuple[IssuerSettings, ...], Field(min_length=1)] = (LOCAL_ISSUER,)
    """Issuers by name."""

    @model_validator(mode="after")
    def _names_differ(self) -> IdentitySettings:
        if len({issuer.name for issuer in self.issuers}) < len(self.issuers):
            raise _refusal("two issuers have the same name", "name each as its `iss` claim does")
        return self


class LimitSettings(_Section):
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


class BudgetSettings(_Section):
    """Whether queries need a budget."""

    required: bool = True
    """Refuse a query to which no budget applies."""


class CheckpointSettings(_Section):
    """How long a person has to decide."""

    default_expiry_s: CheckpointExpiry = 1_800
    """For every type without its own."""
    expiry_s: dict[CheckpointTypeName, CheckpointExpiry] = Field(default_factory=dict)
    """By type of checkpoint, 60 to 86400."""


class PipelineSettings(_Section):
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
    delta_coalesce_ms: NotNegative = 20
    """How long text is gathered into one event."""

    @model_validator(mode="after")
    def _least_is_least(self) -> PipelineSettings:
        if self.least_output_cap > self.default_output_cap:
            raise _refusal(
                "least_output_cap is above default_output_cap", "lower it or raise the default"
            )
        return self


class ProviderSettings(_Section):
    """One provider of the catalogue."""

    base_url: str | None = None
    """In place of the catalogue's."""
    api_key: SecretStr | None = None
    """Better in the environment than in a file."""
    limit: Positive | None = None
    """Calls in any window, in place of `limits.provider_limit`."""


class ProvidersSettings(_Section):
    """Which providers are called."""

    catalog_dir: Path | None = None
    """Records (TOML) laid over the shipped ones; an operator's prices stand there."""
    enabled: tuple[str, ...] = ()
    """Names from the catalogue."""
    settings: dict[str, ProviderSettings] = Field(default_factory=dict)
    """By name: key, address, limit."""

    @model_validator(mode="after")
    def _settings_are_used(self) -> ProvidersSettings:
        for name in self.settings:
            if name not in self.enabled:
                raise _refusal(
                    f"provider {name!r} has settings but is not enabled",
                    f"add it to providers.enabled{_did_you_mean(name, self.enabled)}",
                )
        return self


class PolicySettings(_Section):
    """Which policies hold beside the shipped ones."""

    operator_dir: Path | None = None
    """Cedar files that may only forbid or demand a checkpoint."""


class LedgerSettings(_Section):
    """How the ledger names itself."""

    origin: Annotated[str, Field(max_length=256)] = ""
    """The origin of a new ledger; empty makes one up. An existing ledger keeps its own."""
    number: NotNegative = 0
    """Which ledger of the database this server writes."""


class OwnerSettings(_Section):
    """How this process shows that it lives."""

    lease_s: Positive = 15
    """After so long without renewal its work may be taken over."""
    renew_s: Positive = 5
    """How often it renews."""

    @model_validator(mode="after")
    def _renewed_in_time(self) -> OwnerSettings:
        if self.renew_s * 2 > self.lease_s:
            raise _refusal(
                "one lost renewal would end the lease", "make renew_s at most half of lease_s"
            )
        return self


class LogSettings(_Section):
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
    policies: PolicySettings = PolicySettings()
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
        if self.server.insecure_dev:
            return self
        if self.failpoints:
            raise _refusal("failpoints make a server fail on purpose", "set server.insecure_dev")
        if not self.server.is_loopback:
            raise _refusal(
                "local_hs256 issuers are for development, and others can reach server.listen",
                "listen on 127.0.0.1, or pass --insecure-dev if you know that you want this",
            )
        return self

    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for the log to leave out."""
        keys = (each.api_key for each in self.providers.settings.values())
        found = [key.get_secret_value() for key in keys if key is not None]
        return (*found, *(it for _, it in _PASSWORD.findall(self.database.url)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One reason why a configuration is not accepted."""

    key: str
    source: str
    why: str
    do: str


class ConfigError(Exception):
    """The configuration is not accepted; `explain` says why in full."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(explain(self.problems))


def load_settings(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings of a file, the environment and overrides by dotted key, in this order.

    Without a path: the file that `CHENU_CONFIG` names, else `chenu.toml` here if there is one.

    Raises:
        ConfigError: Something is not accepted. It names every problem, not only the first.
    """
    layers = [
        _from_file(path),
        ("environment", _from_environment()),
        ("command line", _nested(overrides or {})),
    ]
    merged: dict[str, Any] = {}
    for _, values in layers:
        merged = _laid_over(merged, values)
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise ConfigError(_problems(error, layers)) from error


def explain(problems: Iterable[Problem]) -> str:
    """What is wrong, where, why, and what to do; for a person."""
    return "\n".join(
        f"{problem.key or 'configuration'} is not accepted\n  where: {problem.source}\n"
        f"  why:   {problem.why}\n  do:    {problem.do}"
        for problem in problems
    )


def show(settings: Settings) -> dict[str, Any]:
    """All settings as plain values, without secrets."""
    plain = settings.model_dump(mode="json", by_alias=True)
    plain["database"]["url"] = _PASSWORD.sub(r"\1**********@", settings.database.url)
    return plain


def _from_file(path: Path | None) -> tuple[str, dict[str, Any]]:
    named = path or Path(os.environ.get(FILE_VARIABLE, FILE_DEFAULT))
    if named == FILE_DEFAULT and not named.exists():
        return "defaults", {}
    try:
        named.read_text(encoding="utf-8")
        return str(named), pydantic_settings.TomlConfigSettingsSource(Settings, named)()
    except (OSError, ValueError) as error:  # unreadable, not UTF-8, or not TOML
        problem = Problem(key="", source=str(named), why=str(error), do="correct the file")
        raise ConfigError([problem]) from error


def _from_environment() -> dict[str, Any]:
    """What pydantic-settings reads, and settings of no section, which it would pass over."""
    names = [name for name in os.environ if name.startswith(PREFIX) and "__" in name]
    sections = {name.removeprefix(PREFIX).lower().split("__")[0] for name in names}
    unknown = dict.fromkeys(sections - set(Settings.model_fields))
    try:
        return pydantic_settings.EnvSettingsSource(Settings)() | unknown
    except pydantic_settings.SettingsError as error:
        why, do = f"{error}: {error.__cause__}", "write lists and tables as JSON"
        raise ConfigError([Problem(key="", source="environment", why=why, do=do)]) from error


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for dotted, value in values.items():
        for name in reversed(dotted.split(".")):
            value = {name: value}
        tree = _laid_over(tree, value)
    return tree


def _laid_over(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        if isinstance(below, dict) and isinstance(value, Mapping):
            value = _laid_over(below, value)
        merged[name] = value
    return merged


def _problems(
    error: ValidationError, layers: list[tuple[str, dict[str, Any]]]
) -> Iterator[Problem]:
    for found in error.errors(include_url=False, include_input=False):
        place = found["loc"]
        do = found.get("ctx", {}).get("do") or _advice(found["type"], place)
        source = next((name for name, it in reversed(layers) if _holds(it, place)), layers[0][0])
        why = _WHY.get(found["type"], found["msg"].removeprefix("Value error, "))
        yield Problem(key=".".join(map(str, place)), source=source, why=why, do=do)


def _holds(values: Any, place: tuple[int | str, ...]) -> bool:
    for part in place:
        if not (part in values if isinstance(values, dict) else isinstance(values, list)):
            return False
        values = values[part]
    return True


def _advice(kind: str, place: tuple[int | str, ...]) -> str:
    fields: Mapping[str, Any] = Settings.model_fields
    known, field = fields, None
    for part in place:
        if isinstance(part, str) and fields:
            known, field = fields, fields.get(part)
            fields = getattr(_section_in(field and field.annotation), "model_fields", {})
    if kind == "extra_forbidden":
        return f"remove it{_did_you_mean(str(place[-1]), known)}"
    meaning = field.description if field is not None else None
    return f"give it a value that fits: {meaning}" if meaning else "correct the value"


def _section_in(annotation: Any) -> Any:
    """The section that a field's type is, or holds."""
    if isinstance(annotation, type) and issubclass(annotation, _Section):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
