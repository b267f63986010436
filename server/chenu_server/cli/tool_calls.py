"""`chenu tool-calls`: what a model proposed, taken and redeemed."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chenu_server.cli import parse
from chenu_server.cli.groups import commands
from chenu_server.cli.new_file import new_file
from chenu_server.cli.output import message_object, note, visible, when, who
from chenu_server.cli.remote import Session, remote

if TYPE_CHECKING:
    from chenu.api.pipeline.v1 import tool_call_pb2, tool_call_service_pb2

app = commands("Calls that a model proposed.")

CallId = Annotated[str, typer.Argument(help="The call, by the gateway's id.")]
# What is said of a query would lead astray.
TAKE_ADVICE = {
    "CHECKPOINT_PENDING": "`chenu checkpoints approve {checkpoint_id}`, then the same again",
    "REQUEST_ID_CONFLICT": "have whoever asked its query take it; `chenu tool-calls get` shows who",
}
UNKNOWN = "whether it is used up is unknown: redeem it again, and execute only what is answered"
REDEEM_ADVICE = {
    "": f"check --target and that the server runs; {UNKNOWN}",
    "GOVERNANCE_UNAVAILABLE": UNKNOWN,
    "RELEASE_USED": "execute nothing; who was answered first has, or knows what became of it",
}


@remote(app, "get")
async def get(session: Session, call_id: CallId) -> None:
    """Show one proposed call as it stands, without its arguments."""
    call = await session.client.tool_calls.get(call_id)
    session.output.message(call, _fields(call))


@remote(app, "take", advice=TAKE_ADVICE)
async def take(
    session: Session,
    call_id: CallId,
    arguments_file: Annotated[
        Path | None, typer.Option(help="Write the arguments into this new file, byte for byte.")
    ] = None,
    release_file: Annotated[
        Path | None, typer.Option(help="Write the release into this new file.")
    ] = None,
) -> None:
    """Take a call that nothing holds: its arguments, and a release for who executes it."""
    with ExitStack() as stack:
        # Before the call: where nothing can be kept, nothing is released.
        files = [
            stack.enter_context(new_file(path, mode=0o600)) if path else None
            for path in (arguments_file, release_file)
        ]
        taken = await session.client.tool_calls.take(call_id)
        for file, text in zip(files, (taken.arguments_json, taken.release), strict=True):
            if file is not None:
                file.write(text.encode())
    session.output.message(taken, _taken(taken, arguments_file, release_file))


@remote(app, "redeem", advice=REDEEM_ADVICE)
async def redeem(
    session: Session,
    release_file: Annotated[Path, typer.Option(help="The release, as it was handed over.")],
    tool: Annotated[str, typer.Option(help="The tool that is about to be executed.")],
    audience: Annotated[str, typer.Option(help="The executor's own name.")],
    arguments_file: Annotated[
        Path, typer.Option(help="The arguments that it is about to be executed with.")
    ],
) -> None:
    """Use a release up; once that is answered, this caller and no other may execute the call."""
    redeemed = await session.client.tool_calls.redeem(
        # A release has no white space, and what wrote the file may have ended it with a line break.
        parse.text_file("--release-file", release_file).strip(),
        tool=tool,
        audience=audience,
        arguments_json=parse.text_file("--arguments-file", arguments_file),
    )
    session.output.message(redeemed, _redeemed(redeemed))


@remote(app, "keys")
async def keys(session: Session) -> None:
    """Print the keys that releases are signed with, as a JWK set."""
    found = await session.client.tool_calls.release_keys()
    if session.output.as_json:
        session.output.json(message_object(found))
        return
    session.output.line(found.jwks_json)
    note(f"issuer {visible(found.issuer)}")


def _taken(
    taken: tool_call_service_pb2.TakeToolCallResponse,
    arguments_file: Path | None,
    release_file: Path | None,
) -> list[tuple[str, str]]:
    call = taken.call
    return [
        ("call", call.call_id),
        ("state", _state(call)),
        ("tool", call.tool),
        ("effect", _effect(call)),
        ("audience", call.audience),
        ("expires", when(taken.expire_time)),
        ("arguments", f"in {arguments_file}" if arguments_file else taken.arguments_json),
        ("release", f"in {release_file}" if release_file else taken.release),
    ]


def _redeemed(
    redeemed: tool_call_service_pb2.RedeemReleaseResponse,
) -> list[tuple[str, str]]:
    from chenu.api.pipeline.v1 import tool_call_pb2
    from chenu.names import name_of

    return [
        ("call", redeemed.call_id),
        ("effect", _effect(redeemed)),
        ("taken by", who(redeemed.principal)),
        ("acting for", ", ".join(redeemed.acting_for)),
        ("released by", name_of(tool_call_pb2.ReleaseBasis, redeemed.basis)),
    ]


def _fields(call: tool_call_pb2.ToolCallRecord) -> list[tuple[str, str]]:
    return [
        ("call", call.call_id),
        ("state", _state(call)),
        ("reason", call.reason),
        ("tool", call.tool),
        ("effect", _effect(call)),
        ("audience", call.audience),
        ("query", call.request_id),
        ("part", str(call.part)),
        ("asked by", who(call.principal)),
        ("checkpoint", call.checkpoint_id),
        ("created", when(call.create_time)),
        ("changed", when(call.update_time)),
        ("taken", when(call.take_time)),
        ("expires", when(call.release_expire_time)),
        ("redeemed", when(call.redeem_time)),
        ("digest", call.action_digest.hex()),
    ]


def _state(call: tool_call_pb2.ToolCallRecord) -> str:
    from chenu.api.pipeline.v1 import tool_call_pb2
    from chenu.names import name_of

    return name_of(tool_call_pb2.ToolCallState, call.state)


def _effect(
    call: tool_call_pb2.ToolCallRecord | tool_call_service_pb2.RedeemReleaseResponse,
) -> str:
    from chenu.api.pipeline.v1 import conversation_pb2
    from chenu.names import name_of

    return name_of(conversation_pb2.ToolEffect, call.effect)
