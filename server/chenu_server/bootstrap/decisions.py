"""What every decision is made by, as the configuration says it."""

from __future__ import annotations

import structlog

from chenu_server.config import Settings
from chenu_server.governance.checkpoints.model import Expiries
from chenu_server.governance.identity.model import ClaimNames, Issuer
from chenu_server.governance.identity.tokens import read_key
from chenu_server.governance.limits.model import IdentityLimit, ProviderLimit
from chenu_server.governance.policy.decide import Policies
from chenu_server.governance.tools.model import Configured, Tools
from chenu_server.governance.tools.release_keys import ReleaseKeys
from chenu_server.operations.rules import Rules
from chenu_server.values import dataclass
from chenu_server.vocabulary import CheckpointType, PrincipalType, ToolEffect

_log = structlog.get_logger(__name__)

_SECOND_US = 1_000_000
ANY_ARGUMENTS = '{"type":"object"}'


@dataclass(slots=True)
class Live:
    """The settings that hold now: what a reload may change is looked up here each time."""

    settings: Settings


def rules_of(settings: Settings, policies: Policies, owner_id: str) -> Rules:
    """The rules of this process."""
    expiries = Expiries(
        settings.checkpoints.default_expiry_s * _SECOND_US,
        {
            CheckpointType(kind): expiry_s * _SECOND_US
            for kind, expiry_s in settings.checkpoints.expiry_s.items()
        },
    )
    return Rules(
        policies=policies,
        expiries=expiries,
        four_eyes=frozenset(map(CheckpointType, settings.checkpoints.four_eyes)),
        default_limit=provider_limit(settings, None),
        limits=limits_of(settings),
        ledger_number=settings.ledger.number,
        owner_id=owner_id,
        least_cap=settings.pipeline.least_output_cap,
        budget_required=settings.budgets.required,
        pending_max=settings.limits.pending_max,
        tools=tools_of(settings),
    )


def tools_of(settings: Settings) -> Tools:
    """What the operator says of tools."""
    named = {
        name: Configured(
            effect=ToolEffect(each.effect), schema=each.parameters, audience=each.audience
        )
        for name, each in settings.tools.named.items()
    }
    return Tools(named=named, unlisted=settings.tools.unlisted)


def tool_schemas(settings: Settings) -> list[tuple[str, str]]:
    """The named tools with their schemas, as policies know them."""
    # One without a schema is called with anything: policies name it, and none of its arguments.
    named = settings.tools.named.items()
    return [(name, each.parameters or ANY_ARGUMENTS) for name, each in named]


def release_keys_of(settings: Settings) -> ReleaseKeys | None:
    """
    What releases are signed with; None where nothing is released.

    Raises:
        ReleaseKeyError: The file is missing, open to others, or holds no such key.
    """
    file = settings.tools.release_key_file
    return None if file is None else ReleaseKeys.load(file)


def limits_of(settings: Settings) -> dict[str, ProviderLimit]:
    """How many calls each provider takes."""
    return {name: limit_of(settings, name) for name in settings.providers.called}


def limit_of(settings: Settings, provider: str) -> ProviderLimit:
    """How many calls one provider takes."""
    chosen = settings.providers.called.get(provider)
    return provider_limit(settings, chosen.limit if chosen else None)


def provider_limit(settings: Settings, requests: int | None) -> ProviderLimit:
    """How many calls a provider takes that has this limit, or none of its own."""
    limits = settings.limits
    return ProviderLimit(
        requests=requests or limits.provider_limit,
        window_us=limits.provider_window_s * _SECOND_US,
        guard_us=limits.guard_ms * 1_000,
        dispatch_within_us=limits.dispatch_within_ms * 1_000,
    )


def identity_limit(settings: Settings) -> IdentityLimit:
    """How much an identity may bring."""
    limits = settings.limits
    return IdentityLimit(
        requests=limits.identity_limit,
        window_us=limits.identity_window_s * _SECOND_US,
        burst=limits.identity_burst,
        burst_window_us=limits.identity_burst_window_ms * 1_000,
        block_us=limits.identity_block_s * _SECOND_US,
        calls_per_s=limits.calls_per_s,
        calls_burst=limits.calls_burst,
        keys_max=limits.keys_max,
    )


def log_limits(settings: Settings) -> None:
    """Say by number what is on and what is off."""
    _log.info("limits", **settings.limits.model_dump())


def issuers_of(settings: Settings) -> list[Issuer]:
    """
    Whose tokens are taken.

    Raises:
        KeyFileError: A key file is missing, open to others, or no key.
    """
    return [
        Issuer(
            name=each.name,
            audience=each.audience,
            # Read once, at start: a key that is changed on the disk holds from the next start on.
            key=read_key(each.key_file),
            principal_types=frozenset(PrincipalType(name) for name in each.principal_types),
            claims=ClaimNames(**each.claims.model_dump()),
            leeway_s=each.leeway_s,
        )
        for each in settings.identity.issuers
    ]
