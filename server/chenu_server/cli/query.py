"""`chenu query`: ask, and read the answer as it is written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chenu_server.cli import parse
from chenu_server.cli.answers import AnswerPrinter, Thoughts
from chenu_server.cli.events import summary
from chenu_server.cli.groups import commands
from chenu_server.cli.output import message_object, note, usd, visible
from chenu_server.cli.remote import Session, remote
from chenu_server.cli.routing import Ceiling, Routing
from chenu_server.values import dataclass

if TYPE_CHECKING:
    from chenu.aio import Log
    from chenu.api.pipeline.v1 import (
        conversation_pb2,
        event_pb2,
        message_pb2,
        pipeline_service_pb2,
    )


@dataclass(frozen=True)
class Target:
    """What the query acts on."""

    operation: Annotated[str, typer.Option(help="What is done, as noun.verb.")] = ""
    target_kind: Annotated[str, typer.Option(help="The type of thing it acts on.")] = ""
    target_id: Annotated[str, typer.Option(help="The thing's id.")] = ""
    target_sphere: Annotated[str, typer.Option(help="Where the thing lives.")] = ""


@dataclass(frozen=True)
class Manner:
    """How the query runs."""

    request_id: Annotated[
        str, typer.Option(help="A UUID. A repeated call with it is the same query.")
    ] = ""
    generate: Annotated[
        bool,
        typer.Option(
            "--generate", help="The text is material to work on, and asks for nothing to be done."
        ),
    ] = False
    detached: Annotated[
        bool, typer.Option("--detached", help="Let it run on when this command ends.")
    ] = False
    resume_on_approval: Annotated[
        bool, typer.Option("--resume-on-approval", help="Run it as soon as it is approved.")
    ] = False
    validate_only: Annotated[
        bool, typer.Option("--validate-only", help="Say what would happen and do nothing.")
    ] = False
    stream: Annotated[bool, typer.Option(help="Print the answer as it is written.")] = True
    timeout: Annotated[
        float, typer.Option(min=0.001, max=86_400, help="The deadline, in seconds.")
    ] = 300.0


@dataclass(frozen=True)
class Files:
    """What comes with the text."""

    image: Annotated[
        list[Path] | None, typer.Option(help="A PNG, JPEG, GIF or WebP file. Repeatable.")
    ] = None
    document: Annotated[list[Path] | None, typer.Option(help="A PDF file. Repeatable.")] = None


app = commands()


@remote(app, "query")
async def query(
    session: Session,
    text: Annotated[str, typer.Argument(help="What to ask; - reads standard input.")],
    intent: Annotated[
        list[str] | None, typer.Option(help="delete, send, payment ... Repeatable.")
    ] = None,
    sphere: Annotated[str, typer.Option(help="personal, business, team ...")] = "",
    *,
    target: Target,
    ceiling: Ceiling,
    routing: Routing,
    manner: Manner,
    files: Files,
    thoughts: Thoughts = False,
) -> None:
    """
    Ask, and print the answer.

    With --json: the query's events, one a line; with --no-stream, its result.
    """
    request = _request(text, intent or [], sphere, target, ceiling, routing, manner)
    _attach(request, files)
    # A validation has no log that could be read as it grows.
    if manner.validate_only or not manner.stream:
        response = await session.client.pipeline.query(request, timeout_s=manner.timeout)
        _print_response(session, response, thoughts=thoughts)
        return
    async with session.client.pipeline.run(request, timeout_s=manner.timeout) as log:
        await print_answer(session, log, thoughts=thoughts)


async def print_answer(session: Session, log: Log, *, thoughts: bool) -> None:
    """Print a log as it is read: as JSON lines, or the answer and what it cost."""
    answer = AnswerPrinter(session.output, thoughts=thoughts)
    async for event in log:
        if session.output.as_json:
            session.output.json(message_object(event))
        elif event.HasField("llm_call_delta"):
            answer.delta(event.llm_call_delta)
        elif event.HasField("part_complete"):
            answer.part_complete(event.part_complete)
        elif event.HasField("pipeline_complete"):
            answer.end()
            note(_receipt(event.pipeline_complete))
            answer.proposed(event.pipeline_complete.answer.tool_calls)
        elif event.HasField("tool_call"):
            continue  # told behind the answer that it is of
        elif sys.stderr.isatty() and (line := summary(event)):
            note(line)


def _request(
    text: str,
    intents: list[str],
    sphere: str,
    target: Target,
    ceiling: Ceiling,
    routing: Routing,
    manner: Manner,
) -> pipeline_service_pb2.QueryRequest:
    from chenu.api.governance.v1 import action_pb2
    from chenu.api.pipeline.v1 import pipeline_service_pb2

    return pipeline_service_pb2.QueryRequest(
        request_id=manner.request_id,
        text=parse.standard_input("TEXT") if text == "-" else text,
        intents=parse.choices("--intent", action_pb2.Intent, intents),
        sphere=parse.choice("--sphere", action_pb2.Sphere, sphere),
        target=action_pb2.Target(
            operation=target.operation,
            kind=target.target_kind,
            id=target.target_id,
            sphere=parse.choice("--target-sphere", action_pb2.Sphere, target.target_sphere),
        ),
        agent_role=ceiling.agent_role,
        agent_id=ceiling.agent_id,
        department=ceiling.department,
        routing=routing.message(),
        max_output_tokens=parse.int32("--max-output-tokens", ceiling.max_output_tokens),
        max_cost_nanousd=ceiling.max_cost_nanousd,
        detached=manner.detached,
        resume_on_approval=manner.resume_on_approval,
        validate_only=manner.validate_only,
        mode=_mode(manner),
    )


def _attach(request: pipeline_service_pb2.QueryRequest, files: Files) -> None:
    """Let files stand before the text, where models read them best."""
    from chenu import files as parts
    from chenu.api.pipeline.v1 import conversation_pb2

    try:
        attached = [
            *(parts.image(path) for path in files.image or ()),
            *(parts.document(path) for path in files.document or ()),
        ]
    except (parts.UnknownFile, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="--image, --document") from error
    if attached:
        said = [*attached, conversation_pb2.Part(text=request.text)]
        request.messages.add(role=conversation_pb2.MESSAGE_ROLE_USER, parts=said)
        # It is short for one message, and both at once are refused.
        request.text = ""


def _mode(manner: Manner) -> conversation_pb2.QueryMode.ValueType:
    from chenu.api.pipeline.v1 import conversation_pb2

    if manner.generate:
        return conversation_pb2.QUERY_MODE_GENERATION
    return conversation_pb2.QUERY_MODE_UNSPECIFIED  # the server's default


def _print_response(
    session: Session, response: pipeline_service_pb2.QueryResponse, *, thoughts: bool
) -> None:
    if session.output.as_json:
        session.output.json(message_object(response))
    elif response.HasField("validation"):
        session.output.message(response, _verdict(response.validation))
    else:
        AnswerPrinter(session.output, thoughts=thoughts).whole(response.answer)


def _verdict(validation: message_pb2.Validation) -> list[tuple[str, str]]:
    from chenu.api.governance.v1 import checkpoint_pb2
    from chenu.names import name_of

    types = (name_of(checkpoint_pb2.CheckpointType, one) for one in validation.checkpoint_types)
    refusal = validation.outcome
    return [
        ("outcome", f"{refusal.reason}: {refusal.message}" if refusal.reason else "would run"),
        ("a person must approve", ", ".join(types) or "nothing"),
        ("denied by", ", ".join(validation.denied_policies) or "no policy"),
        ("provider", validation.route.provider),
        ("model", validation.route.model),
        ("costs at most", usd(validation.cost_bound_nanousd)),
        ("action digest", validation.action_digest.hex()),
    ]


def _receipt(complete: event_pb2.PipelineComplete) -> str:
    answer, query = complete.answer, complete.query
    return visible(
        f"[{answer.provider} {answer.model}, {query.tokens_used} tokens,"
        f" {usd(query.cost_nanousd)}, {query.request_id}]"
    )
