"""What is sent to a provider: made by the engine, on a thread where it holds files."""

from __future__ import annotations

import asyncio

from chenu_server.providers.model import ChatRequest, ProviderRecord


async def body_of(request: ChatRequest, record: ProviderRecord, *, stream_options: bool) -> bytes:
    """The body of a request that streams its answer."""
    # Files in base64 take tens of milliseconds, a text some microseconds: less than the way to a
    # thread and back.
    if request.prompt.has_files:
        return await asyncio.to_thread(_body, request, record, stream_options=stream_options)
    return _body(request, record, stream_options=stream_options)


def _body(request: ChatRequest, record: ProviderRecord, *, stream_options: bool) -> bytes:
    return request.prompt.encode(
        record.wire,
        model=request.model,
        output_cap=request.output_cap,
        cap_field=record.output_cap_field,
        stream_options=stream_options,
    )
