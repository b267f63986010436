"""What can be changed while a server serves: providers, their catalogue, operators' policies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from chenu_server.bootstrap.decisions import Live, rules_of, tool_schemas
from chenu_server.bootstrap.routes import Plan, Routes, plan_of, price_again, registry_of
from chenu_server.config import ConfigError, Settings
from chenu_server.errors import ChenuError
from chenu_server.governance.policy.decide import Policies
from chenu_server.governance.policy.load import load_policies
from chenu_server.infra import telemetry
from chenu_server.operations.governance import WriterGovernance
from chenu_server.pipeline.waiting import ProviderQueue
from chenu_server.providers.catalog_schema import CatalogueError
from chenu_server.providers.registry import ProviderRegistry
from chenu_server.values import dataclass, field

_log = structlog.get_logger(__name__)

LEFT_MAX: Final = 8
"""How many earlier sets of providers may have calls under way; the next reload waits for one."""

RELOADED: Final = ("providers", "policies", "checkpoints", "tools")
"""The sections that are read again; the others hold until the next start."""

SIGNING: Final = ("release_key_file", "release_issuer")
"""What of the tools holds until the next start: who has its keys verifies by them until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What a configuration comes to, before anything of it holds."""

    settings: Settings
    plan: Plan
    policies: Policies
    kept: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Reload:
    """Puts another configuration in the place of the one that holds: whole, or not at all."""

    live: Live
    routes: Routes
    queues: MutableMapping[str, ProviderQueue]
    new_queue: Callable[[str], ProviderQueue]
    governance: WriterGovernance
    runs_so_far_end: Callable[[], Awaitable[None]]
    owner_id: str
    _retiring: set[asyncio.Task[None]] = field(default_factory=set)
    _to_let_go: set[str] = field(default_factory=set)

    async def run(self, load: Callable[[], Settings]) -> bool:
        """Whether what `load` gives holds now; if not, the log has one line that says why."""
        # Each set has its sessions and connections open: reloads that come faster than runs end
        # would pile them up.
        while len(self._retiring) >= LEFT_MAX:
            await asyncio.wait(self._retiring, return_when=asyncio.FIRST_COMPLETED)
        try:
            read = await asyncio.to_thread(self._read, load)
            before = self.routes.registry
            registry = registry_of(read.settings, read.plan, before=before)
            try:
                await registry.prepare()
            except BaseException:
                # Sessions that it shares with the one in use are not its own to close.
                await registry.close(keep=(before,))
                raise
        except (ConfigError, CatalogueError, ValueError, OSError) as error:
            _log.error("reload_refused", error=str(error), do="correct it and send SIGHUP again")
            return False
        except Exception:  # noqa: BLE001 - a bug here must not end a server that serves
            _log.exception("reload_refused")
            return False
        self._use(read, registry)
        if not read.plan.is_of_today:  # midnight came while it was read
            await price_again(self.routes)
        await self._let_go(registry.other_than(before))
        return True

    async def close(self) -> None:
        """Wait for nobody: the server ends."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)

    def _read(self, load: Callable[[], Settings]) -> _Read:
        """Read all that may be wrong. In a thread: prices alone take the time of many calls."""
        asked, now = load(), self.live.settings
        names = type(now).model_fields
        kept = [
            name
            for name in names
            if name not in RELOADED and getattr(asked, name) != getattr(now, name)
        ]
        # Of the rest what holds now is kept, so that nothing looks changed which is not.
        again = {name: getattr(asked, name) for name in RELOADED}
        signing = {name: getattr(now.tools, name) for name in SIGNING}
        again["tools"] = asked.tools.model_copy(update=signing)
        if again["tools"] != asked.tools:
            kept.append("tools")
        settings = now.model_copy(update=again)
        return _Read(
            settings=settings,
            plan=plan_of(settings),
            policies=load_policies(settings.policies.operator_dir, tools=tool_schemas(settings)),
            kept=tuple(kept),
        )

    def _use(self, read: _Read, registry: ProviderRegistry) -> None:
        """All at once: between two steps of the event loop nobody sees half of it."""
        # Before anything is called with the new keys: the first error may quote one.
        telemetry.learn(read.settings.secrets())
        self.live.settings = read.settings
        left = self.routes.use(read.plan, registry)
        for name in registry.providers:
            if name not in self.queues:
                self.queues[name] = self.new_queue(name)
        self.governance.use(rules_of(read.settings, read.policies, self.owner_id))
        if read.kept:
            _log.warning("restart_needed", sections=list(read.kept))
        _log.info("reloaded", providers=sorted(registry.providers))
        task = asyncio.create_task(self._retire(left), name="retire")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _let_go(self, others: Iterable[str]) -> None:
        """Whoever said when to come back, it was not the ones that have these names now."""
        self._to_let_go.update(others)
        for name in sorted(self._to_let_go):
            try:
                await self.governance.let_go(name)
                # Only once it is recorded: what failed is tried again by the next reload, also if
                # that changes nothing.
                self._to_let_go.discard(name)
            except ChenuError as error:
                what = {"provider": name, "error": str(error), "do": "send SIGHUP again"}
                _log.warning("may_be_held_back", **what)

    async def _retire(self, left: ProviderRegistry) -> None:
        """What was routed before the reload ends on the providers and queues that it began on."""
        await self.runs_so_far_end()
        for name in await self.routes.forget(left):
            self.queues.pop(name, None)


@asynccontextmanager
async def reloaded_when(
    told: asyncio.Event, reload: Reload, load: Callable[[], Settings]
) -> AsyncIterator[None]:
    """Reload each time that it is told, until the block ends; told twice at once is once."""

    async def watch() -> None:
        while True:
            await told.wait()
            # Before it runs: a signal that comes meanwhile asks for another one.
            told.clear()
            await reload.run(load)

    task = asyncio.create_task(watch(), name="reload")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
