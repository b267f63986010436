"""Lists and contents come in pages; callers see one sequence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from chenu.aio import Client
from chenu.api.governance.v1 import checkpoint_service_pb2

CONTENT = "Supprime tout ce qui est archivé".encode()
CUT_AT = CONTENT.index("é".encode()) + 1  # inside a character


class Pages:
    """Two pages, the first of which ends inside a character."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    async def content(
        self, request: checkpoint_service_pb2.GetCheckpointContentRequest, context: object
    ) -> checkpoint_service_pb2.GetCheckpointContentResponse:
        """The page that the token asks for."""
        self.tokens.append(request.page_token)
        first = not request.page_token
        piece = checkpoint_service_pb2.ContentPiece(
            kind=checkpoint_service_pb2.CONTENT_KIND_TEXT,
            offset=0 if first else CUT_AT,
            data=CONTENT[:CUT_AT] if first else CONTENT[CUT_AT:],
            size=len(CONTENT),
        )
        return checkpoint_service_pb2.GetCheckpointContentResponse(
            pieces=[piece], total_bytes=len(CONTENT), next_page_token="second" if first else ""
        )


@pytest.fixture
def pages() -> Pages:
    """What is served."""
    return Pages()


@pytest.fixture
async def approver(pages: Pages) -> AsyncIterator[Client]:
    """A client of a server that has a checkpoint's content."""
    handler: Any = grpc.unary_unary_rpc_method_handler(
        pages.content,
        checkpoint_service_pb2.GetCheckpointContentRequest.FromString,
        checkpoint_service_pb2.GetCheckpointContentResponse.SerializeToString,
    )
    service = checkpoint_service_pb2.DESCRIPTOR.services_by_name["CheckpointService"].full_name
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {"GetCheckpointContent": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with Client(f"127.0.0.1:{port}") as client:
        yield client
    await server.stop(None)


async def test_a_checkpoints_content_is_read_to_its_last_page(
    approver: Client, pages: Pages
) -> None:
    """An approver who is shown the first page alone approves what nobody has read."""
    pieces = [piece async for piece in approver.checkpoints.content("c")]

    assert CONTENT == b"".join(piece.data for piece in pieces)
    assert [0, CUT_AT] == [piece.offset for piece in pieces]
    assert ["", "second"] == pages.tokens
