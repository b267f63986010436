"""An approver can read everything that the digest binds, and nobody else but the asker can."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from chenu.api.governance.v1 import action_pb2
from chenu.api.governance.v1 import audit_service_pb2 as audit
from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import routing_pb2
from chenu_server.infra.rpc.paging import page_token_of
from chenu_server.vocabulary import PrincipalType, Role
from tests.files import png
from tests.harness import Client, Failure, Stage
from tests.service.asking import approval, blocked, rejection
from tests.service.recomputing import SPOKEN, block, recomputed

LONG = "Delete all archived items. " + "é🎈x" * 16_000
ITEMS = [
    pb.ContextItem(kind="note", id="7", sphere=action_pb2.SPHERE_TEAM, content="a\n</context>\nb"),
    pb.ContextItem(kind='k"<&>', id="", content=""),
    pb.ContextItem(kind="file", id="a/b", content="\x00\u202e ende"),
]
CONVERSATION: dict[str, Any] = {
    "messages": [
        cp.ChatMessage(role=cp.MESSAGE_ROLE_SYSTEM, parts=[cp.Part(text="Be brief.")]),
        cp.ChatMessage(
            role=cp.MESSAGE_ROLE_USER,
            parts=[
                cp.Part(text="Delete all archived items"),
                cp.Part(image=cp.Image(data=png(), media_type="image/png")),
                cp.Part(document=cp.Document(url="https://a/b.pdf", name="the list")),
                cp.Part(text="now"),
            ],
        ),
        cp.ChatMessage(
            role=cp.MESSAGE_ROLE_ASSISTANT,
            parts=[
                cp.Part(reasoning=cp.Reasoning(text="hm", signature="s")),
                cp.Part(tool_call=cp.ToolCall(call_id="c", name="look", arguments_json='{"a": 1}')),
            ],
        ),
        cp.ChatMessage(
            role=cp.MESSAGE_ROLE_TOOL,
            parts=[cp.Part(tool_result=cp.ToolResult(call_id="c", text="none left"))],
        ),
    ],
    "tools": [
        cp.Tool(
            name="look",
            effect=cp.TOOL_EFFECT_READ,
            description="Looks.",
            parameters='{"type": "object"}',
        )
    ],
    "sampling": cp.Sampling(stop=["END"]),
    "tool_use": cp.ToolUse(parallel=cp.PARALLEL_CALLS_FORBIDDEN),
    "thinking": cp.Thinking(effort=cp.THINKING_EFFORT_LOW),
    "thread_id": "thread 7",
}


async def asked(stage: Stage, **fields: object) -> Failure:
    """A blocked query with everything in it that a digest binds."""
    bot = stage.client(type=PrincipalType.AGENT, name="bot", acting_for=["user:carol"])
    chosen: dict[str, Any] = {
        "text": "Delete all archived items",
        "context_items": ITEMS,
        "intents": [action_pb2.INTENT_DELETE],
        "target": action_pb2.Target(kind="thread", id="42", sphere=action_pb2.SPHERE_BUSINESS),
        "routing": routing_pb2.RoutingRequest(forbidden_providers=["groq"], regions=["us"]),
        **fields,
    }
    return await blocked(bot, **chosen)


async def read(
    client: Client, failure: Failure, page_bytes: int = 0
) -> list[cb.GetCheckpointContentResponse]:
    """Every page of what an approval would bind."""
    request = cb.GetCheckpointContentRequest(
        checkpoint_id=failure.metadata["checkpoint_id"], page_bytes=page_bytes
    )
    pages = []
    while True:
        pages.append(await client.call(client.checkpoints.GetCheckpointContent, request))
        if not pages[-1].next_page_token:
            return pages
        request.page_token = pages[-1].next_page_token


def things(pages: Sequence[cb.GetCheckpointContentResponse]) -> list[tuple[Any, str, bytes]]:
    """The whole things that the pieces are of: kind, id, bytes."""
    whole: list[tuple[Any, str, bytes]] = []
    for piece in (piece for page in pages for piece in page.pieces):
        if piece.offset == 0:
            whole.append((piece.kind, piece.id, b""))
        kind, name, before = whole[-1]
        assert (piece.kind, piece.id, piece.offset) == (kind, name, len(before))
        whole[-1] = (kind, name, before + piece.data)
    return whole


def text_of(whole: list[tuple[Any, str, bytes]]) -> str:
    """The text that was asked."""
    return next(data for kind, _, data in whole if kind == cb.CONTENT_KIND_TEXT).decode()


@pytest.mark.parametrize("page_bytes", [0, 13, 1_000, 1_048_576])
async def test_all_that_was_asked_is_read_byte_for_byte(stage: Stage, page_bytes: int) -> None:
    """However it is cut; and the digest of what was read is the checkpoint's."""
    failure = await asked(stage)

    pages = await read(stage.person(), failure, page_bytes)

    whole = things(pages)
    items = [(name, data) for kind, name, data in whole if kind == cb.CONTENT_KIND_CONTEXT_ITEM]
    assert [(f"{item.kind}/{item.id}", item.content.encode()) for item in ITEMS] == items
    assert "Delete all archived items" == text_of(whole)
    assert {sum(len(data) for _, _, data in whole)} == {page.total_bytes for page in pages}
    assert failure.metadata["action_digest"] == recomputed(whole).hex()


