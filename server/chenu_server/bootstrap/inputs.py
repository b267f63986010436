"""What a server reads before it touches its database: catalogue, keys, policies, addresses.

`problems_of` goes the same way as a start does, piece by piece, so that `chenu config check`
accepts what `chenu serve` takes and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

from chenu_server.bootstrap.decisions import issuers_of, release_keys_of, tool_schemas
from chenu_server.bootstrap.routes import Routes, open_routes
from chenu_server.config import (
    AgentsSettings,
    DatabaseSettings,
    PolicySettings,
    ProvidersSettings,
    RoutingSettings,
    Settings,
    ToolsSettings,
)
from chenu_server.governance.identity.model import Issuer
from chenu_server.governance.identity.tokens import KeyFileError
from chenu_server.governance.policy.decide import Policies
from chenu_server.governance.policy.load import load_policies
from chenu_server.governance.tools.release_keys import ReleaseKeys
from chenu_server.infra.db.migrate import check_url
from chenu_server.providers.catalog_schema import CatalogueError
from chenu_server.providers.probe import Probed
from chenu_server.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the configuration names outside itself, read and found good."""

    issuers: list[Issuer]
    policies: Policies
    routes: Routes
    release_keys: ReleaseKeys | None


async def open_inputs(settings: Settings, stack: AsyncExitStack) -> Inputs:
    """
    Read what the configuration names, without connecting or writing; closed with the stack.

    Raises:
        CatalogueError: The catalogue does not have a provider, or a key is missing.
        KeyFileError: A key file is missing, open to others, or no key.
        ValueError: A policy file or the database's URL is not accepted.
        OSError: A file cannot be read.
    """
    check_url(settings.database.url)
    return Inputs(
        issuers=issuers_of(settings),
        policies=load_policies(settings.policies.operator_dir, tools=tool_schemas(settings)),
        release_keys=release_keys_of(settings),
        routes=await open_routes(settings, stack),
    )


def problems_of(settings: Settings) -> list[str]:
    """Why a server with these settings would not start, as far as its inputs tell.

    Nothing is connected to, listened on or written. Not for use inside an event loop.
    """
    return asyncio.run(_problems(settings))


def probe(settings: Settings) -> list[Probed]:
    """
    What each provider that is called says when it is asked for its models. Not in an event loop.

    The settings are ones of which `problems_of` finds none.
    """
    return asyncio.run(_probe(settings))


async def _probe(settings: Settings) -> list[Probed]:
    async with AsyncExitStack() as stack:
        routes = await open_routes(settings, stack)
        return await routes.registry.probe(routes.plan.loaded)


async def _problems(settings: Settings) -> list[str]:
    # Each once: the whole, at last, finds again what its parts have found.
    found: dict[str, None] = {}
    for part in _parts(settings):
        try:
            async with AsyncExitStack() as stack:
                await open_inputs(part, stack)
        except (CatalogueError, KeyFileError, ValueError, OSError) as error:
            found[str(error)] = None
    return list(found)


def _parts(settings: Settings) -> Iterator[Settings]:
    """All of it at last; before, one input at a time, for a start stops at its first problem."""
    bare = _with(
        settings,
        database=DatabaseSettings(),
        identity=_with(settings.identity, issuers=()),
        policies=PolicySettings(),
        tools=ToolsSettings(),
        providers=ProvidersSettings(),
        routing=RoutingSettings(),
        agents=AgentsSettings(),
    )
    yield _with(bare, database=settings.database)
    for issuer in settings.identity.issuers:
        yield _with(bare, identity=_with(settings.identity, issuers=(issuer,)))
    # The keys first, alone: a start that fails at a policy says nothing of them.
    yield _with(bare, tools=_with(settings.tools, named={}))
    # Together: a policy about a call names the tool and its arguments.
    yield _with(bare, policies=settings.policies, tools=settings.tools)
    alone = _with(settings.providers, enabled=(), instances={})
    yield _with(bare, providers=alone)
    for name in settings.providers.enabled:
        yield _with(bare, providers=_with(alone, enabled=(name,)))
    for name, instance in settings.providers.instances.items():
        yield _with(bare, providers=_with(alone, instances={name: instance}))
    # Only here do the rules of routes stand beside the providers that they name.
    yield settings


def _with(section: Any, **values: Any) -> Any:
    # Unchecked, as is wanted here: a part alone need be no configuration that could start.
    return section.model_copy(update=values)
