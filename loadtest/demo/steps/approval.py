"""What only a person can let through: blocked, approved, rejected, and by whom not."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from chenu import errors
from chenu.api.governance.v1 import audit_service_pb2
from chenu.api.pipeline.v1 import message_pb2
from loadtest.demo.proof import prove, refused, same
from loadtest.demo.stage import Stage, ask

ENGLISH = "Delete all archived items"
FRENCH = "Supprime tous mes anciens fils"


@dataclass
class Blocked:
    """The two queries that wait for a person, for the steps that follow."""

    english: errors.CheckpointPending
    french: errors.CheckpointPending


async def blocked(stage: Stage) -> tuple[Blocked, list[str]]:
    """Two deletions, in two languages, stop before any provider is called."""
    before = stage.reached()
    waiting = [await _ask(stage, text) for text in (ENGLISH, FRENCH)]
    same(before, stage.reached(), "calls that reached the provider")
    for pending in waiting:
        same("423", pending.metadata["http_status"], "http_status")
        same(("destructive_action",), pending.types, "why a person must look")
    return Blocked(*waiting), [
        f"{text!r} -> {pending.reason} 423, {pending.types[0]}"
        for text, pending in zip((ENGLISH, FRENCH), waiting, strict=True)
    ] + ["the provider was not called"]


async def _ask(stage: Stage, text: str) -> errors.CheckpointPending:
    request = ask(text, request_id=str(uuid.uuid4()))
    call = stage["orders"].pipeline.query(request, timeout_s=10)
    return await refused(errors.CheckpointPending, call)


async def refused_approvers(stage: Stage, waiting: Blocked) -> list[str]:
    """An agent, a service and a person of another identity cannot approve."""
    checkpoint_id, lines = waiting.french.checkpoint_id, []
    for name in ("helper-bot", "orders"):
        no = await refused(errors.RoleRequired, stage[name].checkpoints.approve(checkpoint_id))
        same("user", no.principal_type, "who may approve")
        lines.append(f"{name} approves -> {no.reason}, only a {no.principal_type} may")
    other = await refused(errors.BoundaryViolation, stage["gil"].checkpoints.approve(checkpoint_id))
    return [*lines, f"gil of another identity approves -> {other.reason}"]


async def approved(stage: Stage, waiting: Blocked) -> list[str]:
    """A person's yes runs the query once, however often it is taken up."""
    pending, client = waiting.english, stage["orders"]
    before = stage.reached()
    await stage["ada"].checkpoints.approve(
        pending.checkpoint_id, expected_action_digest=pending.action_digest
    )
    same(before, stage.reached(), "calls at the approval itself")
    texts = []
    for _ in range(3):
        async with client.pipeline.resume(pending.request_id, timeout_s=10) as log:
            async for _event in log:
                pass
        texts.append(log.text)
    prove(bool(texts[0]) and len(set(texts)) == 1, "each reader got the same answer")
    same(before + 1, stage.reached(), "calls after three resumes")
    return ["ada approves; taken up three times, the provider was called once"]


async def rejected(stage: Stage, waiting: Blocked) -> list[str]:
    """A person's no ends the query, and the ledger says who said it and why."""
    pending, client = waiting.french, stage["orders"]
    before = stage.reached()
    reason = "these threads are evidence"
    await stage["ada"].checkpoints.reject(pending.checkpoint_id, reason=reason)
    found = await client.pipeline.get(pending.request_id)
    same(message_pb2.QUERY_STATE_REJECTED, found.query.state, "the query's state")
    log = client.pipeline.resume(pending.request_id, timeout_s=10)
    await refused(errors.ChenuError, _drain(log))
    same(before, stage.reached(), "calls that reached the provider")
    entries = [entry async for entry in stage["ada"].audit.list(_rejections())]
    same(["ada"], [entry.principal.id for entry in entries], "rejections in the ledger, by whom")
    prove(reason in entries[0].reason + entries[0].payload, "the ledger holds the reason")
    return [f"ada rejects; nothing ran, entry {entries[0].sequence} holds her reason"]


def _rejections() -> audit_service_pb2.ListEntriesRequest:
    return audit_service_pb2.ListEntriesRequest(decision=audit_service_pb2.LEDGER_DECISION_REJECT)


async def _drain(log: object) -> None:
    async for _ in log:  # type: ignore[attr-defined]  # a `Log`, which its package keeps to itself
        pass
