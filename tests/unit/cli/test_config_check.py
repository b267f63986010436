"""`config check` accepts what `serve` starts with, and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from chenu_server.bootstrap import problems_of
from chenu_server.bootstrap.inputs import open_inputs
from chenu_server.cli.app import app
from chenu_server.cli.exit_codes import ExitCode
from chenu_server.config import load_settings
from chenu_server.governance.identity.tokens import KeyFileError, create_key
from chenu_server.providers.catalog_schema import CatalogueError

Check = Callable[..., Result]

# What is wrong, and a word of what is said about it.
MISTAKES = {
    "no catalogue": ("[providers]\ncatalog_dir = 'absent'", "absent does not exist"),
    "bad catalogue": ("[providers]\ncatalog_dir = 'catalog'", "models must be a table"),
    "unknown provider": ("[providers]\nenabled = ['gorq']", "unknown provider 'gorq'"),
    "no key": ("[providers]\nenabled = ['groq']", "provider 'groq': an API key is needed"),
    "bad key": (
        "[providers]\nenabled = ['groq']\nsettings.groq.api_key = 'ü'",
        "provider 'groq': the API key",
    ),
    "no address": (
        "[providers]\nenabled = ['azure']\nsettings.azure.api_key = 'k'",
        "(providers.settings.azure.base_url)",
    ),
    "bad address": (
        "[providers]\nenabled = ['groq']\nsettings.groq = {api_key = 'k', base_url = 'ftp://x'}",
        "provider 'groq': base_url",
    ),
    "bad port": (
        "[providers]\nenabled = ['ollama']\nsettings.ollama.base_url = 'http://x:65536/v1'",
        "provider 'ollama': base_url must have a port from 1 to 65535",
    ),
    "whole address": (
        "[providers]\nenabled = ['ollama']\n"
        "settings.ollama.base_url = 'http://x/v1/chat/completions'",
        "provider 'ollama': base_url must end before /chat/completions",
    ),
    "no policies": ("[policies]\noperator_dir = 'absent'", "absent is not a directory"),
    "bad policy": ("[policies]\noperator_dir = 'policies'", "open.cedar"),
    "no key file": ("[[identity.issuers]]\nname = 'a'\nkey_file = 'absent'", "key file absent"),
    "bad database": ("[database]\nurl = 'postgresql://db:port/chenu'", "database.url cannot be"),
}
EVERYTHING = """
[providers]
enabled = ['gorq', 'groq', 'openai', 'ollama']
[policies]
operator_dir = 'absent'
[database]
url = 'postgresql://db:port/chenu'
[[identity.issuers]]
name = 'a'
key_file = 'absent-a'
[[identity.issuers]]
name = 'b'
key_file = 'absent-b'
"""


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """`chenu config check` of a text, in a folder with a key, a bad policy and a bad record."""
    monkeypatch.chdir(tmp_path)
    create_key(Path("var/token.key"))
    Path("policies").mkdir()
    Path("policies/open.cedar").write_text("permit (principal, action, resource);")
    Path("catalog").mkdir()
    Path("catalog/groq.toml").write_text("models = 7")

    def run(text: str, *arguments: str) -> Result:
        Path("chenu.toml").write_text(text, encoding="utf-8")
        return CliRunner().invoke(app, ["config", "check", *arguments])

    return run


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_a_start_refuses_is_not_accepted(mistake: str, check: Check) -> None:
    """Whoever was told `accepted` deploys it."""
    text, said = MISTAKES[mistake]
    result = check(text)

    assert (ExitCode.CONFIG, "") == (result.exit_code, result.stdout)
    assert said in result.stderr
    with pytest.raises((CatalogueError, KeyFileError, ValueError, OSError), match=said):
        asyncio.run(opened())


async def opened() -> None:
    """What a start reads before it touches its database."""
    async with AsyncExitStack() as stack:
        await open_inputs(load_settings(), stack)


def test_a_providers_mistake_is_one_line_with_provider_and_key(check: Check) -> None:
    """Whoever reads it in a build's log knows which key of which provider to change."""
    result = check(
        "[providers]\nenabled = ['groq', 'ollama', 'openai']\n"
        "settings.groq = {api_key = 'k', base_url = 'https://me:hunter2@x/v1'}\n"
        "settings.ollama.base_url = 'http://x:70000/v1'\n"
    )
    told = result.stderr.splitlines()

    assert [
        ("groq", "(providers.settings.groq.base_url)"),
        ("ollama", "(providers.settings.ollama.base_url)"),
        ("openai", "(providers.settings.openai.api_key)"),
    ] == [(line.split("'")[1], line.split()[-1]) for line in told]
    assert "hunter2" not in result.stderr


def test_a_catalogues_mistake_names_its_file(check: Check) -> None:
    """One of several files is wrong."""
    Path("catalog/groq.toml").write_text("base_url = 'https://x/v1/chat/completions'")
    result = check("[providers]\ncatalog_dir = 'catalog'")

    assert ExitCode.CONFIG == result.exit_code
    assert result.stderr.startswith("chenu: catalog/groq.toml: provider 'groq': base_url must end")
    assert 1 == len(result.stderr.splitlines())


def test_every_problem_is_told_at_once(check: Check) -> None:
    """Whoever corrects one mistake a run corrects all of them in one."""
    result = check(EVERYTHING, "--json")
    told = json.loads(result.stdout)

    assert (ExitCode.CONFIG, False) == (result.exit_code, told["accepted"])
    assert ["database.url", "absent-a", "absent-b", "operator_dir", "gorq", "groq", "openai"] == [
        next(word for word in WORDS if word in problem) for problem in told["problems"]
    ]


WORDS = ("database.url", "absent-a", "absent-b", "operator_dir", "gorq", "groq", "openai")


def test_settings_that_do_not_fit_are_told_to_programs_too(check: Check) -> None:
    """A pipeline reads standard output and needs no second format."""
    result = check("[server]\nlisen = 1\n[budgets]\nrequired = 7\n", "--json")
    told = json.loads(result.stdout)

    assert (ExitCode.CONFIG, {"accepted", "problems"}) == (result.exit_code, set(told))
    assert ["server.lisen", "budgets.required"] == [it.split()[0] for it in told["problems"]]


def test_a_check_writes_nothing_and_connects_nowhere(check: Check) -> None:
    """It runs where the database is not: in a build, on a laptop."""
    url = "postgresql+psycopg://me:hunter2@127.0.0.1:1/chenu"
    before = sorted(os.walk("."))
    accepted = [check(f"[database]\nurl = '{it}'").stdout for it in (url, "sqlite:///new/a.db")]
    Path("chenu.toml").unlink()

    assert ["accepted\n", "accepted\n"] == accepted
    assert before == sorted(os.walk("."))


def test_a_configuration_without_mistakes_has_no_problems(check: Check) -> None:
    """Providers, policies and a catalogue of one's own, as an operator has them."""
    check("[providers]\nenabled = ['groq', 'ollama']\nsettings.groq.api_key = 'k'")

    assert [] == problems_of(load_settings())
