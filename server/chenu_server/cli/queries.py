"""`chenu queries`: list, get, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from chenu_server.cli import parse
from chenu_server.cli.answers import AnswerPrinter, Thoughts
from chenu_server.cli.groups import commands
from chenu_server.cli.output import message_object, usd, when, who
from chenu_server.cli.paging import Limit, first
from chenu_server.cli.remote import Session, remote

if TYPE_CHECKING:
    from chenu.api.pipeline.v1 import message_pb2

app = commands("The identity's queries.")

RequestId = Annotated[str, typer.Argument(help="The query.")]


@remote(app, "list")
async def list_queries(
    session: Session,
    state: Annotated[
        list[str] | None, typer.Option(help="running, blocked, completed ... Repeatable.")
    ] = None,
    *,
    limit: Limit,
) -> None:
    """List the identity's queries, newest first."""
    from chenu.api.pipeline.v1 import message_pb2

    states = parse.choices("--state", message_pb2.QueryState, state or [])
    found = first(limit, session.client.pipeline.list(states=states))
    header = ("request", "state", "created", "model", "tokens", "cost", "outcome")
    await session.output.messages(found, header, _row)


@remote(app, "get")
async def get_query(session: Session, request_id: RequestId, *, thoughts: Thoughts = False) -> None:
    """Show one query, with its answer once it completed."""
    response = await session.client.pipeline.get(request_id)
    if session.output.as_json:
        session.output.json(message_object(response))
        return
    session.output.message(response.query, _fields(response.query))
    if response.HasField("answer"):
        session.output.text("\n")
        AnswerPrinter(session.output, thoughts=thoughts).whole(response.answer)


@remote(app, "cancel")
async def cancel_query(
    session: Session,
    request_id: RequestId,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
) -> None:
    """End a query at once; one that has ended stays as it is."""
    query = await session.client.pipeline.cancel(request_id, reason=reason)
    session.output.message(query, _fields(query))


def _state(query: message_pb2.Query) -> str:
    from chenu.api.pipeline.v1 import message_pb2
    from chenu.names import name_of

    return name_of(message_pb2.QueryState, query.state)


def _row(query: message_pb2.Query) -> tuple[str, ...]:
    return (
        query.request_id,
        _state(query),
        when(query.create_time),
        query.route.model,
        str(query.tokens_used),
        usd(query.cost_nanousd),
        query.outcome.reason,
    )


def _fields(query: message_pb2.Query) -> list[tuple[str, str]]:
    from chenu.api.pipeline.v1 import message_pb2
    from chenu.names import name_of

    lanes = " ".join(
        f"{name_of(message_pb2.Lane, report.lane)}={name_of(message_pb2.LaneStatus, report.status)}"
        for report in query.lanes
    )
    refusal = query.outcome
    return [
        ("request", query.request_id),
        ("state", _state(query)),
        ("asked by", who(query.principal)),
        ("created", when(query.create_time)),
        ("ended", when(query.end_time)),
        ("lanes", lanes),
        ("checkpoint", query.checkpoint_id),
        ("model", f"{query.route.provider} {query.route.model}".strip()),
        ("tokens", str(query.tokens_used)),
        ("cost", usd(query.cost_nanousd)),
        ("outcome", f"{refusal.reason}: {refusal.message}" if refusal.reason else ""),
    ]
