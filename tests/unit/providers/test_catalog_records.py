"""The shipped records: eighteen providers, and no number without a witness."""

from __future__ import annotations

import datetime
import re
import tomllib
from importlib import resources
from typing import Any

import pytest

from chenu_server.providers.catalog import load_catalogue
from chenu_server.providers.model import ModelRecord
from chenu_server.providers.prices import resolve_prices

NAMES = (
    "anthropic",
    "azure",
    "cerebras",
    "cohere",
    "deepseek",
    "fireworks",
    "google",
    "groq",
    "lmstudio",
    "meta",
    "mistral",
    "ollama",
    "openai",
    "openrouter",
    "perplexity",
    "together",
    "vllm",
    "xai",
)
# What keeps a model from being called until an operator's file says more.
INCOMPLETE = {"meta/muse-wonder-1.0", "together/moonshotai/Kimi-K3"}
UNPRICED = {"perplexity/sonar", "perplexity/sonar-pro", "perplexity/sonar-reasoning-pro"}
# The numbers and the rules of a model; `quality` and `speed` are judgement and say so.
WITNESSED = {"context_tokens", "output_tokens_max", "price", "refuses"}
# `what is witnessed: where (a remark)`
SOURCE = re.compile(r"([a-z][a-z_, ]*: )?(https://\S+|genai-prices \d+\.\d+\.\d+)( \(.+\))?")


def tables() -> dict[str, dict[str, Any]]:
    """Every shipped file as it is written."""
    folder = resources.files("chenu_server.providers").joinpath("catalog")
    return {
        file.name.removesuffix(".toml"): tomllib.loads(file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }


TABLES = tables()
LIVE = {
    f"{provider}/{name}": fields
    for provider, table in TABLES.items()
    for name, fields in table["models"].items()
    if not fields.get("retired")
}


def witnessed(table: dict[str, Any]) -> bool:
    """Whether a table says where it was read and when."""
    source, checked = table.get("source", []), table.get("checked")
    return (
        bool(source)
        and all(SOURCE.fullmatch(each) for each in source)
        and type(checked) is datetime.date
    )


def models() -> dict[str, ModelRecord]:
    """Every model that is not retired, as it is priced today."""
    catalogue = resolve_prices(load_catalogue(), datetime.date(2026, 11, 29))
    return {
        f"{record.name}/{model.name}": model
        for record in catalogue.providers.values()
        for model in record.models
    }


def test_the_shipped_records_are_these() -> None:
    """A file that does not travel with the package would be missed only in production."""
    assert list(NAMES) == list(load_catalogue().providers)


@pytest.mark.parametrize("model", LIVE)
def test_no_number_of_a_model_stands_without_its_source_and_date(model: str) -> None:
    """A guess that looks like a fact is the dearest kind: it becomes a limit, or a bill."""
    fields = LIVE[model]

    assert not WITNESSED & fields.keys() or witnessed(fields)


def test_no_rule_for_files_stands_without_its_source_and_date() -> None:
    """A wrong rule bounds a cost too low."""
    rules = [
        fields[kind]
        for fields in LIVE.values()
        for kind in ("images", "documents")
        if kind in fields
    ]

    assert rules
    assert all(map(witnessed, rules))


@pytest.mark.parametrize("provider", NAMES)
def test_no_rule_of_a_provider_stands_without_its_source_and_date(provider: str) -> None:
    """How it wants to be called is read in its documentation, and may be read again."""
    assert witnessed(TABLES[provider])


def test_a_bare_number_would_be_seen() -> None:
    """The check above is one that can fail."""
    bare: dict[str, Any] = {"context_tokens": 1, "quality": 1}
    told = {"source": ["limits: https://a.b/c"], "checked": datetime.date(2026, 11, 29)}

    assert witnessed(bare | told)
    assert not witnessed(bare)
    assert not witnessed(bare | told | {"checked": None})
    assert not witnessed(bare | told | {"source": []})
    assert not witnessed(bare | told | {"source": ["somewhere"]})


def test_what_is_not_known_is_named() -> None:
    """Every other model can be routed to as it is shipped."""
    found = models()

    assert INCOMPLETE == {name for name, model in found.items() if not model.is_complete}
    assert UNPRICED == {name for name, model in found.items() if model.rates is None}


def test_the_catalogue_is_of_the_size_that_a_router_meets() -> None:
    """Two models at least of each provider, and more of most."""
    catalogue = load_catalogue()

    assert 50 <= len(LIVE)
    assert [] == [name for name in NAMES if len(catalogue.provider(name).models) < 2]


def test_every_call_streams() -> None:
    """The gateway asks for nothing else, so a model that cannot is none."""
    assert [] == [name for name, model in models().items() if "streaming" not in model.capabilities]


def test_only_what_runs_on_ones_own_machine_is_free() -> None:
    """A price of nothing is a price, and a mistake in it would never be seen in a bill."""
    free = {name.partition("/")[0] for name, model in models().items() if _is_free(model)}

    assert {"lmstudio", "ollama", "vllm"} == free


def test_a_record_names_the_address_or_shows_how_it_looks() -> None:
    """Two of them have no address that is everybody's."""
    records = load_catalogue().providers.values()

    assert ["azure", "vllm"] == [each.name for each in records if not each.base_url]
    assert all(each.base_url or each.base_url_example for each in records)


def test_a_key_travels_only_encrypted_or_within_the_machine() -> None:
    """Whoever configures nothing else must not send one in the clear."""
    records = load_catalogue().providers.values()
    open_ones = [each for each in records if each.base_url.startswith("http://")]

    assert ["lmstudio", "ollama"] == [each.name for each in open_ones]
    assert {"http://127.0.0.1"} == {each.base_url.rpartition(":")[0] for each in open_ones}


def _is_free(model: ModelRecord) -> bool:
    return model.rates is not None and 0 == model.rates.output
