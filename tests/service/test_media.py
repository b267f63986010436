"""Images and documents through the whole gateway: sent, bounded, approved, stored once, swept."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from chenu.api.governance.v1 import checkpoint_service_pb2 as cb
from chenu.api.pipeline.v1 import conversation_pb2 as cp
from chenu.api.pipeline.v1 import message_pb2, routing_pb2
from chenu.api.pipeline.v1 import pipeline_service_pb2 as pb
from chenu.api.pipeline.v1 import router_service_pb2 as rb
from tests.files import PDF, gif, jpeg, png, webp
from tests.harness import Client, Failure, Stage, eventually, only, staged
from tests.service.asking import approval, blocked

CLAUDE = ("anthropic", "claude-sonnet-5-5")
GPT = ("openai", "gpt-6.1-terra")
GROQ = ("groq", "openai/gpt-oss-120b")
# What Claude's input costs at most, in nano-USD a million tokens: a cache write's price.
CLAUDE_INPUT = 2_500_000_000
CLAUDE_CONTEXT = 1_000_000
URL = "https://127.0.0.1:1/never/fetched.png"


def image(data: bytes, media_type: str = "image/png") -> cp.Part:
    """An image that is here."""
    return cp.Part(image=cp.Image(data=data, media_type=media_type))


def document(data: bytes = PDF, name: str = "") -> cp.Part:
    """A document that is here."""
    return cp.Part(document=cp.Document(data=data, media_type="application/pdf", name=name))


def asks(*parts: cp.Part, text: str = "What is this?") -> list[cp.ChatMessage]:
    """One message of a user with files, then a text."""
    return [cp.ChatMessage(role=cp.MESSAGE_ROLE_USER, parts=[*parts, cp.Part(text=text)])]


async def told(stage: Stage, model: tuple[str, str], *parts: cp.Part) -> list[dict[str, Any]]:
    """The blocks of the user's message as the provider got them."""
    await stage.client().query("", messages=asks(*parts), routing=only(*model))
    blocks: list[dict[str, Any]] = json.loads(stage.upstream.bodies[-1])["messages"][-1]["content"]
    return blocks


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (png(), "image/png"),
        (jpeg(), "image/jpeg"),
        (gif(), "image/gif"),
        (webp(), "image/webp"),
    ],
)
async def test_an_image_reaches_both_wires_byte_for_byte(
    stage: Stage, data: bytes, media_type: str
) -> None:
    """Each in the shape that its wire has for it."""
    encoded = base64.b64encode(data).decode()

    messages = await told(stage, CLAUDE, image(data, media_type))
    chat = await told(stage, GPT, image(data, media_type))

    source = {"type": "base64", "media_type": media_type, "data": encoded}
    assert [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}] == (
        messages
    )
    assert {"url": f"data:{media_type};base64,{encoded}"} == chat[0]["image_url"]


async def test_a_document_and_its_name_reach_the_provider(stage: Stage) -> None:
    """The name is what the model calls it by."""
    first, _ = await told(stage, CLAUDE, document(PDF, "Q3 report"))

    assert ("document", "Q3 report") == (first["type"], first["title"])
    assert PDF == base64.b64decode(first["source"]["data"])


async def test_an_address_is_passed_on_and_never_fetched(stage: Stage) -> None:
    """Who can make the server fetch can make it fetch what only the server can reach."""
    part = cp.Part(image=cp.Image(url=URL), cache_hint=cp.CACHE_HINT_EPHEMERAL)

    first, _ = await told(stage, CLAUDE, part)

    assert {"type": "url", "url": URL} == first["source"]
    assert {"type": "ephemeral"} == first["cache_control"]