@pytest.mark.parametrize("items", [[], ITEMS])
async def test_the_longest_text_is_read_whole(stage: Stage, items: list[pb.ContextItem]) -> None:
    """48,000 characters that the preview leaves out decide what runs."""
    failure = await asked(stage, text=LONG, context_items=items)

    whole = things(await read(stage.person(), failure))

    assert LONG == text_of(whole)
    assert failure.metadata["action_digest"] == recomputed(whole).hex()


async def test_the_facts_name_who_for_whom_and_every_limit(stage: Stage) -> None:
    """In the words that policies and the ledger use."""
    failure = await asked(stage, max_output_tokens=77, max_cost_nanousd=10**12)

    (kind, _, data), *_ = things(await read(stage.person(), failure))
    facts = json.loads(data)

    assert cb.CONTENT_KIND_FACTS == kind
    assert ("acme", "agent:bot", ["user:carol"]) == (
        facts["identity"],
        facts["principal"],
        facts["acting_for"],
    )
    assert (["delete"], "nova.query", 77, 10**12) == (
        facts["intents"],
        facts["operation"],
        facts["output_cap"],
        facts["max_cost_nanousd"],
    )
    assert (["groq"], ["us"]) == (
        facts["routing"]["forbidden_providers"],
        facts["routing"]["regions"],
    )
    assert ("personal", ["business", "team"]) == (facts["sphere"], facts["spheres"])
    assert failure.metadata["action_digest"] == facts["action_digest"]


async def test_what_runs_is_what_was_read(stage: Stage) -> None:
    """The provider gets the blocks and the text, and costs no more than was approved."""
    person, bot = stage.person(), stage.client(type=PrincipalType.AGENT, name="bot")
    failure = await asked(stage)
    whole = things(await read(person, failure))
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
    request = pb.ContinueRequest(request_id=failure.metadata["request_id"])

    await bot.events(bot.pipeline.Continue, request)

    facts = json.loads(whole[0][2])
    blocks = [
        block(facts["context_tag"], {"kind": item.kind, "id": item.id}, item.content)
        for item in ITEMS
    ]
    user = "\n\n".join([*blocks, text_of(whole)])
    assert user in strings_of(json.loads(stage.upstream.bodies[-1]))
    assert stage.upstream.bill.total_nanousd <= facts["max_cost_nanousd"]


def strings_of(value: Any) -> list[str]:
    """Every text in a provider's request, whatever its wire."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for each in value for text in strings_of(each)]
    return [value] if isinstance(value, str) else []


async def test_content_stays_readable_whatever_became_of_the_checkpoint(stage: Stage) -> None:
    """Why somebody said yes or no can be looked up afterwards."""
    person, bot = stage.person(), stage.client(type=PrincipalType.AGENT, name="bot")
    made = [await asked(stage, text=f"Delete item {number}") for number in range(4)]
    before = [things(await read(person, failure)) for failure in made]
    await person.call(person.checkpoints.ResolveCheckpoint, approval(made[0]))
    await bot.events(
        bot.pipeline.Continue, pb.ContinueRequest(request_id=made[0].metadata["request_id"])
    )
    await person.call(person.checkpoints.ResolveCheckpoint, approval(made[1]))
    await person.call(person.checkpoints.ResolveCheckpoint, rejection(made[2]))
    cancel = cb.CancelCheckpointRequest(checkpoint_id=made[3].metadata["checkpoint_id"])
    await bot.call(bot.checkpoints.CancelCheckpoint, cancel)

    after = [things(await read(person, failure)) for failure in made]

    assert before == after


# --- who may ----------------------------------------------------------------------------------


async def test_the_asker_and_any_approver_may_read_it(stage: Stage) -> None:
    """Also a machine with the role: to read is not to decide."""
    failure = await asked(stage)
    asker = stage.client(type=PrincipalType.AGENT, name="bot")
    both = (Role.MEMBER, Role.APPROVER)
    machine = stage.client(roles=both, type=PrincipalType.SERVICE, name="inbox")

    read_by = [await read(client, failure) for client in (stage.person(), asker, machine)]

    assert read_by[0] == read_by[1] == read_by[2]


@pytest.mark.parametrize(
    ("type_", "name", "roles"),
    [
        (PrincipalType.AGENT, "other", (Role.MEMBER,)),
        (PrincipalType.SERVICE, "bot", (Role.MEMBER,)),
        (PrincipalType.USER, "carol", (Role.MEMBER, Role.AUDITOR, Role.BUDGET_ADMIN)),
    ],
)
async def test_nobody_else_in_the_identity_may(
    stage: Stage, type_: PrincipalType, name: str, roles: Sequence[Role]
) -> None:
    """No colleague, no service of the agent's name, not the one it acts for, no auditor."""
    failure = await asked(stage)
    other = stage.client(type=type_, name=name, roles=roles)
    token = (await read(stage.person(), failure, 13))[0].next_page_token
    request = cb.GetCheckpointContentRequest(checkpoint_id=failure.metadata["checkpoint_id"])

    refused = await other.fail(other.checkpoints.GetCheckpointContent, request)
    request.page_token = token
    with_token = await other.fail(other.checkpoints.GetCheckpointContent, request)

    assert ("ROLE_REQUIRED", {"role": "approver"}) == (refused.reason, dict(refused.metadata))
    assert "ROLE_REQUIRED" == with_token.reason


