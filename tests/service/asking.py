"""Asking for what a person must approve, and what the person answers."""

from __future__ import annotations

from uuid import uuid4

from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from tests.harness import Client, Failure

DELETE = "Delete all archived items"


async def blocked(client: Client, text: str = DELETE, **fields: object) -> Failure:
    """Ask for something that a person must approve."""
    chosen = {"text": text, "request_id": str(uuid4()), **fields}
    request = pb.QueryRequest(**chosen)  # type: ignore[arg-type] # protobuf checks the fields
    return await client.fail(client.pipeline.Query, request)


def approval(failure: Failure, **fields: object) -> cb.ResolveCheckpointRequest:
    """The request that approves what was blocked."""
    chosen = {
        "checkpoint_id": failure.metadata["checkpoint_id"],
        "decision_id": str(uuid4()),
        "decision": cb.CHECKPOINT_DECISION_APPROVE,
        **fields,
    }
    return cb.ResolveCheckpointRequest(**chosen)  # type: ignore[arg-type] # as above


def rejection(failure: Failure) -> cb.ResolveCheckpointRequest:
    """The request that rejects what was blocked."""
    return approval(failure, decision=cb.CHECKPOINT_DECISION_REJECT, reason="not today")
