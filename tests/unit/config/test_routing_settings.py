"""What may be set of routes and agents' models, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chenu_server.bootstrap.route_rules import route_rules
from chenu_server.config import ConfigError, load_settings
from chenu_server.pipeline.route_rules import ROLE_PROVIDERS, TASK_PROVIDERS, WEIGHTS, RouteRules
from chenu_server.providers.catalog import load_catalogue
from chenu_server.providers.catalog_schema import CatalogueError

ENABLED = ("anthropic", "azure", "groq", "openai")
SONNET = "anthropic/claude-sonnet-5-5"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file and no variable but the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHENU_CONFIG", raising=False)


def rules(**overrides: Any) -> RouteRules:
    """What comes of these settings; a double underscore stands for a dot."""
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    return route_rules(load_settings(None, dotted), load_catalogue(), ENABLED)


def test_without_settings_routes_are_as_shipped() -> None:
    """The defaults of the specification."""
    assert RouteRules() == rules()
    assert (400, 300, 300) == WEIGHTS["balanced"]


def test_settings_come_over_what_is_shipped(tmp_path: Path) -> None:
    """Key by key, in a file as people write it; the rest stays."""
    (tmp_path / "chenu.toml").write_text(
        "[routing.weights]\ncost = { quality = 0, speed = 1, cost = 3 }\n"
        '[routing.tasks]\nchat = "groq"\n[routing.roles]\ncritic = "openai"\n'
        f'[agents.models.global]\nprimary = "{SONNET}"\n'
        '[agents.models.agents."scout 7"]\nprimary = "anthropic/nova"\n'
        'local = "openai/gpt-6-luna"\n'
    )

    told = rules()

    assert {**WEIGHTS, "cost": (0, 1, 3)} == told.weights
    assert {**TASK_PROVIDERS, "chat": "groq"} == told.tasks
    assert {**ROLE_PROVIDERS, "critic": "openai"} == told.roles
    assert (("anthropic", "claude-sonnet-5-5"),) == told.overrides.everyone
    assert {
        "scout 7": (("anthropic", "claude-sonnet-5-5"), ("openai", "gpt-6-luna"))
    } == told.overrides.agents


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("routing.weights.cost", {"quality": 0, "speed": 0, "cost": 0}, "no factor counts"),
        ("routing.weights.cost", {"quality": -1, "speed": 0, "cost": 9}, "greater than or equal"),
        ("routing.weights.cost", {"quality": 0.4, "speed": 0, "cost": 1}, "integer"),
        ("routing.weights.cost", {"quality": 1, "speed": 1}, "required"),
        ("routing.weights.specific", {"quality": 1, "speed": 1, "cost": 1}, "'balanced'"),
        ("routing.tasks", {"coding": "openai"}, "'chat'"),
        ("routing.roles", {"Critic": "openai"}, "is not how a role is known"),
        ("routing.roles", {"nova": "openai"}, "Claude alone"),
        ("agents.models.global", {"primary": "gpt-6-luna"}, "names no model"),
        ("agents.models.global", {"fallback": SONNET}, "required"),
        ("agents.models.global", {"primary": SONNET, "local": SONNET}, "twice"),
        (
            "agents.models.global",
            {"primary": SONNET, "second_fallback": "openai/gpt-6-luna"},
            "second fallback and no first",
        ),
        ("agents.models.agents", {"nova": {"primary": SONNET}}, "Nova is no agent"),
        ("agents.models.teams", {}, "no such key"),
    ],
)
def test_a_mistake_is_refused_at_start(key: str, value: Any, why: str) -> None:
    """With the key and the reason; nothing is passed over."""
    with pytest.raises(ConfigError) as refused:
        load_settings(None, {key: value})

    assert why in str(refused.value)
    assert key.rpartition(".")[0] in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("routing.tasks", {"code": "opnai"}, r"did you mean 'openai'.*routing\.tasks\.code"),
        ("routing.roles", {"critic": "mistral"}, r"providers\.enabled.*routing\.roles\.critic"),
        ("agents.models.global", {"primary": "mistral/x"}, r"agents\.models\.global"),
        ("agents.models.tasks", {"code": {"primary": "openai/gpt-6-lunar"}}, "gpt-6-luna"),
        (
            "agents.models.departments",
            {"art": {"primary": "anthropic/claude-sonnet-4-20250514"}},
            r"has retired .*agents\.models\.departments\.art",
        ),
    ],
)
def test_what_cannot_be_called_is_refused_at_start(key: str, value: Any, why: str) -> None:
    """A provider that is not enabled, a model that nobody has or that is retired."""
    with pytest.raises(CatalogueError, match=why):
        rules(**{key: value})
