"""What a model proposes to do: one call passes, one waits until a person has seen exactly it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import uuid
from functools import partial
from pathlib import Path

from chenu import errors
from chenu.api.pipeline.v1 import conversation_pb2 as c
from chenu.api.pipeline.v1 import message_pb2, pipeline_service_pb2, tool_call_pb2
from chenu.api.pipeline.v1 import tool_call_service_pb2 as ts
from chenu.names import name_of
from chenu.release import (
    Release,
    ReleaseError,
    ReleaseKeys,
    ReleaseProblem,
    SqlReleaseStore,
    verify_release,
)
from loadtest.demo.proof import prove, refused, same
from loadtest.demo.stage import EXECUTOR, LOOK_UP, REFUND, REFUND_SCHEMA, Stage, only

MODEL = "mistral-large-4"  # of mistral, for this step alone
ANY = '{"type":"object"}'
LOOKED_UP = '{"order": 7}'
REFUNDED = '{"order": 7, "amount": 49.90}'
LEEWAY_S = 5


async def gated(stage: Stage) -> list[str]:
    """Two calls in one answer: by policy and by a person, each executed once."""
    look, refund = await _proposed(stage)
    return [
        await _redeemed(stage, look),
        *await _approved(stage, refund),
        *await _executed(stage, refund),
    ]


async def _proposed(
    stage: Stage,
) -> tuple[tool_call_pb2.ProposedCall, tool_call_pb2.ProposedCall]:
    """What the model wants; the arguments of what is held are in no event and no answer."""
    calls = [[LOOK_UP, LOOKED_UP], [REFUND, REFUNDED]]
    stage.upstream.behave(MODEL, calls=json.dumps(calls))
    request = pipeline_service_pb2.QueryRequest(
        text="Order 7 came broken. What now?",
        request_id=str(uuid.uuid4()),
        tools=[
            c.Tool(name=LOOK_UP, effect=c.TOOL_EFFECT_READ, parameters=ANY),
            # Less than the operator says of it, whose word holds.
            c.Tool(name=REFUND, effect=c.TOOL_EFFECT_READ, parameters=REFUND_SCHEMA),
        ],
        routing=only(MODEL),
        mode=c.QUERY_MODE_GENERATION,
    )
    answer, events = message_pb2.Answer(), []
    async with stage["orders"].pipeline.run(request, timeout_s=20) as log:
        async for event in log:
            events.append(event)
            if event.HasField("pipeline_complete"):
                answer.CopyFrom(event.pipeline_complete.answer)
    look, refund = answer.tool_calls
    same("passed", _state(look), "what became of the call that reads")
    same("held", _state(refund), "what became of the refund")
    told = [part.tool_call.arguments_json for part in log.parts]
    same([LOOKED_UP, ""], told, "the arguments that are told")
    prove(all("49.9" not in str(event) for event in events), "no event has the refund's arguments")
    return look, refund


def _state(call: tool_call_pb2.ProposedCall) -> str:
    return name_of(tool_call_pb2.ToolCallState, call.state)


async def _redeemed(stage: Stage, call: tool_call_pb2.ProposedCall) -> str:
    """No person was asked, and there is a proof all the same: used up online."""
    taken = await stage["orders"].tool_calls.take(call.call_id)
    redeem = partial(
        stage[EXECUTOR].tool_calls.redeem,
        taken.release,
        tool=LOOK_UP,
        audience=LOOK_UP,  # nobody is named for it: whoever is called as it is
        arguments_json=taken.arguments_json,
    )
    redeemed = await redeem()
    same(tool_call_pb2.RELEASE_BASIS_POLICY, redeemed.basis, "why the call that reads passed")
    again = await refused(errors.Conflict, redeem())
    same("RELEASE_USED", again.reason, "the second redemption")
    return f"{LOOK_UP} {LOOKED_UP} -> passed; redeemed online once, then {again.reason}"


async def _approved(stage: Stage, call: tool_call_pb2.ProposedCall) -> list[str]:
    """A person sees the very bytes, and says yes to exactly them."""
    early = await refused(errors.CheckpointPending, stage["orders"].tool_calls.take(call.call_id))
    same(call.checkpoint_id, early.checkpoint_id, "where the refund waits")
    checkpoints = stage["ada"].checkpoints
    shown = b"".join(
        [piece.data async for piece in checkpoints.content(call.checkpoint_id)]
    ).decode()
    prove(REFUNDED in shown, "the person is shown the arguments byte for byte")
    seen = await checkpoints.get(call.checkpoint_id)
    await checkpoints.approve(call.checkpoint_id, expected_action_digest=seen.action_digest)
    return [
        f"{REFUND} -> held, {early.reason} to who would take it, its arguments hidden",
        f"ada is shown {REFUNDED} and approves action {seen.action_digest.hex()[:12]}…",
    ]


async def _executed(stage: Stage, call: tool_call_pb2.ProposedCall) -> list[str]:
    """The executor asks nobody: the gateway's public keys and a table of its own are enough."""
    taken = await stage["orders"].tool_calls.take(call.call_id)
    keys = await stage[EXECUTOR].tool_calls.release_keys()
    payments = _Payments(stage.directory / "payments.db", keys.issuer, keys.jwks_json)
    release = await asyncio.to_thread(payments.refund, taken)
    same(("person", call.call_id), (release.basis, release.call_id), "what the release says")
    same(taken.call.action_digest.hex(), release.action_digest, "what was approved")
    try:
        await asyncio.to_thread(payments.refund, taken)
    except ReleaseError as error:
        same(ReleaseProblem.REPLAYED, error.problem, "the second execution")
    same([REFUNDED], payments.paid, "what was paid")
    return [
        f"{release.principal} takes it; {release.audience} verifies the release offline,"
        f" by {release.basis}, and pays",
        f"the same once more -> {ReleaseProblem.REPLAYED}; it has paid once",
    ]


class _Payments:
    """A service that executes refunds, and trusts nothing but a release."""

    def __init__(self, file: Path, issuer: str, jwks_json: str) -> None:
        self.paid: list[str] = []
        self._issuer = issuer
        self._keys = ReleaseKeys.read(jwks_json)
        self._used = SqlReleaseStore(lambda: sqlite3.connect(file), paramstyle=sqlite3.paramstyle)
        self._used.create_table()

    def refund(self, taken: ts.TakeToolCallResponse) -> Release:
        """Pay what was released, once."""
        arguments = taken.arguments_json.encode()
        release = verify_release(
            taken.release,
            arguments,
            tool=REFUND,
            audience=EXECUTOR,
            issuer=self._issuer,
            keys=self._keys,
            store=self._used,
            leeway_s=LEEWAY_S,
        )
        prove(json.loads(arguments)["amount"] == 49.9, "it pays what the arguments say")
        self.paid.append(arguments.decode())
        return release
