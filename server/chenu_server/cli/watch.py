"""`chenu watch`: follow a query's log."""

from __future__ import annotations

from typing import Annotated

import typer

from chenu_server.cli.answers import LogLines, Thoughts
from chenu_server.cli.groups import commands
from chenu_server.cli.output import message_object
from chenu_server.cli.query import print_answer
from chenu_server.cli.remote import Session, remote

app = commands()


@remote(app, "watch")
async def watch(
    session: Session,
    request_id: Annotated[str, typer.Argument(help="The query.")],
    after: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, help="Start after this event's sequence.")
    ] = 0,
    run: Annotated[
        bool, typer.Option("--continue", help="Run the approved query and print its answer.")
    ] = False,
    thoughts: Thoughts = False,
) -> None:
    """Print a query's events to its end, live or long after."""
    from chenu.api.pipeline.v1 import event_pb2

    cursor = event_pb2.Cursor(sequence=after)
    if run:
        async with session.client.pipeline.resume(request_id, after=cursor) as log:
            await print_answer(session, log, thoughts=thoughts)
        return
    async with session.client.pipeline.watch(request_id, after=cursor) as log:
        lines = LogLines(thoughts=thoughts)
        async for event in log:
            if session.output.as_json:
                session.output.json(message_object(event))
            elif shown := lines.of(event):
                session.output.line(shown)
