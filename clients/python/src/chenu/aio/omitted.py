"""An answer that was too long for one message, fetched in pieces."""

from __future__ import annotations

from chenu.aio.stream import Log
from chenu.api.pipeline.v1 import event_pb2, message_pb2


def cursor_before_output(query: message_pb2.Query) -> event_pb2.Cursor:
    """Where the log of an ended query is read for its output and its end, and for nothing else."""
    # The final event is the last one: behind this stand it and the output alone.
    return event_pb2.Cursor(sequence=max(0, query.last_sequence - 1))


async def fill_in(answer: message_pb2.Answer, log: Log) -> None:
    """
    Read the parts from the query's log and put them in the answer.

    Thoughts come without what proves them to their provider, and `json` stays empty: read `text`.

    Raises:
        ChenuError: The log could not be read to its end.
    """
    # To its end and not only until the output is there: what was told live is cut to what was
    # stored by the last event.
    async with log:
        async for _ in log:
            pass
    answer.text, parts = log.text, log.parts
    if [part.WhichOneof("content") for part in parts] != ["text"]:
        answer.parts.extend(parts)
    answer.output_omitted = False
