"""`chenu checkpoints`: what waits for a person, and the person's decision."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chenu_server.cli import parse
from chenu_server.cli.content import joined, lines_of, written
from chenu_server.cli.exit_codes import ExitCode, fail
from chenu_server.cli.groups import commands
from chenu_server.cli.output import fields, message_object, note, usd, when, who
from chenu_server.cli.paging import Limit, first
from chenu_server.cli.remote import Session, remote

if TYPE_CHECKING:
    from chenu.api.governance.v1 import checkpoint_pb2

app = commands("What waits for a person's approval.")

CheckpointId = Annotated[str, typer.Argument(help="The checkpoint.")]
DecisionId = Annotated[
    str, typer.Option(help="A UUID. A repeated call with it is the same decision.")
]


@remote(app, "list")
async def list_checkpoints(
    session: Session,
    state: Annotated[
        list[str] | None, typer.Option(help="pending, approved ... Repeatable.")
    ] = None,
    *,
    limit: Limit,
) -> None:
    """List the identity's checkpoints, newest first."""
    from chenu.api.governance.v1 import checkpoint_pb2

    states = parse.choices("--state", checkpoint_pb2.CheckpointState, state or [])
    found = first(limit, session.client.checkpoints.list(states=states))
    header = ("checkpoint", "state", "types", "expires", "asked by", "costs at most", "question")
    await session.output.messages(found, header, _row)


@remote(app, "watch")
async def watch(session: Session) -> None:
    """Show what waits for a person, then each that comes, is decided or ends. Ctrl-C ends it."""
    async for changes in session.client.checkpoints.watch():
        for checkpoint in changes.checkpoints:
            if session.output.as_json:
                session.output.json(message_object(checkpoint))
            else:
                # Line by line: a table would have to be read to its end, and there is none.
                session.output.line("  ".join(_row(checkpoint)))


@remote(app, "get")
async def get_checkpoint(session: Session, checkpoint_id: CheckpointId) -> None:
    """Show one checkpoint."""
    checkpoint = await session.client.checkpoints.get(checkpoint_id)
    session.output.message(checkpoint, _fields(checkpoint))


@remote(app, "content")
async def content(
    session: Session,
    checkpoint_id: CheckpointId,
    save: Annotated[
        Path | None, typer.Option(help="Write images and documents into this directory.")
    ] = None,
) -> None:
    """Show all that an approval binds: the facts, every context item, the whole text."""
    pieces = session.client.checkpoints.content(checkpoint_id)
    if session.output.as_json:
        async for piece in pieces:
            session.output.json(message_object(piece))
        return
    shown = False
    async for thing in joined(pieces):
        shown = True
        print("\n".join(lines_of(thing)))
        if save is not None and thing.is_file:
            note(f"saved {written(thing, save)}")
    if not shown:
        note("nothing: what was asked is no longer stored")


