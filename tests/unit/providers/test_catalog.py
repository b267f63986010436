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


def test_a_record_may_say_how_long_its_provider_may_be_silent(tmp_path: Path) -> None:
    """A provider that loads its models first needs longer than one that always runs."""
    text = (
        "connect_timeout_ms = 1\nfirst_event_timeout_ms = 600000\nbetween_events_timeout_ms = 2\n"
    )
    own = loaded(tmp_path, own=text + OWN).provider("own")

    assert (1, 600_000, 2) == (
        own.connect_timeout_ms,
        own.first_event_timeout_ms,
        own.between_events_timeout_ms,
    )


def test_a_record_may_say_what_its_provider_wants_with_each_call(tmp_path: Path) -> None:
    """An address that needs a version, or a header, is no reason for code."""
    text = 'query = { api-version = "2024-10-21" }\nheaders = { HTTP-Referer = "https://a.b" }\n'
    own = loaded(tmp_path, own=text + OWN).provider("own")

    assert (("api-version", "2024-10-21"),) == own.query
    assert (("HTTP-Referer", "https://a.b"),) == own.headers


def test_what_a_model_refuses_is_told(tmp_path: Path) -> None:
    """So that a request which needs it goes to another model, and not into a refusal."""
    text = OWN.replace("quality = 50", 'refuses = ["stop", "seed"]\nquality = 50')

    assert ("stop", "seed") == loaded(tmp_path, own=text).model("own", "m:1").refuses


@pytest.mark.parametrize("missing", ["context_tokens = 8192\n", "output_tokens_max = 1024\n"])
def test_a_model_of_unknown_limits_is_incomplete_until_they_are_given(
    tmp_path: Path, missing: str
) -> None:
    """It stands in the catalogue, so that its line in the operator's file is all that lacks."""
    before = loaded(tmp_path, own=OWN.replace(missing, "")).model("own", "m:1")
    after = loaded(tmp_path, own=OWN).model("own", "m:1")

    assert (False, True) == (before.is_complete, after.is_complete)


def test_an_operator_may_complete_a_shipped_model(tmp_path: Path) -> None:
    """With one line for what the record does not know."""
    text = '[models."muse-wonder-1.0"]\noutput_tokens_max = 65536\n'

    assert not load_catalogue().model("meta", "muse-wonder-1.0").is_complete
    assert loaded(tmp_path, meta=text).model("meta", "muse-wonder-1.0").is_complete


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
        ("title", "connect_timeout_ms = 0\ntitle", "connect_timeout_ms must be an integer from 1"),
        ("title", "first_event_timeout_ms = 600001\ntitle", "first_event_timeout_ms must be"),
        ("title", "between_events_timeout_ms = 1.5\ntitle", "between_events_timeout_ms must be"),
        ("title", "first_timeout_ms = 1\ntitle", "did you mean 'first_event_timeout_ms'"),
        ("title", "title = [", "own.toml"),
        ("title", 'query = { key = "x" }\ntitle', "query must be a table of visible ASCII"),
        ("title", 'query = { version = "" }\ntitle', "query must be"),
        ("title", "query = { version = 1 }\ntitle", "query must be"),
        ("title", 'query = "a=b"\ntitle', "query must be"),
        ("title", 'headers = { Authorization = "x" }\ntitle', "headers must be"),
        ("title", 'headers = { X-Api-Key = "x" }\ntitle', "no secret"),
        ("title", 'headers = { content-type = "x" }\ntitle', "the wire sends itself"),
        ("title", 'headers = { X-Title = "CHE·NU" }\ntitle', "headers must be"),
        ("title", 'headers = { X-Title = "a\\r\\nb: c" }\ntitle', "headers must be"),
        ("title", 'headers = { "X Title" = "a" }\ntitle', "headers must be"),
        ("title", 'base_url_example = "host"\ntitle', "base_url_example must begin with http"),
        ('base_url = "http://10.0.0.7:8000/v1"', "", "base_url is missing"),
        ('auth = "none"', 'auth = "basic"', "auth must be one of"),
        ("title", "checked = 2026-11-29T00:00:00Z\ntitle", "checked must be a date"),
        ("title", 'checked = "2026-11-29"\ntitle', "checked must be a date"),
        ("title", "source = []\ntitle", "source must be"),
        ("title", 'source = "a"\ntitle', "source must be"),
        ("quality = 50", 'refuses = ["stops"]\nquality = 50', "refuses must be"),
        ("quality = 50", "checked = 2026\nquality = 50", "checked must be a date"),
        ("context_tokens = 8192", "context_tokens = 0", "context_tokens must be an integer"),
    ],
)
def test_a_file_that_says_something_else_is_refused(
    tmp_path: Path, find: str, put: str, says: str
) -> None:
    """A typo in a price or a constraint is a wrong bill or an open door."""
    assert find in OWN

    with pytest.raises(CatalogueError, match=says):
        loaded(tmp_path, own=OWN.replace(find, put, 1))


def test_the_header_of_azure_goes_with_its_own_wire(tmp_path: Path) -> None:
    """The other wire's client would send the key elsewhere."""
    text = OWN.replace("openai_chat", "anthropic_messages").replace('"none"', '"api-key"')
    text = text.replace(":8000/v1", ":8000")

    with pytest.raises(CatalogueError, match="auth api-key goes with wire openai_chat alone"):
        loaded(tmp_path, own=text)


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
