"""`chenu route`: which model would answer, and why not the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chenu_server.cli import parse
from chenu_server.cli.exit_codes import ExitCode
from chenu_server.cli.groups import commands
from chenu_server.cli.output import note, usd, visible
from chenu_server.cli.paging import each
from chenu_server.cli.remote import Session, remote
from chenu_server.cli.routing import Ceiling, Routing

if TYPE_CHECKING:
    from chenu.api.pipeline.v1 import routing_pb2


app = commands()


@remote(app, "route")
async def route(
    session: Session,
    text: Annotated[str, typer.Argument(help="What would be asked; its length decides the cost.")],
    *,
    ceiling: Ceiling,
    routing: Routing,
) -> None:
    """Show which models fit, in order, and why the others do not. Calls no provider."""
    from chenu.api.pipeline.v1 import router_service_pb2

    request = router_service_pb2.RouteRequest(
        text=text,
        routing=routing.message(),
        agent_role=ceiling.agent_role,
        max_output_tokens=parse.int32("--max-output-tokens", ceiling.max_output_tokens),
        max_cost_nanousd=ceiling.max_cost_nanousd,
    )
    decision = await session.client.router.route(request)
    if session.output.as_json:
        session.output.message(decision, ())
    else:
        await _print(session, decision)
    if not decision.chain:
        note("chenu: no model fits [NO_ROUTE]\nnext: loosen the constraints named above")
        raise typer.Exit(ExitCode.PROVIDER)


async def _print(session: Session, decision: routing_pb2.RoutingDecision) -> None:
    from chenu.api.pipeline.v1 import routing_pb2
    from chenu.names import name_of

    chain = [(ref.provider, ref.model) for ref in decision.chain]

    def row(candidate: routing_pb2.Candidate) -> tuple[str, ...]:
        key = (candidate.provider, candidate.model)
        place = str(chain.index(key) + 1) if key in chain else "-"
        factors = (candidate.score, candidate.quality, candidate.speed, candidate.cost)
        return (place, *key, *map(str, factors), usd(candidate.cost_bound_nanousd))

    header = ("try", "provider", "model", "score", "quality", "speed", "cost", "costs at most")
    await session.output.messages(each(decision.candidates), header, row)
    for one in decision.exclusions:
        reason = name_of(routing_pb2.ExclusionReason, one.reason)
        note(visible(f"excluded: {one.provider} {one.model}: {reason}"))