@pytest.mark.parametrize(
    ("model", "part", "missing"),
    [
        (GPT, document(), "documents"),
        (GROQ, image(png()), "vision"),
        (("google", "gemini-3.8-flash"), cp.Part(image=cp.Image(url=URL)), "image_urls"),
    ],
)
async def test_what_a_model_cannot_look_at_is_no_route(
    stage: Stage, model: tuple[str, str], part: cp.Part, missing: str
) -> None:
    """It is never left out in silence; what it would be counted as is not known for all."""
    client = stage.client()
    request = pb.QueryRequest(messages=asks(part), routing=only(*model))

    failure = await client.fail(client.pipeline.Query, request)

    assert ("NO_ROUTE", missing) == (failure.reason, failure.metadata["missing"])
    assert 0 == stage.upstream.arrivals_total


REFUSED = [
    ("data", image(b"not a picture")),
    ("data", image(png()[:20])),
    ("data", image(png(0, 2))),
    ("data", image(jpeg(), "image/png")),
    ("data", image(PDF, "image/png")),
    ("data", document(png())),
    ("media_type", image(png(), "image/tiff")),
    ("media_type", image(png(), "")),
    ("media_type", cp.Part(image=cp.Image(url=URL, media_type="image/png"))),
    ("image", cp.Part(image=cp.Image(media_type="image/png"))),
    ("data", image(b"")),
    ("url", cp.Part(image=cp.Image(url="http://example.com/a.png"))),
    ("url", cp.Part(image=cp.Image(url="file:///etc/passwd"))),
    ("url", cp.Part(image=cp.Image(url="https://"))),
    ("url", cp.Part(image=cp.Image(url="https://a/" + "b" * 2_040))),
    ("url", cp.Part(document=cp.Document(url="https://a/b c"))),
    ("name", document(PDF, "n" * 257)),
]


@pytest.mark.parametrize(("field", "part"), REFUSED)
async def test_a_file_that_is_not_what_it_says_is_refused_by_its_field(
    stage: Stage, field: str, part: cp.Part
) -> None:
    """Before anything of it is kept."""
    failure = await stage.client().fail(
        stage.client().pipeline.Query, pb.QueryRequest(messages=asks(part))
    )

    assert "INVALID_FIELD" == failure.reason
    assert failure.metadata["field"].startswith("messages.parts.")
    assert failure.metadata["field"].endswith(field)
    assert [] == rows(stage, "stored_files")


async def test_files_are_the_users_and_not_too_many(stage: Stage) -> None:
    """Nobody else speaks in pictures."""
    client, speaker = stage.client(), cp.MESSAGE_ROLE_SYSTEM
    spoken = [cp.ChatMessage(role=speaker, parts=[image(png())]), *asks()]

    failures = [
        await client.fail(client.pipeline.Query, pb.QueryRequest(messages=messages))
        for messages in (spoken, asks(*[image(png())] * 65))
    ]

    assert ["INVALID_FIELD"] * 2 == [failure.reason for failure in failures]


async def bound_of(client: Client, *parts: cp.Part, model: tuple[str, str] = CLAUDE) -> int:
    """What a query with these files could cost at most, its answer left out."""
    response = await client.query(
        "", messages=asks(*parts), routing=only(*model), validate_only=True, max_output_tokens=1
    )
    return response.validation.cost_bound_nanousd


async def test_an_image_costs_by_its_pixels_and_the_models_rule(stage: Stage) -> None:
    """Its bytes count for nothing: here patches of 28 pixels, 4,784 at most."""
    client = stage.client()
    small = await bound_of(client, image(png(1, 1)))

    wide = await bound_of(client, image(png(281, 56)))
    large = await bound_of(client, image(png(8_000, 8_000)))
    heavy = await bound_of(client, image(png(1, 1, b"x" * 100_000)))

    assert (11 * 2 - 1) * CLAUDE_INPUT // 1_000_000 == wide - small
    assert (4_784 - 1) * CLAUDE_INPUT // 1_000_000 == large - small
    assert small == heavy


