"""SIGHUP to a real server: the file holds from now on, whole or not at all; nothing is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import router_service_pb2 as rb
from chenu.api.pipeline.v1 import routing_pb2
from loadtest.processes import ServerProcess
from tests.crash.scene import QUESTION, Scene
from tests.crash.site import DONE, Callers, Site, outcome_of
from tests.harness import eventually

pytestmark = pytest.mark.crash

PATIENCE_S = 20.0
MODELS = {"groq": "openai/gpt-oss-120b", "mistral": "mistral-medium-3-5", "openai": "gpt-6-luna"}


class Configured:
    """A real server whose providers stand in a file."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.server: ServerProcess
        self.at: Callers

    def write(self, *enabled: str, key: str = "sk-one", **more: str) -> None:
        """Say which providers are called, with which key; `more` are lines for one of them."""
        lines = ["[providers]", f"enabled = {[*enabled]!r}"]
        for name in enabled:
            url = self.site.upstream.provider_url(name)
            lines += [f"[providers.settings.{name}]", f'base_url = "{url}"', f'api_key = "{key}"']
            lines += [more[name]] if name in more else []
        self.file.write_text("\n".join([*lines, more.get("end", "")]))

    @property
    def file(self) -> Path:
        """What `chenu serve` finds where it runs."""
        return self.folder / "chenu.toml"

    async def reload(self, *, says: str = "reloaded") -> None:
        """SIGHUP, and wait for one more line that says how it went."""
        before = self.told(says)
        os.kill(self.server.pid, signal.SIGHUP)
        await asyncio.to_thread(
            self.server.until, lambda: self.told(says) > before or None, says, PATIENCE_S
        )

    def told(self, what: str) -> int:
        """How often the log says so."""
        return self.server.output().count(f'"{what}"')

    async def ask(self, provider: str) -> str:
        """A new question for one provider; what it came to."""
        routing = routing_pb2.RoutingRequest(allowed_providers=[provider])
        request = pb.QueryRequest(request_id=str(uuid4()), text=QUESTION, routing=routing)
        call = self.at.backend.call(self.at.backend.pipeline.Query, request)
        return (await outcome_of(call))[1]

    async def called(self) -> set[str]:
        """The providers and instances that the server says it can call."""
        router = self.at.backend.router
        shown = await self.at.backend.call(router.ListProviders, rb.ListProvidersRequest())
        there = rb.AVAILABILITY_CONFIGURED
        return {each.name for each in shown.providers if each.availability == there}


@asynccontextmanager
async def configured(site: Site, folder: Path) -> AsyncIterator[Configured]:
    """A server on the file of `groq` and `openai`, its identity funded."""
    made = Configured(site, folder)
    made.write("groq", "openai")
    sections: dict[str, dict[str, Any]] = {}
    for name, value in site.settings().items():
        section, _, key = name.partition(".")
        if key and section != "providers":
            sections.setdefault(section, {})[key] = value
    with ServerProcess(folder, sections) as made.server:
        await asyncio.to_thread(made.server.wait_serving)
        async with site.calling(made.server.port) as made.at:
            await made.at.fund()
            yield made


async def more_than(outcomes: list[str], count: int) -> bool:
    """Whether the load goes on."""
    return len(outcomes) > count


async def test_under_load_no_query_is_lost_whatever_is_changed(site: Site, tmp_path: Path) -> None:
    """A provider that goes, comes back, has another key, an instance: each caller is answered."""
    outcomes: list[str] = []
    async with configured(site, tmp_path) as it:
        stopped = asyncio.Event()

        async def caller() -> None:
            while not stopped.is_set():
                outcomes.append(await it.ask("groq"))

        callers = [asyncio.create_task(caller()) for _ in range(6)]
        url = site.upstream.provider_url("groq")
        one = f'[providers.instances.spare]\nrecord = "groq"\nbase_url = "{url}"\napi_key = "sk-3"'
        for enabled, more in (
            (("groq", "openai", "mistral"), {}),
            (("groq",), {"key": "sk-two"}),
            (("groq",), {"groq": "limit = 5000"}),
            (("openai",), {"end": one}),  # the name `groq` now means its instance alone
            (("groq", "openai"), {}),
        ):
            count = len(outcomes)
            it.write(*enabled, **more)
            await it.reload()
            await eventually(partial(more_than, outcomes, count + 20), PATIENCE_S)
        stopped.set()
        await asyncio.gather(*callers)
        health = await it.called()

    keys = {request.headers["authorization"] for request in site.upstream.requests}
    assert {DONE} == set(outcomes)
    assert {"groq", "openai"} == health
    assert {"Bearer sk-one", "Bearer sk-two", "Bearer sk-3"} == keys


