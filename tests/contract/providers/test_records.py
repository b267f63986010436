"""Each shipped record is called as its provider wants it, and its answer is read as it is sent."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from chenu_server.engine import Prompt
from chenu_server.pipeline.conversation import ChatMessage, asked, text_part
from chenu_server.providers.catalog import Catalogue, load_catalogue
from chenu_server.providers.model import (
    Billing,
    ChatRequest,
    Finished,
    PartDelta,
    ProviderFailure,
)
from chenu_server.providers.registry import ProviderRegistry, ProviderSettings
from chenu_server.upstream import FakeUpstream
from chenu_server.upstream.http import Request
from chenu_server.vocabulary import MessageRole
from tests.contract.providers.answers import ANSWERS, DONE, HELLO, ROLE, TEXT, chunk
from tests.contract.providers.refusals import REFUSALS
from tests.contract.providers.rich import BODIES, RICH_CAP, rich_requests
from tests.contract.providers.wires import KEY, WIRES

CAP = 64


class Site:
    """The shipped catalogue, and an upstream that plays all of it under its own paths."""

    def __init__(self, catalogue: Catalogue, upstream: FakeUpstream) -> None:
        self._catalogue = catalogue
        self.upstream = upstream

    def address(self, provider: str) -> str:
        """The record's own base URL, but for the host."""
        record = self._catalogue.provider(provider)
        path = urlsplit(record.base_url or record.base_url_example).path
        return f"{self.upstream.base_url}/{provider}{path}"

    async def ask(
        self, provider: str, model: str, *, key: str | None = KEY
    ) -> tuple[str, Finished]:
        """One call: its text and how it ended."""
        request = ChatRequest(
            model=model,
            prompt=Prompt(
                (
                    ChatMessage(MessageRole.SYSTEM, (text_part("Be brief."),)),
                    *asked("Hello").messages,
                )
            ),
            output_cap=CAP,
        )
        return await self.send(provider, request, key=key)

    async def send(
        self, provider: str, request: ChatRequest, *, key: str | None = KEY
    ) -> tuple[str, Finished]:
        """One call of this request."""
        settings = ProviderSettings(api_key=key, base_url=self.address(provider))
        registry = ProviderRegistry(self._catalogue, {provider: settings})
        stream = registry.providers[provider].stream(
            request, timeout_s=20, on_dispatch=lambda _: None
        )
        text, ends = "", list[Finished]()
        try:
            async for event in stream:
                if isinstance(event, PartDelta):
                    text += event.text if event.kind == "text" else ""
                else:
                    ends.append(event)
        finally:
            await registry.close()
        (end,) = ends
        return text, end


@contextlib.asynccontextmanager
async def opened(catalogue: Catalogue) -> AsyncIterator[Site]:
    """A site of a catalogue."""
    async with FakeUpstream(catalogue) as upstream:
        yield Site(catalogue, upstream)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """The shipped catalogue's."""
    async with opened(load_catalogue()) as site:
        yield site


def sent(site: Site) -> tuple[Request, dict[str, Any]]:
    """The one call that arrived, and its body."""
    (request,) = site.upstream.requests
    return request, json.loads(request.body)


def test_every_record_is_held_against_its_documentation() -> None:
    """A record that nobody looked up would be called as another one is."""
    names = list(load_catalogue().providers)

    assert names == sorted(WIRES) == sorted(ANSWERS) == sorted(REFUSALS) == sorted(BODIES)


@pytest.mark.parametrize("provider", WIRES)
async def test_a_call_goes_where_and_as_the_documentation_says(site: Site, provider: str) -> None:
    """A wrong path is a 404 for every query, a wrong header a 401, a wrong field a 400."""
    wire = WIRES[provider]

    await site.ask(provider, wire.model)

    request, body = sent(site)
    name, value = wire.key
    caps = {"max_tokens", "max_completion_tokens"} & body.keys()
    assert f"/{provider}{wire.target}" == request.path
    assert value == request.headers.get(name)
    assert not {*wire.other_keys} & request.headers.keys()
    assert ({wire.cap}, CAP, wire.model) == (caps, body[wire.cap], body["model"])
    assert wire.asks_usage == ({"include_usage": True} == body.get("stream_options"))
    assert wire.asks_usage == ("stream_options" in body)


@pytest.mark.parametrize("provider", ANSWERS)
async def test_an_answer_is_read_in_the_shape_that_its_provider_sends(
    site: Site, provider: str
) -> None:
    """Its text and nothing else; its tokens wherever they stand; the reason to stop."""
    told = ANSWERS[provider]
    site.upstream.behave(raw=told.stream)

    text, end = await site.ask(provider, WIRES[provider].model)

    assert (TEXT, told.usage, told.stop_reason) == (text, end.usage, end.stop_reason)


@pytest.mark.parametrize("provider", REFUSALS)
async def test_a_refusal_says_whose_trouble_it_is(site: Site, provider: str) -> None:
    """Who must act, and whether anybody else may be asked: never at the caller's cost."""
    told = REFUSALS[provider]
    site.upstream.behave(status=told.status, raw=told.body, request_id="req-1")

    with pytest.raises(ProviderFailure) as caught:
        await site.ask(provider, WIRES[provider].model)

    failure = caught.value
    found = (failure.kind, failure.retry, failure.needs_operator)
    assert (told.kind, told.retry, told.needs_operator) == found
    assert (Billing.FREE, "req-1") == (failure.billing, failure.request_id)