async def test_what_is_elsewhere_or_has_unknown_pages_costs_the_dearest(stage: Stage) -> None:
    """And never more than the whole context window."""
    client = stage.client()
    nowhere = cp.Part(image=cp.Image(url=URL))
    largest = await bound_of(client, image(png(8_000, 8_000)))

    assert abs(largest - await bound_of(client, nowhere)) < 400 * CLAUDE_INPUT // 1_000_000
    whole_context = CLAUDE_CONTEXT * CLAUDE_INPUT // 1_000_000
    answer = 10_000_000_000 // 1_000_000
    for parts in ([document()], [document(), document(PDF + b"2"), nowhere]):
        assert whole_context + answer == await bound_of(client, *parts)


async def test_a_model_that_takes_no_file_so_large_is_passed_by(stage: Stage) -> None:
    """Where another one takes it; else the field is refused, before anything is kept."""
    client = stage.client()
    wide = asks(image(png(8_001, 1)))
    either = routing_pb2.RoutingRequest(allowed_providers=["anthropic", "openai"])

    answered = await client.query("", messages=wide, routing=either)
    failure = await client.fail(
        client.pipeline.Query, pb.QueryRequest(messages=wide, routing=only(*CLAUDE))
    )

    assert "openai" == answered.answer.provider
    assert ("INVALID_FIELD", "messages.parts") == (failure.reason, failure.metadata["field"])


async def test_the_catalogue_tells_which_files_a_model_takes(stage: Stage) -> None:
    """So that a caller can scale down before it asks."""
    client = stage.client()

    response = await client.call(client.router.GetProvider, rb.GetProviderRequest(name="anthropic"))

    limits = {model.name: model.media for model in response.provider.models}[CLAUDE[1]]
    assert (20, 7_500_000, 8_000, 4_784) == (
        limits.images_max,
        limits.image_bytes_max,
        limits.image_edge_max,
        limits.image_tokens_max,
    )


# --- approval -----------------------------------------------------------------------------------

DELETE = "Delete all archived items"


async def content_of(person: Client, failure: Failure, page_bytes: int) -> dict[str, bytes]:
    """All that an approval binds, by kind, read in pages."""
    whole: dict[str, bytes] = {}
    request = cb.GetCheckpointContentRequest(
        checkpoint_id=failure.metadata["checkpoint_id"], page_bytes=page_bytes
    )
    while True:
        page = await person.call(person.checkpoints.GetCheckpointContent, request)
        for piece in page.pieces:
            kind = cb.ContentKind.Name(piece.kind)
            assert len(whole.setdefault(kind, b"")) == piece.offset
            whole[kind] += piece.data
        if not page.next_page_token:
            assert page.total_bytes == sum(map(len, whole.values()))
            return whole
        request.page_token = page.next_page_token


async def test_an_approver_reads_the_file_whole_and_the_provider_gets_that_one(
    stage: Stage,
) -> None:
    """In pages smaller than a stored chunk and not a divisor of it."""
    client, person = stage.client(), stage.person()
    picture = png(28, 28, bytes(range(256)) * 700)
    parts = [image(picture), document(PDF, "the list")]
    failure = await blocked(client, "", messages=asks(*parts, text=DELETE), routing=only(*CLAUDE))

    content = await content_of(person, failure, 70_001)
    await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
    request = pb.ContinueRequest(request_id=failure.metadata["request_id"])
    await client.events(client.pipeline.Continue, request)

    assert (picture, PDF) == (content["CONTENT_KIND_IMAGE"], content["CONTENT_KIND_DOCUMENT"])
    facts = json.loads(content["CONTENT_KIND_FACTS"])
    shown = [part["media"] for part in facts["conversation"]["messages"][0]["parts"][:2]]
    assert [hashlib.sha256(data).hexdigest() for data in (picture, PDF)] == [
        medium["sha256"] for medium in shown
    ]
    assert "the list" in json.dumps(facts)
    first, second, _ = json.loads(stage.upstream.bodies[-1])["messages"][0]["content"]
    assert picture == base64.b64decode(first["source"]["data"])
    assert PDF == base64.b64decode(second["source"]["data"])


