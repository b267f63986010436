"""An action that waits for a person, asked again: the id is another name of the first query."""

from __future__ import annotations

from collections.abc import Iterable

from chenu_server.governance.checkpoints import decide as checkpoints
from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.pipeline import decide
from chenu_server.pipeline.ports import Admission, Attached
from chenu_server.pipeline.records import Query, QueryAlias
from chenu_server.unit import ById, Key, Moment, Need, Rows
from chenu_server.units.rules import Rules, payload
from chenu_server.values import replace


def needs(asked: Admission) -> Iterable[Need]:
    """The rows that `waiting` reads."""
    return checkpoints.needs_for_ask(asked.caller.identity_id, asked.encoded.action_digest)


def waiting(rows: Rows, asked: Admission, now: Moment) -> Checkpoint | None:
    """The checkpoint at which this action of this caller waits already, if it does."""
    return checkpoints.waiting(rows, asked.caller, asked.encoded.action_digest, now)


def first_key(checkpoint: Checkpoint) -> Key:
    """The query that waits at a checkpoint."""
    return (checkpoint.identity_id, checkpoint.request_id)


def needs_of_first(checkpoint: Checkpoint) -> Need:
    """The row that `attach` reads besides."""
    return ById(Query, first_key(checkpoint))


def attach(
    rows: Rows, asked: Admission, checkpoint: Checkpoint, rules: Rules, now: Moment
) -> Attached:
    """Make the id another name of the query that waits. Nothing is held, and nobody asked again."""
    first = rows.get(Query, first_key(checkpoint))
    assert first is not None, "a checkpoint is written with its query"
    alias = QueryAlias(
        identity_id=first.identity_id,
        request_id=asked.request.request_id,
        first_request_id=first.request_id,
        principal_type=asked.caller.principal.type,
        principal_id=asked.caller.principal.id,
        content_digest=asked.content_digest,
        created_us=now.now_us,
    )
    rows.put(alias)
    details = payload(
        action_digest=checkpoint.action_digest.hex(),
        checkpoint_id=checkpoint.checkpoint_id,
        content_digest=asked.content_digest.hex(),
        first_request_id=first.request_id,
        policies_revision=rules.policies.revision,
    )
    entry = decide.entry(first, "block", "execute", "CHECKPOINT_PENDING", details)
    rows.record(replace(entry, resource_id=alias.request_id))
    return Attached(query=first)