@remote(app, "approve")
async def approve(
    session: Session,
    checkpoint_id: CheckpointId,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    digest: Annotated[
        str, typer.Option(help="Approve only if the action's digest is this one, in hex.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    decision_id: DecisionId = "",
) -> None:
    """Approve exactly the action that is shown; it may then run once."""
    expected = parse.digest("--digest", digest)
    checkpoint = await session.client.checkpoints.get(checkpoint_id)
    # Who names the digest has read the action elsewhere, and approves nothing but that.
    if not (yes or expected):
        await _ask(session, checkpoint)
    approved = await session.client.checkpoints.approve(
        checkpoint_id,
        reason=reason,
        decision_id=decision_id,
        # Bound to what was read just now: should the server mean another action by this id, nothing
        # is approved.
        expected_action_digest=expected or checkpoint.action_digest,
    )
    session.output.message(approved, _fields(approved))


@remote(app, "reject")
async def reject(
    session: Session,
    checkpoint_id: CheckpointId,
    reason: Annotated[str, typer.Option(help="Why. Whoever asked is told.")],
    decision_id: DecisionId = "",
) -> None:
    """Reject the action; it will not run."""
    rejected = await session.client.checkpoints.reject(
        checkpoint_id, reason=reason, decision_id=decision_id
    )
    session.output.message(rejected, _fields(rejected))


@remote(app, "cancel")
async def cancel_checkpoint(
    session: Session,
    checkpoint_id: CheckpointId,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
) -> None:
    """Withdraw a pending checkpoint and end its query."""
    cancelled = await session.client.checkpoints.cancel(checkpoint_id, reason=reason)
    session.output.message(cancelled, _fields(cancelled))


async def _bound(session: Session, checkpoint: checkpoint_pb2.Checkpoint) -> list[str]:
    """What an approval binds: its fields, how much more and how to read it, a call's arguments."""
    from chenu.api.governance.v1 import action_pb2
    from chenu.errors import ChenuError

    command = f"chenu checkpoints content {checkpoint.checkpoint_id}"
    pieces = session.client.checkpoints.content(checkpoint.checkpoint_id)
    try:
        things = [it async for it in joined(pieces)]
    except ChenuError as error:  # told before the question, which is the person's to answer
        extent = f"more than this, which cannot be read now ({error}): {command}"
        return fields([*_fields(checkpoint), ("approves", extent)])
    size = sum(len(thing.data) for thing in things)
    items = sum(thing.kind == "context_item" for thing in things)
    extent = f"{size} bytes with {items} context items: {command}"
    shown = fields([*_fields(checkpoint), ("approves", extent)])
    # Such a checkpoint has no preview, and its arguments are what is approved.
    if checkpoint.operation_kind == action_pb2.OPERATION_KIND_TOOL_CALL:
        shown += [line for it in things if it.kind == "tool_call" for line in lines_of(it)]
    return shown


async def _ask(session: Session, checkpoint: checkpoint_pb2.Checkpoint) -> None:
    """Let the person see what would run and say yes to it."""
    # A `y` that a pipe or a file holds was meant for something else.
    if not _has_person():
        raise fail(
            ExitCode.USAGE,
            "nobody is there to be asked; pass the --digest that was approved, or --yes",
        )
    note("\n".join(await _bound(session, checkpoint)))
    try:
        with _interruptible():
            agreed = typer.confirm("Approve exactly this action?", err=True)
    except (typer.Abort, KeyboardInterrupt) as error:
        note("")  # the prompt's line has not ended
        text = "interrupted, so not approved; the checkpoint waits on"
        raise fail(ExitCode.INTERRUPTED, text) from error
    if not agreed:
        raise fail(ExitCode.STOPPED, "not approved; the checkpoint waits on")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end a prompt: asyncio's handler would wait for the event loop, which waits."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _has_person() -> bool:
    return sys.stdin.isatty()


def _names(checkpoint: checkpoint_pb2.Checkpoint) -> tuple[str, str]:
    from chenu.api.governance.v1 import checkpoint_pb2
    from chenu.names import name_of

    types = (name_of(checkpoint_pb2.CheckpointType, one) for one in checkpoint.types)
    return name_of(checkpoint_pb2.CheckpointState, checkpoint.state), ",".join(types)


def _row(checkpoint: checkpoint_pb2.Checkpoint) -> tuple[str, ...]:
    state, types = _names(checkpoint)
    return (
        checkpoint.checkpoint_id,
        state,
        types,
        when(checkpoint.expire_time),
        who(checkpoint.requested_by),
        usd(checkpoint.max_cost_nanousd),
        " ".join(checkpoint.question_en.split()),
    )


def _fields(checkpoint: checkpoint_pb2.Checkpoint) -> list[tuple[str, str]]:
    from chenu.api.governance.v1 import action_pb2
    from chenu.names import name_of

    state, types = _names(checkpoint)
    kind = name_of(action_pb2.OperationKind, checkpoint.operation_kind)
    return [
        ("checkpoint", checkpoint.checkpoint_id),
        (kind.replace(".", " ") or "query", checkpoint.request_id),
        ("state", state),
        ("types", types),
        ("question", checkpoint.question_en),
        ("text", checkpoint.text_preview),
        ("action", checkpoint.action),
        ("target", f"{checkpoint.target.kind} {checkpoint.target.id}".strip()),
        ("model", f"{checkpoint.provider} {checkpoint.model}".strip()),
        ("costs at most", usd(checkpoint.max_cost_nanousd)),
        ("asked by", who(checkpoint.requested_by)),
        ("expires", when(checkpoint.expire_time)),
        ("use before", when(checkpoint.use_before)),
        ("decided by", who(checkpoint.resolved_by)),
        ("reason", checkpoint.reason),
        ("digest", checkpoint.action_digest.hex()),
    ]