async def test_an_approval_binds_the_file(stage: Stage) -> None:
    """One bit more, and it is another action; the very same file is the very same one."""
    client = stage.client()

    digests = [
        (
            await client.query(
                "",
                messages=asks(image(data), text=DELETE),
                routing=only(*CLAUDE),
                validate_only=True,
            )
        ).validation.action_digest
        for data in (png(2, 2), png(2, 2), png(2, 2, b"x"))
    ]

    assert digests[0] == digests[1] != digests[2]


async def test_a_documents_name_is_read_like_any_text(stage: Stage) -> None:
    """What asks for something to be done asks for it wherever it stands."""
    failure = await blocked(
        stage.client(), "", messages=asks(document(PDF, DELETE)), routing=only(*CLAUDE)
    )

    assert "CHECKPOINT_PENDING" == failure.reason


# --- storage ------------------------------------------------------------------------------------


def rows(stage: Stage, table: str) -> Sequence[Any]:
    """All rows of a table."""
    engine = sa.create_engine(stage.settings.database.url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        return connection.execute(sa.text(f"SELECT * FROM {table}")).all()


async def test_a_file_is_stored_once_for_all_who_send_it_in_an_identity(stage: Stage) -> None:
    """And never shared with another: who sends a file must not learn who else has it."""
    client, other = stage.client(), stage.client("globex")
    await stage.budget("globex")
    for asker in (client, client, other):
        await asker.query("", messages=asks(image(png())), routing=only(*CLAUDE))

    await stage.application.files.sweep()

    assert 2 == len(rows(stage, "stored_files"))
    assert 3 == len(rows(stage, "used_files"))
    assert [] == rows(stage, "held_files")


async def test_validation_and_refusal_keep_nothing(stage: Stage) -> None:
    """A file of a query that was never recorded is swept; what is used by another stays."""
    client = stage.client()
    kept, dropped = asks(image(png())), asks(image(png()), image(png(4, 4)))
    await client.query("", messages=kept, routing=only(*CLAUDE))
    await client.query("", messages=dropped, routing=only(*CLAUDE), validate_only=True)
    taken = str(uuid4())
    await client.query("Hi", request_id=taken)

    failure = await client.fail(
        client.pipeline.Query,
        pb.QueryRequest(request_id=taken, messages=dropped, routing=only(*CLAUDE)),
    )
    held = len(rows(stage, "held_files"))
    await stage.application.files.sweep()

    assert "REQUEST_ID_CONFLICT" == failure.reason
    assert held in (0, 3)  # known already, or found out only when it asked to be admitted
    assert 1 == len(rows(stage, "stored_files"))
    assert 1 == len(rows(stage, "file_chunks"))


# --- size ---------------------------------------------------------------------------------------

MEDIA_MAX = 20_971_520
TEXT_MAX = 262_144


def sized(bytes_: int, *more: cp.Part) -> pb.QueryRequest:
    """A request of exactly so many bytes, nearly all of them in images that Claude takes."""
    whole = png(1, 1, b"x" * 7_000_000)
    parts = [image(whole), image(whole)]
    request = pb.QueryRequest(messages=asks(*parts, image(png()), *more), routing=only(*CLAUDE))
    missing = bytes_ - request.ByteSize()
    while request.ByteSize() != bytes_:
        request.messages[0].parts[2].image.data = png(1, 1, b"x" * missing)
        missing += bytes_ - request.ByteSize()
    return request


async def test_a_request_with_files_may_have_twenty_mebibytes(stage: Stage) -> None:
    """And not a byte more; what of it is no file is bounded as it always is."""
    client = stage.client()
    largest = sized(MEDIA_MAX)

    answer = await client.call(client.pipeline.Query, largest, timeout_s=60)
    refused = [
        await client.fail(client.pipeline.Query, request)
        for request in (
            sized(MEDIA_MAX + 1),
            pb.QueryRequest(
                messages=[*asks(image(png()), text="x" * 50_000) * 5, *asks(text="x" * 50_000)]
            ),
        )
    ]

    assert message_pb2.STOP_REASON_END == answer.answer.stop_reason
    assert stage.upstream.arrivals[-1].body_bytes > MEDIA_MAX * 4 // 3
    assert message_pb2.COST_BASIS_EXACT == answer.query.cost_basis
    assert [("REQUEST_TOO_LARGE", str(limit)) for limit in (MEDIA_MAX, TEXT_MAX)] == [
        (failure.reason, failure.metadata["limit_bytes"]) for failure in refused
    ]
    assert 2 == len(rows(stage, "used_files"))  # two of the three are one file


async def test_a_large_body_reaches_the_other_wire_too(stage: Stage) -> None:
    """Its client writes what is large in pieces."""
    large = asks(image(png(1, 1, b"x" * 9_000_000)))

    answer = await stage.client().query("", messages=large, routing=only(*GPT))

    assert message_pb2.STOP_REASON_END == answer.answer.stop_reason
    assert stage.upstream.arrivals[-1].body_bytes > 12_000_000


async def test_files_count_for_as_long_as_their_query_runs(sqlite_url: str, tmp_path: Path) -> None:
    """Whoever asked may have left: what a query holds is held all the same."""
    one_place = {"server.receiving_per_identity_bytes": 22_020_096}
    async with staged(sqlite_url, tmp_path, one_place) as stage:
        await stage.budget()
        client = stage.client()
        first = pb.QueryRequest(
            request_id=str(uuid4()),
            messages=asks(image(png(1, 1, b"x" * 7_000_000)), document(PDF + bytes(8_000_000))),
            routing=only(*CLAUDE),
            detached=True,
        )
        second = pb.QueryRequest(
            messages=asks(image(png(1, 1, b"y" * 7_200_000))), routing=only(*CLAUDE)
        )
        stage.upstream.hold()
        call = client.pipeline.Query(first, metadata=client.metadata)

        async def is_called() -> bool:
            return stage.upstream.arrivals_total > 0

        await eventually(is_called)
        call.cancel()
        refused = await client.fail(client.pipeline.Query, second)
        stage.upstream.release()
        await client.events(client.pipeline.Watch, pb.WatchRequest(request_id=first.request_id))
        answered = await client.call(client.pipeline.Query, second)

    assert "SERVER_OVERLOADED" == refused.reason
    assert message_pb2.STOP_REASON_END == answered.answer.stop_reason


async def test_a_resumed_query_holds_its_files_again(sqlite_url: str, tmp_path: Path) -> None:
    """They are read anew; where there is no room for them the approval is not used."""
    one_place = {"server.receiving_per_identity_bytes": 22_020_096}
    async with staged(sqlite_url, tmp_path, one_place) as stage:
        await stage.budget()
        client, person = stage.client(), stage.person()
        parts = [image(png(1, 1, b"x" * 7_000_000)), document(PDF + bytes(8_000_000))]
        messages = asks(*parts, text=DELETE)
        failures = [
            await blocked(client, "", messages=messages, routing=only(*CLAUDE), labels={"n": n})
            for n in ("1", "2")
        ]
        for failure in failures[:1]:
            await person.call(person.checkpoints.ResolveCheckpoint, approval(failure))
        stage.upstream.hold()
        request = pb.ContinueRequest(request_id=failures[0].metadata["request_id"])
        running = client.pipeline.Continue(request, metadata=client.metadata)
        await running.read()
        full = await client.fail(
            client.pipeline.Query,
            pb.QueryRequest(messages=asks(image(png(1, 1, b"y" * 7_200_000)))),
        )
        stage.upstream.release()
        running.cancel()

    assert "SERVER_OVERLOADED" == full.reason


async def test_a_denied_query_leaves_no_file(stage: Stage) -> None:
    """Nobody reads them: who has no budget cannot fill the database."""
    poor = stage.client("frugal")

    failure = await poor.fail(
        poor.pipeline.Query, pb.QueryRequest(messages=asks(image(png())), routing=only(*CLAUDE))
    )
    await stage.application.files.sweep()

    assert "BUDGET_REQUIRED" == failure.reason
    assert [] == rows(stage, "file_chunks")