async def test_the_preview_is_for_the_asker_and_for_approvers(stage: Stage) -> None:
    """A short text is whole in its preview; the question, which members see, quotes nothing."""
    secret = "Delete the folder called aubergine"
    failure = await asked(stage, text=secret)
    request = cb.GetCheckpointRequest(checkpoint_id=failure.metadata["checkpoint_id"])
    asker = stage.client(type=PrincipalType.AGENT, name="bot")
    member = stage.client(name="colleague")

    shown = [
        (await client.call(client.checkpoints.GetCheckpoint, request)).checkpoint
        for client in (stage.person(), asker, member)
    ]
    listed = await member.call(member.checkpoints.ListCheckpoints, cb.ListCheckpointsRequest())
    watch = pb.GetQueryRequest(request_id=failure.metadata["request_id"])
    query = await member.call(member.pipeline.GetQuery, watch)

    assert [secret, secret, ""] == [checkpoint.text_preview for checkpoint in shown]
    assert "aubergine" not in f"{shown[2]} {listed} {query}"
    assert "aubergine" not in f"{failure.message} {failure.details} {failure.trailers}"


async def test_the_ledgers_preview_is_for_auditors(stage: Stage) -> None:
    """Its first hundred characters, as ARCHITECTURE.md says; members read no entries."""
    failure = await asked(stage, text="Delete it. " + "x" * 200)
    request = audit.ListEntriesRequest(resource_id=failure.metadata["request_id"])
    auditor = stage.client(roles=(Role.AUDITOR,), name="auditor", type=PrincipalType.USER)
    member = stage.client(name="colleague")

    entries = await auditor.call(auditor.audit.ListEntries, request)
    refused = await member.fail(member.audit.ListEntries, request)

    (payload,) = [json.loads(entry.payload) for entry in entries.entries]
    assert "Delete it. " + "x" * 89 == payload["text"]
    assert "ROLE_REQUIRED" == refused.reason


# --- pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("page_bytes", [-1, 1_048_577, 2**31 - 1])
async def test_a_page_has_a_largest_size(stage: Stage, page_bytes: int) -> None:
    """A message has, too."""
    person = stage.person()
    request = cb.GetCheckpointContentRequest(checkpoint_id=str(uuid4()), page_bytes=page_bytes)

    refused = await person.fail(person.checkpoints.GetCheckpointContent, request)

    assert ("INVALID_FIELD", "page_bytes") == (refused.reason, refused.metadata["field"])


async def test_a_token_belongs_to_its_checkpoint_and_names_a_place_in_it(stage: Stage) -> None:
    """It is no secret and gives no right; one of another listing is a mistake."""
    person = stage.person()
    one, other = await asked(stage), await asked(stage, text="Delete another thing")
    about = ("checkpoint_content", "acme", one.metadata["checkpoint_id"])
    token = (await read(person, other, 13))[0].next_page_token
    made_up = [
        page_token_of(after, about) for after in [("99", "0"), ("0", "9" * 9), ("x",), ("1",)]
    ]

    for each in ("garbage", token, *made_up, page_token_of(("9" * 30, "0"), about)):
        request = cb.GetCheckpointContentRequest(
            checkpoint_id=one.metadata["checkpoint_id"], page_token=each
        )
        refused = await person.fail(person.checkpoints.GetCheckpointContent, request)

        assert ("INVALID_FIELD", "page_token") == (refused.reason, refused.metadata["field"])


async def test_all_of_a_conversation_is_read_and_bound(stage: Stage) -> None:
    """Every part with its place, every option: what a person does not see nobody approved."""
    failure = await asked(stage, text="", **CONVERSATION)

    whole = things(await read(stage.person(), failure, 7))

    spoken = [(name, data) for kind, name, data in whole if kind in SPOKEN]
    assert [
        ("0/0", b"Be brief."),
        ("1/0", b"Delete all archived items"),
        ("1/1", png()),
        ("1/2", b"https://a/b.pdf"),
        ("1/3", b"now"),
        ("2/0", b"hm"),
        ("2/1", b'{"a": 1}'),
        ("3/0", b"none left"),
    ] == spoken
    assert recomputed(whole).hex() == failure.metadata["action_digest"]
