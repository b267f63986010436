"""Tools that an operator has configured, and a model that calls them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import tool_call_pb2 as tp
from chenu.api.pipeline.v1 import tool_call_service_pb2 as ts
from chenu.release import MemoryReleaseStore, Release, ReleaseKeys, verify_release
from chenu_server.upstream.behaviour import Behaviour
from tests.harness import Client, Stage, only

MODEL: Final = ("groq", "openai/gpt-oss-120b")
AMOUNT: Final = (
    '{"type":"object","properties":{"amount":{"type":"number"},"to":{"type":"string"}},'
    '"required":["amount"]}'
)
LOOK: Final = cp.Tool(name="look", effect=cp.TOOL_EFFECT_READ, parameters='{"type":"object"}')
REFUND: Final = cp.Tool(name="refund", effect=cp.TOOL_EFFECT_READ, parameters=AMOUNT)
"""Which says less of itself than the operator does."""
SECRET: Final = "IBAN-ch93-0076-2011"
PAID: Final = f'{{"amount": 19.99,  "to": "{SECRET}"}}'
CONFIGURED: Final[dict[str, Any]] = {
    "tools.unlisted": "checkpoint",
    "tools.named": {
        "look": {"effect": "read"},
        "refund": {"effect": "payment", "schema": AMOUNT, "audience": "payments"},
    },
}
PASSED, HELD, RELEASED, REFUSED, EXPIRED, CANCELLED = (
    tp.TOOL_CALL_STATE_PASSED,
    tp.TOOL_CALL_STATE_HELD,
    tp.TOOL_CALL_STATE_RELEASED,
    tp.TOOL_CALL_STATE_REFUSED,
    tp.TOOL_CALL_STATE_EXPIRED,
    tp.TOOL_CALL_STATE_CANCELLED,
)


def proposing(stage: Stage, *calls: tuple[str, str], tools: Sequence[cp.Tool] = ()) -> Any:
    """The request of a query that a model answers with these calls: tools and arguments."""
    raw = ", ".join(f"[{json.dumps(tool)}, {json.dumps(text)}]" for tool, text in calls)
    # Once: whoever asks that model next without these tools is answered as ever.
    stage.upstream.script(MODEL[1], [Behaviour(calls=f"[{raw}]")])
    return pb.QueryRequest(
        text="What now?",
        request_id=str(uuid4()),
        tools=tools or [LOOK, REFUND],
        routing=only(*MODEL),
    )


async def taken(client: Client, call_id: str) -> ts.TakeToolCallResponse:
    """A call that may be executed."""
    answer: ts.TakeToolCallResponse = await client.call(
        client.tool_calls.TakeToolCall, ts.TakeToolCallRequest(call_id=call_id)
    )
    return answer


async def not_taken(client: Client, call_id: str) -> str:
    """Why a call may not be executed."""
    request = ts.TakeToolCallRequest(call_id=call_id)
    return (await client.fail(client.tool_calls.TakeToolCall, request)).reason


async def shown(client: Client, call_id: str) -> tp.ToolCallRecord:
    """A call as it stands."""
    answer = await client.call(
        client.tool_calls.GetToolCall, ts.GetToolCallRequest(call_id=call_id)
    )
    record: tp.ToolCallRecord = answer.call
    return record


async def decide(person: Client, call: tp.ProposedCall, **fields: Any) -> None:
    """A person says yes to exactly this call, unless told otherwise."""
    got = await person.call(
        person.checkpoints.GetCheckpoint,
        cb.GetCheckpointRequest(checkpoint_id=call.checkpoint_id),
    )
    chosen = {
        "checkpoint_id": call.checkpoint_id,
        "decision_id": str(uuid4()),
        "decision": cb.CHECKPOINT_DECISION_APPROVE,
        "expected_action_digest": got.checkpoint.action_digest,
        **fields,
    }
    await person.call(person.checkpoints.ResolveCheckpoint, cb.ResolveCheckpointRequest(**chosen))


async def verified(
    client: Client, answer: ts.TakeToolCallResponse, store: MemoryReleaseStore
) -> Release:
    """What the executor finds out, offline."""
    keys = await client.call(client.tool_calls.GetReleaseKeys, ts.GetReleaseKeysRequest())
    return verify_release(
        answer.release,
        answer.arguments_json.encode(),
        tool=answer.call.tool,
        audience=answer.call.audience,
        issuer=keys.issuer,
        keys=ReleaseKeys.read(keys.jwks_json),
        store=store,
        leeway_s=60,
    )
