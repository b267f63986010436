"""The options that say which model is wanted, for every command that routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chenu_server.cli import parse
from chenu_server.values import dataclass

if TYPE_CHECKING:
    from chenu.api.pipeline.v1 import routing_pb2

Names = list[str]


@dataclass(frozen=True)
class Routing:
    """What is wanted of the model."""

    task: Annotated[str, typer.Option(help="chat, code, creative, analysis, search ...")] = ""
    priority: Annotated[str, typer.Option(help="low, normal or high.")] = ""
    strategy: Annotated[str, typer.Option(help="balanced, cost, quality, speed or specific.")] = ""
    provider: Annotated[str, typer.Option(help="The provider to try first.")] = ""
    model: Annotated[str, typer.Option(help="The model to try first.")] = ""
    capability: Annotated[
        Names | None, typer.Option(help="What the model must be able to do. Repeatable.")
    ] = None
    allow_provider: Annotated[
        Names | None, typer.Option(help="Use no other providers. Repeatable.")
    ] = None
    forbid_provider: Annotated[
        Names | None, typer.Option(help="Do not use this provider. Repeatable.")
    ] = None
    region: Annotated[
        Names | None, typer.Option(help="Where data may be processed. Repeatable.")
    ] = None

    def message(self) -> routing_pb2.RoutingRequest:
        """The options as the contract's message."""
        from chenu.api.pipeline.v1 import routing_pb2

        return routing_pb2.RoutingRequest(
            task_type=parse.choice("--task", routing_pb2.TaskType, self.task),
            priority=parse.choice("--priority", routing_pb2.Priority, self.priority),
            strategy=parse.choice("--strategy", routing_pb2.Strategy, self.strategy),
            preferred_provider=self.provider,
            preferred_model=self.model,
            required_capabilities=self.capability or (),
            allowed_providers=self.allow_provider or (),
            forbidden_providers=self.forbid_provider or (),
            regions=self.region or (),
        )


@dataclass(frozen=True)
class Ceiling:
    """Who speaks, and what an answer may cost at most."""

    agent_role: Annotated[str, typer.Option(help="Who speaks; `nova` is always Claude.")] = ""
    agent_id: Annotated[str, typer.Option(help="Which agent speaks.")] = ""
    department: Annotated[str, typer.Option(help="Where the agent belongs.")] = ""
    max_output_tokens: Annotated[int, typer.Option(min=0, help="0: 1,024.")] = 0
    max_cost_usd: Annotated[str, typer.Option(help="US dollars, such as 0.05.")] = ""

    @property
    def max_cost_nanousd(self) -> int:
        """The ceiling in nano-USD; zero for none."""
        return parse.nanousd("--max-cost-usd", self.max_cost_usd)