async def test_a_new_provider_and_a_new_model_are_routed_to(site: Site, tmp_path: Path) -> None:
    """The reason to reload: and no restart is needed for either."""
    records = tmp_path / "records"
    records.mkdir()
    more = f'catalog_dir = "{records}"'
    async with configured(site, tmp_path) as it:
        before = [await it.ask("mistral"), await it.called()]
        text = it.file.read_text().replace("[providers]", f"[providers]\n{more}", 1)
        name = "gpt-oss-as-we-call-it"
        (records / "groq.toml").write_text(
            f'[models."{name}"]\ncontext_tokens = 9000\noutput_tokens_max = 4000\n'
            'capabilities = ["text"]\nquality = 1\nspeed = 1\ntier = "fast"\nregions = ["us"]\n'
            "price = { input = 1, output = 1 }\n"
        )
        it.file.write_text(text.replace("['groq',", "['groq', 'ollama',"))
        await it.reload()
        router = it.at.backend.router
        wish = routing_pb2.RoutingRequest(preferred_model=name)
        asked = rb.RouteRequest(text=QUESTION, routing=wish)
        decision = (await it.at.backend.call(router.Route, asked)).decision
        after = await it.called()

    assert ["NO_ROUTE", {"groq", "openai"}] == before
    assert ("groq", name) == (decision.provider, decision.model)
    assert {"groq", "ollama", "openai"} == after


async def test_a_running_call_ends_on_the_session_that_it_began_on(
    site: Site, tmp_path: Path
) -> None:
    """Its provider is gone from the file: the answer that is on its way is not."""
    routing = routing_pb2.RoutingRequest(allowed_providers=["groq"])
    scene = Scene(site, QUESTION, routing=routing)
    async with configured(site, tmp_path) as it:
        site.upstream.hold()
        asked = asyncio.create_task(scene.ask(it.at))
        await asyncio.wait_for(site.upstream.until_open(1), PATIENCE_S)
        it.write("openai")
        await it.reload()
        meanwhile = await it.called()
        site.upstream.release()
        answered = await asked
        refused = await it.ask("groq")

    assert (DONE, "NO_ROUTE", {"openai"}) == (answered, refused, meanwhile)
    assert 1 == scene.calls


async def test_who_waits_for_a_slot_waits_on(site: Site, tmp_path: Path) -> None:
    """Queues and slots of a provider that stays are kept: nobody is sent away, nor let past."""
    site.more["limits.provider_window_s"] = 2
    async with configured(site, tmp_path) as it:
        it.write("groq", groq="limit = 1")
        await it.reload()
        first = await it.ask("groq")
        waiting = asyncio.create_task(it.ask("groq"))
        it.write("groq", "openai", groq="limit = 1")
        await it.reload()
        second = await waiting

    times = [arrival.mono_ns for arrival in site.upstream.arrivals]
    assert (DONE, DONE, 2) == (first, second, len(times))
    assert times[1] - times[0] >= 2_000_000_000


@pytest.mark.parametrize(
    "broken",
    [
        "not toml",
        "[providers]\nenabled = ['groq', 'openal']\n",
        "[providers]\nenabled = ['groq']\nsurprise = 1\n",
        "[providers]\nenabled = ['openai']\n",  # its key is missing
        "[providers]\nenabled = []\n[providers.instances.groq]\nrecord = 'groq'\napi_key = 'k'\n",
        "[providers]\nenabled = []\ncatalog_dir = '/nowhere'\n",
        "[policies]\noperator_dir = '/nowhere'\n",
    ],
)
async def test_a_broken_file_changes_nothing_and_is_explained_once(
    site: Site, tmp_path: Path, broken: str
) -> None:
    """Half of a configuration would be one that nobody wrote."""
    async with configured(site, tmp_path) as it:
        before = it.file.read_text()
        it.file.write_text(broken)
        await it.reload(says="reload_refused")
        outcomes = [await it.ask("groq"), await it.ask("openai")]
        it.file.write_text(before)
        await it.reload()

        assert 1 == it.told("reload_refused")
        assert "Traceback" not in it.server.output()
    assert [DONE, DONE] == outcomes


async def test_operators_policies_are_read_again(site: Site, tmp_path: Path) -> None:
    """To close a door must not take a restart."""
    folder = tmp_path / "rules"
    folder.mkdir()
    async with configured(site, tmp_path) as it:
        (folder / "closed.cedar").write_text(
            '@id("closed") forbid (principal, action == Action::"submit", resource);'
        )
        it.write("groq", end=f'[policies]\noperator_dir = "{folder}"\n[budgets]\nrequired = false')
        before = await it.ask("groq")
        await it.reload()
        after = await it.ask("groq")

        assert 1 == it.told("restart_needed")  # of the budgets: to start with is what they are for
    assert (DONE, "POLICY_DENIED") == (before, after)
