"""A provider names its models as it likes, and is asked for them by these very names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chenu_server.engine import Prompt
from chenu_server.pipeline.conversation import asked
from chenu_server.providers.catalog import Catalogue, load_catalogue
from chenu_server.providers.catalog_schema import CatalogueError
from chenu_server.providers.model import ChatRequest
from chenu_server.providers.registry import ProviderRegistry, ProviderSettings
from chenu_server.upstream import FakeUpstream

NAMES = (
    "accounts/fireworks/models/x",
    "anthropic.claude-3:0",
    "@cf/meta/llama-4",
    "~latest",
    "(beta) big model",
    'a "quoted" \\ one',
    "modèle-été",
    "模型/7",
    "m" * 128,
)
RECORD = """
title = "Own"
wire = "{wire}"
base_url = "http://10.0.0.7:8000"
auth = "none"
tier = "local"
[models.{name}]
context_tokens = 8192
output_tokens_max = 1024
capabilities = ["text"]
quality = 50
speed = 20
tier = "local"
regions = ["local"]
price = {{ input = 1, output = 2 }}
"""


def catalogue_with(folder: Path, name: str, wire: str = "openai_chat") -> Catalogue:
    """A catalogue with one model of this name."""
    text = RECORD.format(wire=wire, name=json.dumps(name, ensure_ascii=False))
    (folder / "own.toml").write_text(text, encoding="utf-8")
    return load_catalogue(folder)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("wire", "path"), [("openai_chat", "/v1"), ("anthropic_messages", "")])
async def test_a_model_is_called_by_its_providers_own_name(
    tmp_path: Path, name: str, wire: str, path: str
) -> None:
    """Slashes, colons, spaces and other scripts arrive as the catalogue has them."""
    catalogue = catalogue_with(tmp_path, name, wire)
    async with FakeUpstream(catalogue) as upstream:
        settings = ProviderSettings(base_url=f"{upstream.base_url}/own{path}")
        registry = ProviderRegistry(catalogue, {"own": settings})
        prompt = Prompt(asked("Hello").messages)
        request = ChatRequest(model=name, prompt=prompt, output_cap=9)
        provider = registry.providers["own"]
        async for _ in provider.stream(request, timeout_s=20, on_dispatch=lambda _: None):
            pass
        await registry.close()
        (body,) = upstream.bodies

    assert name == catalogue.model("own", name).name == json.loads(body)["model"]
    assert len(body) <= prompt.size(wire) + len(json.dumps(name, ensure_ascii=False).encode())


@pytest.mark.parametrize("name", ["", " ", " m", "m ", "a\nb", "a\x00b", "a\u202eb", "m" * 129])
def test_a_name_that_nobody_can_read_is_refused(tmp_path: Path, name: str) -> None:
    """It stands in logs, in lists and in the ledger; the message names file and provider."""
    with pytest.raises(CatalogueError, match=r"own\.toml: provider 'own'.* printable") as caught:
        catalogue_with(tmp_path, name)

    assert "\n" not in str(caught.value)
