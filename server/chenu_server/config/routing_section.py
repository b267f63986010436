"""What an operator sets of routes: weights, preferred providers, models of agents."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from chenu_server.config.section import Section, refusal

StrategyName = Literal["balanced", "cost", "quality", "speed"]
TaskName = Literal["chat", "code", "creative", "analysis", "search", "translation"]
Weight = Annotated[int, Field(ge=0, le=1_000_000)]

NOVA: Final = "nova"
CLAUDES_PROVIDER: Final = "anthropic"


def _role(value: str) -> str:
    # Requests' roles are brought into this form: one in any other would never be met.
    if value != value.strip().lower() or not value.isprintable() or not value:
        raise refusal(f"{value!r} is not how a role is known", "write it in lower case, unpadded")
    return value


def _model(value: str) -> str:
    provider, _, model = value.partition("/")
    if not provider or not model or not value.isprintable():
        raise refusal(f"{value!r} names no model", "write it as provider/model")
    return value


Role = Annotated[str, Field(max_length=64), AfterValidator(_role)]
ProviderName = Annotated[str, Field(min_length=1, max_length=64)]
ModelName = Annotated[str, Field(max_length=200), AfterValidator(_model)]
AgentName = Annotated[str, Field(min_length=1, max_length=256)]
DepartmentName = Annotated[str, Field(min_length=1, max_length=64)]


class WeightSettings(Section):
    """What the factors of a score count, in parts of their sum."""

    quality: Weight
    """A whole number from 0 up, such as 400."""
    speed: Weight
    """A whole number from 0 up, such as 300."""
    cost: Weight
    """A whole number from 0 up, such as 300."""

    @model_validator(mode="after")
    def _something_counts(self) -> WeightSettings:
        if self.quality + self.speed + self.cost == 0:
            raise refusal("no factor counts", "give one of quality, speed and cost a weight")
        return self


class RoutingSettings(Section):
    """Which model is tried first. What is not set here is as shipped."""

    weights: dict[StrategyName, WeightSettings] = Field(default_factory=dict)
    """By strategy: quality, speed and cost."""
    tasks: dict[TaskName, ProviderName] = Field(default_factory=dict)
    """By type of task, the provider whose models come first."""
    roles: dict[Role, ProviderName] = Field(default_factory=dict)
    """By agent role, the provider whose models come first."""

    @model_validator(mode="after")
    def _nova_is_claude(self) -> RoutingSettings:
        if self.roles.get(NOVA, CLAUDES_PROVIDER) != CLAUDES_PROVIDER:
            raise refusal("Nova speaks through Claude alone", "remove routing.roles.nova")
        return self


class ModelChain(Section):
    """Models in the order in which they are tried, each as provider/model."""

    primary: ModelName
    """Tried first."""
    fallback: ModelName | None = None
    """Tried next."""
    second_fallback: ModelName | None = None
    """Tried after that; only with a fallback."""
    local: ModelName | None = None
    """Tried last."""

    @model_validator(mode="after")
    def _in_order(self) -> ModelChain:
        if self.second_fallback and not self.fallback:
            raise refusal("it has a second fallback and no first", "name it as fallback")
        if len(set(self.models)) < len(self.models):
            raise refusal("it names a model twice", "name each once")
        return self

    @property
    def models(self) -> tuple[str, ...]:
        """All that are named, in order."""
        named = (self.primary, self.fallback, self.second_fallback, self.local)
        return tuple(name for name in named if name is not None)


class AgentModelsSettings(Section):
    """Models in place of the defaults: task before agent before department before global."""

    # `global` is a key of the file, and no name that Python takes.
    model_config = ConfigDict(populate_by_name=True)

    tasks: dict[TaskName, ModelChain] = Field(default_factory=dict)
    """By type of task."""
    agents: dict[AgentName, ModelChain] = Field(default_factory=dict)
    """By the agent's id."""
    departments: dict[DepartmentName, ModelChain] = Field(default_factory=dict)
    """By the agent's department."""
    everyone: Annotated[ModelChain | None, Field(alias="global")] = None
    """For every query that none of the others fits."""

    @model_validator(mode="after")
    def _nova_is_no_agent(self) -> AgentModelsSettings:
        if any(name.strip().lower() == NOVA for name in self.agents):
            raise refusal("Nova is no agent, and her model is not to be chosen", "remove it")
        return self


class AgentsSettings(Section):
    """What is set for agents."""

    models: AgentModelsSettings = AgentModelsSettings()
    """Which models they use."""
