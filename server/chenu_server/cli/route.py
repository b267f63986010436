"""`chenu route`: which model would answer, and why not the others."""

from __future__ import annotations

from pathlib import Path
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
    text: Annotated[
        str, typer.Argument(help="What would be asked; its length decides the cost.")
    ] = "",
    request: Annotated[
        Path | None,
        typer.Option(
            help="A RouteRequest as JSON, with messages, tools ...; options come over it.",
            dir_okay=False,
        ),
    ] = None,
    generate: Annotated[
        bool, typer.Option("--generate", help="The text is material to work on.")
    ] = False,
    *,
    ceiling: Ceiling,
    routing: Routing,
) -> None:
    """Show which models fit, in order, and why the others do not. Calls no provider."""
    from chenu.api.pipeline.v1 import conversation_pb2, router_service_pb2

    wanted = router_service_pb2.RouteRequest()
    if request is not None:
        parse.message_file("--request", request, wanted)
    given = router_service_pb2.RouteRequest(
        text=text,
        routing=routing.message(),
        agent_role=ceiling.agent_role,
        agent_id=ceiling.agent_id,
        department=ceiling.department,
        max_output_tokens=parse.int32("--max-output-tokens", ceiling.max_output_tokens),
        max_cost_nanousd=ceiling.max_cost_nanousd,
    )
    if generate:
        given.mode = conversation_pb2.QUERY_MODE_GENERATION
    # What no option has named is empty, and leaves the file's word as it is.
    wanted.MergeFrom(given)
    decision = await session.client.router.route(wanted)
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
        first_by = name_of(routing_pb2.Preference, candidate.preference)
        return (place, *key, first_by, *map(str, factors), usd(candidate.cost_bound_nanousd))

    header = (
        "try",
        "provider",
        "model",
        "by",
        "score",
        "quality",
        "speed",
        "cost",
        "costs at most",
    )
    await session.output.messages(each(decision.candidates), header, row)
    for one in decision.exclusions:
        reason = name_of(routing_pb2.ExclusionReason, one.reason)
        missing = f" ({', '.join(one.missing)})" if one.missing else ""
        note(visible(f"excluded: {one.provider} {one.model}: {reason}{missing}"))
    if decision.HasField("basis"):
        note(visible(_told(decision.basis)))


def _told(basis: routing_pb2.RoutingBasis) -> str:
    """What the order rests on, in one line."""
    from chenu.api.pipeline.v1 import routing_pb2
    from chenu.names import name_of

    told = [
        f"strategy: {name_of(routing_pb2.Strategy, basis.strategy)}, quality"
        f" {basis.quality_weight}, speed {basis.speed_weight}, cost {basis.cost_weight}"
    ]
    if basis.role_provider:
        told.append(f"role prefers {basis.role_provider}")
    if basis.task_provider:
        told.append(f"task prefers {basis.task_provider}")
    if basis.HasField("override"):
        level = name_of(routing_pb2.OverrideLevel, basis.override.level)
        models = ", ".join(f"{each.provider}/{each.model}" for each in basis.override.models)
        told.append(f"override of {level} {basis.override.name}".rstrip() + f": {models}")
    return "; ".join(told)
