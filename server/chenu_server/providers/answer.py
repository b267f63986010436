"""What an answer on the wire comes to: its parts as they arrive, then how it ended."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from chenu_server.engine import AnswerPiece, AnswerTold
from chenu_server.ids import new_id
from chenu_server.providers.call import Call, told_name
from chenu_server.providers.model import (
    Finished,
    Interrupted,
    PartDelta,
    Proof,
    ProviderEvent,
    ProviderFailure,
    Told,
    ToolCall,
    Usage,
)

_PLACE: Final = re.compile(r"call_\d{1,3}")


async def answered(
    call: Call, send: Callable[[], Awaitable[None]]
) -> AsyncGenerator[ProviderEvent, None]:
    """
    What a call answers that `send` sends; it is closed with this.

    Raises:
        ProviderFailure: There is no answer, or no whole one, or not what was asked for. It brings
            what was told of its tokens.
        Interrupted: The task was cancelled. Likewise.
    """
    try:
        await send()
        try:
            while True:
                piece = await call.receive()
                for part, kind, text in piece.parts:
                    yield PartDelta(part, kind, text)
                if piece.end == "whole":
                    break
                if piece.end is not None:
                    raise call.failure_of(piece)
        except ProviderFailure as failure:
            failure.request_id = call.request_id
            if (told := call.told) is not None:
                failure.usage, failure.model = _usage_of(told), told_name(told.model)
            raise
        # What it had counted goes along: the provider bills that too, and it may be more than the
        # bound.
        except asyncio.CancelledError:
            if (told := call.told) is None:
                raise
            raise Interrupted(_told_of(told, call.request_id)) from None
        told = call.told
        assert told is not None, "no answer is whole before any of it has come"
        yield _finished(told, piece, call.request_id)
        # Behind the end: its reader has all of the answer, and only the connection is waited for.
        await call.drain()
    finally:
        # However it ended: a call that nobody reads would go on, and go on being billed.
        call.close()


def _told_of(told: AnswerTold, request_id: str) -> Told:
    """What was told of an answer that was left."""
    return Told(usage=_usage_of(told), model=told_name(told.model), request_id=request_id)


def _finished(told: AnswerTold, last: AnswerPiece, request_id: str) -> Finished:
    """The end of a whole answer; calls and proofs all come with its last piece."""
    return Finished(
        usage=_usage_of(told),
        stop_reason=told.stop_reason,
        model=told_name(told.model),
        request_id=request_id,
        calls=tuple(
            ToolCall(part=part, call_id=_id_of(call_id), name=name, arguments=arguments)
            for part, call_id, name, arguments in last.calls
        ),
        proofs=tuple(
            Proof(part=part, signature=signature, redacted=redacted)
            for part, signature, redacted in last.proofs
        ),
        json=told.json,
    )


def _id_of(call_id: str) -> str:
    """A call that its provider gave no id, or only its place, has one of its own.

    Ids are given back with the conversation, in which two turns must not share one.
    """
    return f"{call_id}_{new_id()}" if _PLACE.fullmatch(call_id) else call_id


def _usage_of(answer: AnswerTold) -> Usage:
    told = answer.usage
    return Usage(
        input_tokens=told.input_tokens,
        output_tokens=told.output_tokens,
        cache_read_tokens=told.cache_read_tokens,
        cache_write_tokens=told.cache_write_tokens,
        cache_write_hour_tokens=told.cache_write_hour_tokens,
        exact=told.exact,
    )
