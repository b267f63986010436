"""What decides the order of routes besides the models: the product's defaults, or an operator's."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from chenu_server.pipeline.agent_models import AgentModels
from chenu_server.values import dataclass, field

NOVA_PROVIDER: Final = "anthropic"
NOVA_ALIAS: Final = "nova"
STRATEGIES: Final = ("balanced", "cost", "quality", "speed")

WEIGHTS: Final[Mapping[str, tuple[int, int, int]]] = MappingProxyType(
    {
        "balanced": (400, 300, 300),
        "cost": (100, 100, 800),
        "quality": (800, 100, 100),
        "speed": (100, 800, 100),
    }
)
TASK_PROVIDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "code": "anthropic",
        "creative": "anthropic",
        "analysis": "openai",
        "search": "google",
        "translation": "google",
    }
)
ROLE_PROVIDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "nova": "anthropic",
        "orchestrator": "anthropic",
        "analyst": "openai",
        "researcher": "google",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRules:
    """Weights of quality, speed and cost by strategy; providers by task and role; overrides."""

    weights: Mapping[str, tuple[int, int, int]] = field(default_factory=lambda: WEIGHTS)
    tasks: Mapping[str, str] = field(default_factory=lambda: TASK_PROVIDERS)
    roles: Mapping[str, str] = field(default_factory=lambda: ROLE_PROVIDERS)
    overrides: AgentModels = field(default_factory=AgentModels)
