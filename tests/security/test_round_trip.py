"""Attack strings are stored and given back byte for byte, on every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from chenu.api.governance.v1 import action_pb2
from chenu.api.governance.v1 import audit_service_pb2 as ab
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import event_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu_server.pipeline.model import CONTEXT_ITEMS_MAX
from tests.harness import Stage, only, staged
from tests.security.attacks import ATTACKS
from tests.service.asking import approval, blocked

MODEL = only("groq", "openai/gpt-oss-120b")
PERSONAL = action_pb2.SPHERE_PERSONAL


@pytest.fixture
async def stored(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A server on each store in turn."""
    async with staged(database_url, tmp_path) as running:
        await running.budget()
        yield running


async def test_an_answer_holds_every_attack_as_it_was_asked(stored: Stage) -> None:
    """Live, in the log and from the store; the model was asked exactly the same."""
    client = stored.client()
    for attack in ATTACKS:
        request_id = str(uuid4())
        asked = f"Repeat this: «{attack}»"
        answered = await client.query(asked, request_id=request_id, routing=MODEL)

        shown = await client.call(
            client.pipeline.GetQuery, pb.GetQueryRequest(request_id=request_id)
        )
        events, _ = await client.events(
            client.pipeline.Watch, pb.WatchRequest(request_id=request_id)
        )

        deltas = [e.llm_call_delta for e in events if e.type == event_pb2.EVENT_TYPE_LLM_CALL_DELTA]
        assert answered.answer.text.endswith(asked)
        assert answered.answer.text == shown.answer.text
        assert answered.answer.text == "".join(delta.text for delta in deltas)


async def test_a_checkpoint_shows_every_attack_as_it_was_asked(stored: Stage) -> None:
    """What a person sees is what would run: text, operation, target."""
    client = stored.client()
    for attack in ATTACKS:
        target = action_pb2.Target(operation=attack, kind="thread", id=attack, sphere=PERSONAL)
        text = f"Delete this: {attack}"
        failure = await blocked(client, text, target=target, intents=[action_pb2.INTENT_DELETE])

        request = cb.GetCheckpointRequest(checkpoint_id=failure.metadata["checkpoint_id"])
        found = (await client.call(client.checkpoints.GetCheckpoint, request)).checkpoint

        assert (text, attack) == (found.text_preview, found.action)
        assert ("thread", attack) == (found.target.kind, found.target.id)


async def test_an_approver_reads_every_attack_as_it_was_given(stored: Stage) -> None:
    """As a context item's content, kind and id: byte for byte, each in its own piece."""
    client, person = stored.client(), stored.person()
    given = [(f"k{attack}"[:64], attack[:256], attack) for attack in ATTACKS]
    for start in range(0, len(given), CONTEXT_ITEMS_MAX):
        part = given[start : start + CONTEXT_ITEMS_MAX]
        items = [pb.ContextItem(kind=kind, id=id_, content=text) for kind, id_, text in part]
        failure = await blocked(client, context_items=items)
        request = cb.GetCheckpointContentRequest(checkpoint_id=failure.metadata["checkpoint_id"])

        answer = await person.call(person.checkpoints.GetCheckpointContent, request)

        shown = [it for it in answer.pieces if it.kind == cb.CONTENT_KIND_CONTEXT_ITEM]
        assert "" == answer.next_page_token
        assert [(f"{kind}/{id_}", text.encode()) for kind, id_, text in part] == [
            (piece.id, piece.data) for piece in shown
        ]


@pytest.mark.parametrize(
    ("kind", "id_"), [("", "a/b"), ("a", "b/c"), ("a", ""), ("", ""), ("..", "../etc"), ("", "//")]
)
async def test_a_target_is_shown_in_its_own_parts(stage: Stage, kind: str, id_: str) -> None:
    """A slash moves no piece of the id into the kind: a person would approve another thing."""
    client = stage.client()
    target = action_pb2.Target(kind=kind, id=id_)
    failure = await blocked(client, target=target)

    request = cb.GetCheckpointRequest(checkpoint_id=failure.metadata["checkpoint_id"])
    found = (await client.call(client.checkpoints.GetCheckpoint, request)).checkpoint

    assert (kind, id_) == (found.target.kind, found.target.id)


async def test_a_kind_with_a_slash_is_refused(stage: Stage) -> None:
    """`a/b` of kind `c` and `b` of kind `c/a` would be one thing to a policy."""
    client = stage.client()
    request = pb.QueryRequest(text="Hello", target=action_pb2.Target(kind="c/a", id="b"))

    failure = await client.fail(client.pipeline.Query, request)

    assert ("INVALID_FIELD", "target.kind") == (failure.reason, failure.metadata["field"])


async def test_a_reason_is_kept_as_the_person_wrote_it(stored: Stage) -> None:
    """In the checkpoint and in the log."""
    client, person = stored.client(), stored.person()
    for attack in ATTACKS:
        failure = await blocked(client)
        reject = approval(failure, decision=cb.CHECKPOINT_DECISION_REJECT, reason=f"no: {attack}")

        resolved = await person.call(person.checkpoints.ResolveCheckpoint, reject)
        request = cb.GetCheckpointRequest(checkpoint_id=failure.metadata["checkpoint_id"])
        found = await client.call(client.checkpoints.GetCheckpoint, request)

        assert f"no: {attack}" == resolved.checkpoint.reason
        assert resolved.checkpoint == found.checkpoint


async def test_after_all_attacks_the_ledger_holds(stored: Stage) -> None:
    """And the tables that were to be dropped are there."""
    client, operator = stored.client(), stored.operator()
    for attack in ATTACKS:
        await client.query(attack, routing=MODEL, validate_only=True)

    verdict = await operator.call(operator.audit.VerifyLedger, ab.VerifyLedgerRequest())

    assert (ab.LEDGER_VERDICT_HOLDS, True) == (verdict.verdict, verdict.entries > len(ATTACKS))