@pytest.mark.parametrize("provider", BODIES)
async def test_a_rich_prompt_is_sent_in_the_words_of_its_provider(
    site: Site, provider: str
) -> None:
    """Turns, tools, samplings and formats, as far as the model takes them; field by field."""
    model = load_catalogue().model(provider, WIRES[provider].model)
    site.upstream.behave(raw=ANSWERS[provider].stream)
    requests = rich_requests(model)

    for request in requests.values():
        await site.send(provider, request)

    bodies = [json.loads(request.body) for request in site.upstream.requests]
    assert BODIES[provider] == dict(zip(requests, bodies, strict=True))
    assert [RICH_CAP] * len(bodies) == [body[WIRES[provider].cap] for body in bodies]


@pytest.mark.parametrize("provider", ["lmstudio", "ollama", "vllm"])
async def test_a_server_of_ones_own_is_called_without_a_key_too(site: Site, provider: str) -> None:
    """An empty header would be refused by some of them."""
    await site.ask(provider, WIRES[provider].model, key=None)

    request, _ = sent(site)
    assert not {"authorization", "api-key", "x-api-key"} & request.headers.keys()


async def test_a_stream_that_tells_nothing_of_its_tokens_is_whole(site: Site) -> None:
    """Cohere refuses to be asked for them: the cost is then the bound, marked estimated."""
    site.upstream.behave(raw=ROLE + HELLO + chunk(reason="stop") + DONE)

    text, end = await site.ask("cohere", WIRES["cohere"].model)

    assert (TEXT, False) == (text, end.usage.exact)


@pytest.mark.parametrize(
    ("provider", "model", "auth", "header"),
    [
        ("openai", "gpt-6-luna", "bearer", ("authorization", f"Bearer {KEY}")),
        ("openai", "gpt-6-luna", "optional", ("authorization", f"Bearer {KEY}")),
        ("openai", "gpt-6-luna", "api-key", ("api-key", KEY)),
        ("openai", "gpt-6-luna", "x-api-key", ("x-api-key", KEY)),
        ("openai", "gpt-6-luna", "none", None),
        ("anthropic", "nova", "bearer", ("authorization", f"Bearer {KEY}")),
        ("anthropic", "nova", "optional", ("authorization", f"Bearer {KEY}")),
        ("anthropic", "nova", "x-api-key", ("x-api-key", KEY)),
        ("anthropic", "nova", "none", None),
    ],
)
async def test_a_key_travels_in_the_one_header_that_the_record_names(
    tmp_path: Path, provider: str, model: str, auth: str, header: tuple[str, str] | None
) -> None:
    """A proxy may want another one; in two headers it would be in two logs."""
    (tmp_path / f"{provider}.toml").write_text(f'auth = "{auth}"\n')
    catalogue = load_catalogue(tmp_path)
    async with opened(catalogue) as site:
        await site.ask(provider, catalogue.model(provider, model).name)

        request, _ = sent(site)

    names = ("authorization", "api-key", "x-api-key")
    found = [(name, request.headers[name]) for name in names if name in request.headers]
    assert found == ([header] if header else [])


async def test_an_error_inside_a_stream_is_a_failure_of_its_own_kind(site: Site) -> None:
    """OpenRouter ends so: an error beside a choice whose reason is `error`, and no terminator."""
    error = {"code": 502, "message": "Provider disconnected unexpectedly"}
    site.upstream.behave(
        raw=": OPENROUTER PROCESSING\n\n" + HELLO + chunk("", reason="error", error=error)
    )

    with pytest.raises(ProviderFailure) as caught:
        await site.ask("openrouter", WIRES["openrouter"].model)

    assert "server_error" == caught.value.kind


async def test_what_an_operators_record_adds_travels_with_each_call(tmp_path: Path) -> None:
    """A dated API of Azure: the deployment in the path, the version in the query."""
    text = 'query = { api-version = "2024-10-21" }\nheaders = { X-Title = "chenu" }\n'
    (tmp_path / "azure.toml").write_text(text)
    async with opened(load_catalogue(tmp_path)) as site:
        await site.ask("azure", "gpt-6-luna")

        request, _ = sent(site)

    assert "/azure/openai/v1/chat/completions?api-version=2024-10-21" == request.path
    assert "chenu" == request.headers["x-title"]


async def test_the_other_wire_carries_them_too(tmp_path: Path) -> None:
    """A proxy before Anthropic may ask for the same."""
    text = 'query = { beta = "true" }\nheaders = { anthropic-beta = "a-2026-01-01" }\n'
    (tmp_path / "anthropic.toml").write_text(text)
    async with opened(load_catalogue(tmp_path)) as site:
        await site.ask("anthropic", "claude-sonnet-5-5")

        request, _ = sent(site)

    assert "/anthropic/v1/messages?beta=true" == request.path
    assert "a-2026-01-01" == request.headers["anthropic-beta"]
