"""What an answer on the wire comes to: its parts as they arrive, then how it ended."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Final

from chenu_server.engine import AnswerDecoder, AnswerPiece
from chenu_server.ids import new_id
from chenu_server.providers import failures
from chenu_server.providers.call import Call, told_name
from chenu_server.providers.model import (
    ChatRequest,
    Finished,
    Interrupted,
    PartDelta,
    Proof,
    ProviderEvent,
    ProviderFailure,
    ProviderRecord,
    Told,
    ToolCall,
    Usage,
)
from chenu_server.providers.patience import Hearing

_PLACE: Final = re.compile(r"call_\d{1,3}")


async def answered(
    call: Call, record: ProviderRecord, request: ChatRequest
) -> AsyncGenerator[ProviderEvent, None]:
    """
    What the opened call answers to `request`.

    Raises:
        ProviderFailure: It is no answer, or no whole one, or not what was asked for. It brings
            what was told of its tokens.
        Interrupted: The task was cancelled. Likewise.
    """
    decoder = AnswerDecoder(
        record.wire,
        declared=request.declared,
        format=request.format,
        schema=request.schema,
        is_stream=call.is_stream,
        ends_without_terminator=not record.terminator,
    )
    hearing = Hearing(decoder, is_stream=call.is_stream)
    piece: AnswerPiece | None = None
    try:
        while not decoder.done:
            chunk = await call.receive()
            piece = decoder.feed(chunk) if chunk else decoder.end()
            parts = piece.parts  # each look makes another copy
            for part, kind, text in parts:
                yield PartDelta(part, kind, text)
            if (fault := piece.fault) is not None:
                raise failures.of_fault(fault)
            if hearing.hears(chunk, brought=bool(parts)):
                call.heard()
    except ProviderFailure as failure:
        failure.usage = _usage_of(decoder)
        failure.model, failure.request_id = told_name(decoder.model or ""), call.request_id
        raise
    except asyncio.CancelledError:
        model, usage = told_name(decoder.model or ""), _usage_of(decoder)
        told = Told(usage=usage, model=model, request_id=call.request_id)
        raise Interrupted(told) from None
    assert piece is not None, "no answer is whole before any of it has come"
    yield _finished(decoder, piece, call.request_id)
    await call.drain()


def _finished(decoder: AnswerDecoder, last: AnswerPiece, request_id: str) -> Finished:
    """The end of a whole answer; calls and proofs all come with its last piece."""
    return Finished(
        usage=_usage_of(decoder),
        stop_reason=decoder.stop_reason,
        model=told_name(decoder.model or ""),
        request_id=request_id,
        calls=tuple(
            ToolCall(part=part, call_id=_id_of(call_id), name=name, arguments=arguments)
            for part, call_id, name, arguments in last.calls
        ),
        proofs=tuple(
            Proof(part=part, signature=signature, redacted=redacted)
            for part, signature, redacted in last.proofs
        ),
        json=decoder.json,
    )


def _id_of(call_id: str) -> str:
    """A call that its provider gave no id, or only its place, has one of its own.

    Ids are given back with the conversation, in which two turns must not share one.
    """
    return f"{call_id}_{new_id()}" if _PLACE.fullmatch(call_id) else call_id


def _usage_of(decoder: AnswerDecoder) -> Usage:
    told = decoder.usage
    return Usage(
        input_tokens=told.input_tokens,
        output_tokens=told.output_tokens,
        cache_read_tokens=told.cache_read_tokens,
        cache_write_tokens=told.cache_write_tokens,
        cache_write_hour_tokens=told.cache_write_hour_tokens,
        exact=told.exact,
    )
