"""The catalogue says what it must, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chenu_server.providers.catalog import Catalogue, load_catalogue
from chenu_server.providers.catalog_schema import CatalogueError

OWN = """
title = "Own"
wire = "openai_chat"
base_url = "http://10.0.0.7:8000/v1"
auth = "none"
tier = "local"
[models."m:1"]
context_tokens = 8192
output_tokens_max = 1024
capabilities = ["text"]
quality = 50
speed = 20
tier = "local"
regions = ["local"]
price = { input = 1, output = 2 }
"""


def loaded(directory: Path, **files: str) -> Catalogue:
    """The catalogue under a directory with these files."""
    for name, text in files.items():
        (directory / f"{name}.toml").write_text(text)
    return load_catalogue(directory)


def test_the_shipped_records_are_these() -> None:
    """A file that does not travel with the package would be missed only in production."""
    catalogue = load_catalogue()

    expected = ["anthropic", "google", "groq", "mistral", "ollama", "openai"]
    assert expected == list(catalogue.providers)


def test_every_shipped_model_has_a_price() -> None:
    """A model without one is refused with PRICE_UNKNOWN."""
    models = [m for p in load_catalogue().providers.values() for m in p.models]

    assert [] == [model.name for model in models if model.rates is None]


def test_nova_is_a_current_sonnet() -> None:
    """Nova speaks only through Claude, by an alias and not by a date."""
    nova = load_catalogue().model("anthropic", "nova")

    assert nova.name.startswith("claude-sonnet-")
    assert nova.rates is not None


def test_naming_a_retired_model_is_a_clear_error() -> None:
    """It fails at start and names what to write instead, not at the first query."""
    with pytest.raises(CatalogueError, match=r"has retired .*claude-sonnet-5-5"):
        load_catalogue().model("anthropic", "claude-sonnet-4-20250514")


def test_an_unknown_name_brings_a_suggestion() -> None:
    """A message says what to do next."""
    catalogue = load_catalogue()

    with pytest.raises(CatalogueError, match="did you mean 'mistral'"):
        catalogue.provider("mistrall")
    with pytest.raises(CatalogueError, match="did you mean 'gpt-6-luna'"):
        catalogue.model("openai", "gpt-6-lunar")


def test_an_operator_may_add_a_provider(tmp_path: Path) -> None:
    """A provider is data, not code."""
    model = loaded(tmp_path, own=OWN).model("own", "m:1")

    assert model.rates is not None
    assert ("own", 1, 2, 1, "operator") == (
        model.provider,
        model.rates.input,
        model.rates.output,
        model.rates.cache_read,
        model.rates.source,
    )


def test_an_operators_file_changes_only_what_it_names(tmp_path: Path) -> None:
    """A price or an address is changed without repeating the record."""
    text = 'base_url = "http://proxy/v1"\n[models.gpt-6-luna]\nquality = 1\n'

    before = load_catalogue().model("openai", "gpt-6-luna")
    catalogue = loaded(tmp_path, openai=text)
    after = catalogue.model("openai", "gpt-6-luna")

    assert "http://proxy/v1" == catalogue.provider("openai").base_url
    assert (1, before.speed, before.rates) == (after.quality, after.speed, after.rates)
    assert 3 == len(catalogue.provider("openai").models)


def test_an_operator_may_retire_a_model(tmp_path: Path) -> None:
    """A model goes out of use before a release says so."""
    catalogue = loaded(tmp_path, openai='[models."gpt-6-luna"]\nretired = true\n')

    with pytest.raises(CatalogueError, match="has retired"):
        catalogue.model("openai", "gpt-6-luna")


@pytest.mark.parametrize(
    ("find", "put", "says"),
    [
        ('tier = "local"\n[', 'teir = "local"\n[', "unknown key 'teir', did you mean 'tier'"),
        ("quality = 50", "qualty = 50", "unknown key 'qualty', did you mean 'quality'"),
        ("quality = 50", "", "quality is missing"),
        ("quality = 50", "quality = 101", "quality must be an integer from 0 to 100"),
        ("quality = 50", "quality = 5.0", "quality must be an integer"),
        ("quality = 50", "quality = true", "quality must be an integer"),
        ('["text"]', '["txt"]', "capabilities must be"),
        ('["text"]', "[]", "capabilities must be"),
        ('["text"]', '["text", "text"]', "without repetition"),
        ("1024", "9000", "output_tokens_max is larger"),
        ("openai_chat", "openai", "wire must be one of"),
        ("http://10.0.0.7:8000/v1", "ftp://host", "base_url must begin with http"),
        ("http://10.0.0.7:8000/v1", "http://user:key@host/", "base_url must hold no user"),
        ("http://10.0.0.7:8000/v1", "http://host:65536/v1", "own.toml: provider 'own': base_url"),
        ('models."m:1"', 'models." m:1"', "a model is named by 1 to 128 printable"),
        ("input = 1,", "input = 1.5,", "input must be an integer"),
        ("input = 1,", "input = -1,", "input must be an integer"),
        ("input = 1,", "", "input is missing"),
        ("input = 1,", "input = 1, inptu = 2,", "did you mean 'input'"),
        ("quality = 50", 'aliases = ["m:1"]\nquality = 50', "two models are called"),
        ("title", "title = [", "own.toml"),
    ],
)
def test_a_file_that_says_something_else_is_refused(
    tmp_path: Path, find: str, put: str, says: str
) -> None:
    """A typo in a price or a constraint is a wrong bill or an open door."""
    assert find in OWN

    with pytest.raises(CatalogueError, match=says):
        loaded(tmp_path, own=OWN.replace(find, put, 1))


def test_a_catalogue_directory_must_exist(tmp_path: Path) -> None:
    """A mistyped path would silently bring the shipped prices back."""
    with pytest.raises(CatalogueError, match="does not exist"):
        load_catalogue(tmp_path / "nowhere")


def test_loading_imports_nothing_heavy() -> None:
    """The command line reads the catalogue too, and must stay quick."""
    code = (
        "import sys; from chenu_server.providers.catalog import load_catalogue; load_catalogue();"
        "print([m for m in ('aiohttp', 'anthropic', 'pydantic', 'genai_prices', 'grpc')"
        " if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]\n" == done.stdout
