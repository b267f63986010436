"""What an answer on the wire comes to: its text as it arrives, then how it ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from chenu_server.engine import AnswerDecoder
from chenu_server.providers import failures
from chenu_server.providers.call import Call
from chenu_server.providers.model import (
    Finished,
    ProviderEvent,
    ProviderFailure,
    ProviderRecord,
    TextDelta,
    Usage,
)


async def answered(
    call: Call, record: ProviderRecord, model: str
) -> AsyncGenerator[ProviderEvent, None]:
    """
    What the opened call answers; `model` is what was asked for.

    Raises:
        ProviderFailure: It is no answer, or no whole one. It brings what was told of its tokens.
    """
    decoder = AnswerDecoder(
        record.wire,
        declared=(),
        is_stream=call.is_stream,
        ends_without_terminator=not record.terminator,
    )
    try:
        while not decoder.done:
            chunk = await call.receive()
            piece = decoder.feed(chunk) if chunk else decoder.end()
            if text := piece.text:  # each look makes another copy
                yield TextDelta(text)
            if (fault := piece.fault) is not None:
                raise failures.of_fault(fault)
    except ProviderFailure as failure:
        failure.usage = _usage_of(decoder)
        raise
    yield Finished(
        usage=_usage_of(decoder),
        stop_reason=decoder.stop_reason,
        model=decoder.model or model,
    )
    await call.drain()


def _usage_of(decoder: AnswerDecoder) -> Usage:
    told = decoder.usage
    return Usage(
        input_tokens=told.input_tokens,
        output_tokens=told.output_tokens,
        cache_read_tokens=told.cache_read_tokens,
        cache_write_tokens=told.cache_write_tokens,
        exact=told.exact,
    )
