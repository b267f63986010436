"""Which models an operator has set in place of the defaults: by task, agent, department, or all.

The most specific one applies alone. It is an order of trying and no right: what a hard constraint
takes out stays out, and what the request itself prefers comes first.
"""

from __future__ import annotations

from collections.abc import Mapping

from chenu_server.pipeline.model import NOVA_ROLE, ModelOverride, QueryRequest
from chenu_server.values import dataclass, field

ModelNames = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentModels:
    """The overrides: each is provider and model, primary, fallbacks and local in order."""

    tasks: Mapping[str, ModelNames] = field(default_factory=dict)
    agents: Mapping[str, ModelNames] = field(default_factory=dict)
    departments: Mapping[str, ModelNames] = field(default_factory=dict)
    everyone: ModelNames = ()

    def of(self, request: QueryRequest) -> ModelOverride | None:
        """The one that applies to a request; none ever to Nova's."""
        if request.agent_role == NOVA_ROLE:
            return None
        levels = (
            ("task", request.routing.task_type, self.tasks),
            ("agent", request.agent_id, self.agents),
            ("department", request.department, self.departments),
        )
        for level, name, overrides in levels:
            if models := overrides.get(name):
                return ModelOverride(level=level, name=name, models=models)
        if self.everyone:
            return ModelOverride(level="global", name="", models=self.everyone)
        return None
