"""Queries, their attempts, events and output in SQL. Structures are positional lists."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from chenu_server.engine import Shape
from chenu_server.infra.db.columns import (
    LATER,
    PAIRS,
    PLAIN,
    EnumText,
    FreeText,
    Json,
    Strings,
    many,
    number,
    record,
    word,
)
from chenu_server.infra.db.metadata import METADATA
from chenu_server.infra.db.tablemap import LookupSql, TableMap
from chenu_server.pipeline.events import Event
from chenu_server.pipeline.model import LaneReport, Outcome, TokenUsage
from chenu_server.pipeline.output import DecidedCall, StoredPart
from chenu_server.pipeline.records import (
    Attempt,
    AttemptState,
    EventSegment,
    Operation,
    OutputChunk,
    QueryAlias,
    QueryContent,
)
from chenu_server.reasons import BY_NUMBER
from chenu_server.values import maker
from chenu_server.vocabulary import (
    EventKind,
    Lane,
    LaneStatus,
    OperationKind,
    PartKind,
    PrincipalType,
    QueryStatus,
    ToolCallState,
    ToolEffect,
)

_TOKEN_USAGE: Final = maker(TokenUsage)
_STORED_PART: Final = maker(StoredPart)
_REPORTS: Final = many(record(LaneReport, word(Lane), word(LaneStatus), PLAIN, PLAIN))
_OUTCOME: Final = record(Outcome, Shape.number({0: None, **BY_NUMBER}), PLAIN, PAIRS)
_CALL: Final = record(
    DecidedCall, PLAIN, word(ToolEffect), word(ToolCallState), PLAIN, PLAIN, PLAIN
)
_EVENTS: Final = many(record(Event, PLAIN, word(EventKind), PLAIN, LATER))


def _part(kind: PartKind, name: str, length: int, call: DecidedCall | None = None) -> StoredPart:
    # What is no call, or was settled before calls were decided on, has no fourth value.
    return _STORED_PART(kind, name, length, call)


_PARTS: Final = many(Shape.record(_part, [word(PartKind), PLAIN, PLAIN, _CALL]))


def _usage_list(usage: TokenUsage) -> list[int]:
    return [
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        # At the end, and only where there are any: lists from before this was counted have four
        # numbers.
        *([usage.cache_write_hour_tokens] if usage.cache_write_hour_tokens else []),
    ]


def _usage(
    read: int, written: int, cache_read: int, cache_written: int, cache_written_hour: int = 0
) -> TokenUsage:
    return _TOKEN_USAGE(read, written, cache_read, cache_written, cache_written_hour)


# `str` of these is C; `value` is a call into Python, of which a call's rows would make forty.
def _lanes_list(lanes: tuple[LaneReport, ...]) -> list[Any]:
    return [[str(each.lane), str(each.status), each.duration_us, each.summary] for each in lanes]


def _outcome_list(outcome: Outcome) -> list[Any]:
    return [outcome.reason.number if outcome.reason else 0, outcome.message, outcome.error]


def _parts_list(parts: tuple[StoredPart, ...]) -> list[Any]:
    return [[str(each.kind), each.name, each.length, *_call_list(each.call)] for each in parts]


def _call_list(call: DecidedCall | None) -> list[Any]:
    if call is None:
        return []
    effect, state = str(call.effect), str(call.state)
    return [[call.call_id, effect, state, call.checkpoint_id, call.expires_us, call.reason]]


def _events_list(events: tuple[Event, ...]) -> list[Any]:
    return [[each.sequence, str(each.kind), each.time_us, each.body] for each in events]


def _labels_list(labels: tuple[tuple[str, str], ...]) -> list[Any]:
    return [list(each) for each in labels]


LABELS: Final = Json[tuple[tuple[str, str], ...]](_labels_list, PAIRS, repeats=True)
LANES: Final = Json[tuple[LaneReport, ...]](_lanes_list, _REPORTS, late=True)
USAGE: Final = Json[TokenUsage](_usage_list, Shape.record(_usage, [PLAIN] * 5))

# Reads must repeat them word for word: SQLite uses a partial index for nothing else.
UNFINISHED: Final = sa.text("status IN ('running', 'approved')")
IS_QUERY: Final = sa.text("kind = 'query'")

QUERIES: Final = sa.Table(
    "queries",
    METADATA,
    # All parts stand under it: UUIDs that callers choose fall anywhere in an index, and numbers at
    # its end.
    number("id", sa.Identity()),
    sa.Column("identity_id", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("kind", EnumText(OperationKind), nullable=False, server_default="query"),
    sa.Column("principal_type", EnumText(PrincipalType), nullable=False),
    sa.Column("principal_id", sa.Text, nullable=False),
    sa.Column("acting_for", Strings(repeats=True), nullable=False),
    sa.Column("content_digest", sa.LargeBinary, nullable=False),
    sa.Column("status", EnumText(QueryStatus), nullable=False),
    # Only while somebody runs it: by this name it is found once that process is dead.
    sa.Column("owner_id", sa.Text, nullable=False),
    sa.Column("deadline_ms", sa.BigInteger, nullable=False),
    sa.Column("resume_on_approval", sa.Boolean, nullable=False),
    sa.Column("sphere", sa.Text, nullable=False),
    sa.Column("mode", sa.Text, nullable=False, server_default="command"),
    sa.Column("intents", Strings(repeats=True), nullable=False),
    sa.Column("detected_intents", Strings(repeats=True), nullable=False, server_default="[]"),
    sa.Column("thread_id", FreeText(repeats=True), nullable=False, server_default='""'),
    sa.Column("run_id", FreeText(repeats=True), nullable=False, server_default='""'),
    sa.Column("labels", LABELS, nullable=False, server_default="[]"),
    sa.Column("action_digest", sa.LargeBinary, nullable=False),
    sa.Column("context_hash", sa.LargeBinary, nullable=False),
    sa.Column("checkpoint_id", sa.Text, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("chain", Strings(repeats=True), nullable=False),
    sa.Column("stop_reason", FreeText(repeats=True), nullable=False),
    sa.Column("output_cap", sa.BigInteger, nullable=False),
    sa.Column("usage", USAGE, nullable=False),
    sa.Column("cost_nanousd", sa.BigInteger, nullable=False),
    sa.Column("estimated", sa.Boolean, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("lanes", LANES, nullable=False),
    sa.Column("outcome", Json[Outcome](_outcome_list, _OUTCOME, repeats=True), nullable=False),
    # By it whoever holds an older row knows that it is older.
    sa.Column("event_count", sa.BigInteger, nullable=False),
    # So that nobody reads an output of which it is known that it fits in no message.
    sa.Column("output_length", sa.BigInteger, nullable=False),
    sa.Column("output_parts", Json[tuple[StoredPart, ...]](_parts_list, _PARTS), nullable=False),
    sa.Column("output_format", sa.Text, nullable=False),
    # Names of catalogue, prices and signals: with the stored request they give the route again.
    sa.Column("route_snapshot", sa.LargeBinary, nullable=False, server_default=sa.text("''")),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("updated_us", sa.BigInteger, nullable=False),
    sa.Column("ended_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("identity_id", "request_id", name="uq_queries_ids"),
    sa.CheckConstraint("length(content_digest) = 32", "ck_queries_digest"),
    sa.CheckConstraint("cost_nanousd >= 0", "ck_queries_cost"),
    sa.CheckConstraint("event_count >= 0 AND output_length >= 0", "ck_queries_sizes"),
    sa.Index(
        # Of an identity that reserves more than it asks, a page of queries is few rows.
        "ix_queries_listed",
        "identity_id",
        "created_us",
        "request_id",
        sqlite_where=IS_QUERY,
        postgresql_where=IS_QUERY,
    ),
    sa.Index("ix_queries_created", "created_us"),
    sa.Index(
        # Of all queries ever stored a handful are unfinished, and the sweeps look for nothing else.
        "ix_queries_unfinished",
        "status",
        "owner_id",
        sqlite_where=UNFINISHED,
        postgresql_where=UNFINISHED,
    ),
    # No number is given twice: of a row that somebody took away parts may be left.
    sqlite_autoincrement=True,
)

QUERY_ALIASES: Final = sa.Table(
    "query_aliases",
    METADATA,
    sa.Column("identity_id", sa.Text, primary_key=True),
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column("first_request_id", sa.Text, nullable=False),
    sa.Column("principal_type", EnumText(PrincipalType), nullable=False),
    sa.Column("principal_id", sa.Text, nullable=False),
    sa.Column("content_digest", sa.LargeBinary, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.CheckConstraint("length(content_digest) = 32", "ck_query_aliases_digest"),
    sa.CheckConstraint("request_id <> first_request_id", "ck_query_aliases_first"),
    sa.Index("ix_query_aliases_created", "created_us"),
    # It is looked up by its key alone, which beside a row's number would stand there twice.
    sqlite_with_rowid=False,
)

# Apart from the row, which every command of a query's life writes, while this never changes.
QUERY_CONTENTS: Final = sa.Table(
    "query_contents",
    METADATA,
    number("query_id"),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    sa.CheckConstraint("query_id > 0", "ck_query_contents_query"),
)

ATTEMPTS: Final = sa.Table(
    "attempts",
    METADATA,
    number("query_id"),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", EnumText(AttemptState), nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("slot", sa.Integer, nullable=False),
    sa.Column("bound_nanousd", sa.BigInteger, nullable=False),
    sa.Column("cost_nanousd", sa.BigInteger, nullable=False),
    sa.Column("estimated", sa.Boolean, nullable=False),
    sa.Column("rates_source", sa.Text, nullable=False),
    sa.Column("usage", USAGE, nullable=False),
    sa.Column("failure", sa.Text, nullable=False),
    sa.Column("admitted_us", sa.BigInteger, nullable=False),
    sa.Column("ended_us", sa.BigInteger, nullable=False),
    sa.Column("provider_request_id", FreeText, nullable=False, server_default='""'),
    sa.Column("answered_model", FreeText(repeats=True), nullable=False, server_default='""'),
    sa.CheckConstraint("query_id > 0", "ck_attempts_query"),
    sa.CheckConstraint("attempt >= 1", "ck_attempts_attempt"),
    sa.CheckConstraint("bound_nanousd >= 0 AND cost_nanousd >= 0", "ck_attempts_amounts"),
)

# A row for the events of one command, which follow each other without a gap.
QUERY_EVENTS: Final = sa.Table(
    "query_events",
    METADATA,
    number("query_id"),
    sa.Column("first_sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("events", Json[tuple[Event, ...]](_events_list, _EVENTS), nullable=False),
    sa.CheckConstraint("query_id > 0", "ck_query_events_query"),
    sa.CheckConstraint("first_sequence >= 1", "ck_query_events_sequence"),
)

OUTPUT_CHUNKS: Final = sa.Table(
    "output_chunks",
    METADATA,
    number("query_id"),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("text", FreeText, nullable=False),
    sa.Column("kind", EnumText(PartKind), nullable=False),
    sa.Column("name", FreeText, nullable=False),
    sa.Column("call_id", FreeText, nullable=False),
    sa.Column("proof", Strings, nullable=False),
    sa.CheckConstraint("query_id > 0", "ck_output_chunks_query"),
    sa.CheckConstraint('"offset" >= 0', "ck_output_chunks_offset"),
    sa.CheckConstraint("part >= 0", "ck_output_chunks_part"),
)

# Published: a log's readers see the query as it was just committed.
QUERIES_MAP: Final = TableMap(
    Operation,
    QUERIES,
    numbered=2,
    # They never change: named in an update, SQLite would write every index anew that holds one of
    # them.
    fixed=frozenset({"kind", "content_digest", "route_snapshot", "created_us"}),
)
QUERY_ALIASES_MAP: Final = TableMap(QueryAlias, QUERY_ALIASES, append_only=True)
QUERY_CONTENTS_MAP: Final = TableMap(QueryContent, QUERY_CONTENTS, part_of=QUERIES_MAP)
ATTEMPTS_MAP: Final = TableMap(
    Attempt,
    ATTEMPTS,
    part_of=QUERIES_MAP,
    lookups={
        "of_query": LookupSql(
            keys=(QUERIES.c.identity_id, QUERIES.c.request_id),
            order_by="attempt",
            limited=False,
        )
    },
)
# Published, both: what is committed of a log goes to those who follow it.
QUERY_EVENTS_MAP: Final = TableMap(
    EventSegment, QUERY_EVENTS, append_only=True, part_of=QUERIES_MAP
)
OUTPUT_CHUNKS_MAP: Final = TableMap(
    OutputChunk, OUTPUT_CHUNKS, append_only=True, part_of=QUERIES_MAP
)

MAPS: Final = (
    QUERIES_MAP,
    QUERY_ALIASES_MAP,
    QUERY_CONTENTS_MAP,
    ATTEMPTS_MAP,
    QUERY_EVENTS_MAP,
    OUTPUT_CHUNKS_MAP,
)
