"""What is sent to a provider: made by the engine, on a thread where it holds files."""

from __future__ import annotations

import asyncio
from functools import partial

from chenu_server.providers.model import ChatRequest, ProviderRecord


async def body_of(request: ChatRequest, record: ProviderRecord, *, stream_options: bool) -> bytes:
    """The body of a request that streams its answer."""
    make = partial(
        request.prompt.encode,
        record.wire,
        model=request.model,
        output_cap=request.output_cap,
        cap_field=record.output_cap_field,
        stream_options=stream_options,
    )
    # Files in base64 take tens of milliseconds, a text some microseconds: less than the way to a
    # thread and back.
    return await asyncio.to_thread(make) if request.prompt.has_files else make()
