"""Checkpoints in SQL."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from chenu_server.governance.checkpoints.model import Checkpoint
from chenu_server.infra.db.columns import EnumText, FreeText, Json, Strings, many, word
from chenu_server.infra.db.metadata import METADATA
from chenu_server.infra.db.tablemap import LookupSql, TableMap
from chenu_server.vocabulary import (
    CheckpointState,
    CheckpointType,
    OperationKind,
    PrincipalType,
)

# Who looks must repeat these word for word: SQLite uses a partial index for nothing else.
OPEN: Final = "state IN ('pending', 'approved') AND consumed_us = 0"
UNDECIDED: Final = sa.text("state = 'pending'")
UNUSED: Final = sa.text("state = 'approved' AND consumed_us = 0")

CHECKPOINTS: Final = sa.Table(
    "checkpoints",
    METADATA,
    sa.Column("identity_id", sa.Text, primary_key=True),
    sa.Column("checkpoint_id", sa.Text, primary_key=True),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("operation_kind", EnumText(OperationKind), nullable=False, server_default="query"),
    sa.Column(
        "types",
        Json[tuple[CheckpointType, ...]](list, many(word(CheckpointType))),
        nullable=False,
    ),
    sa.Column("state", EnumText(CheckpointState), nullable=False),
    sa.Column("action", FreeText, nullable=False),
    sa.Column("target", FreeText, nullable=False),
    sa.Column("action_digest", sa.LargeBinary, nullable=False),
    sa.Column("question_en", FreeText, nullable=False),
    sa.Column("question_fr", FreeText, nullable=False),
    sa.Column("preview", FreeText, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("max_cost_nanousd", sa.BigInteger, nullable=False),
    sa.Column("requested_by_type", EnumText(PrincipalType), nullable=False),
    sa.Column("requested_by", sa.Text, nullable=False),
    sa.Column("acting_for", Strings, nullable=False),
    # The shortest expiry of its types, kept for the approval, which may be used for as long again.
    sa.Column("lifetime_us", sa.BigInteger, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("use_before_us", sa.BigInteger, nullable=False),
    sa.Column("resolved_us", sa.BigInteger, nullable=False),
    sa.Column("resolved_by", sa.Text, nullable=False),
    sa.Column("decision_id", sa.Text, nullable=False),
    sa.Column("reason", FreeText, nullable=False),
    sa.Column("consumed_us", sa.BigInteger, nullable=False),
    sa.CheckConstraint("length(action_digest) = 32", "ck_checkpoints_digest"),
    sa.CheckConstraint("max_cost_nanousd >= 0", "ck_checkpoints_cost"),
    sa.CheckConstraint("expires_us >= created_us", "ck_checkpoints_expiry"),
    sa.Index("ix_checkpoints_listed", "identity_id", "state", "created_us"),
    # What the sweep looks at is what is open, however much has ended.
    sa.Index(
        "ix_checkpoints_undecided",
        "expires_us",
        sqlite_where=UNDECIDED,
        postgresql_where=UNDECIDED,
    ),
    sa.Index(
        "ix_checkpoints_unused",
        "use_before_us",
        sqlite_where=UNUSED,
        postgresql_where=UNUSED,
    ),
    sa.Index(
        "ix_checkpoints_open",
        "identity_id",
        "action_digest",
        sqlite_where=sa.text(OPEN),
        postgresql_where=sa.text(OPEN),
    ),
)


CHECKPOINTS_MAP: Final = TableMap(
    Checkpoint,
    CHECKPOINTS,
    lookups={
        "open_of_action": LookupSql(
            keys=(CHECKPOINTS.c.identity_id, CHECKPOINTS.c.action_digest),
            where=f"identity_id = {{0}} AND action_digest = {{1}} AND {OPEN}",
            limited=False,
        ),
        "pending": LookupSql(
            keys=(CHECKPOINTS.c.identity_id,),
            where="identity_id = {0} AND state = 'pending'",
            limited=False,
        ),
    },
)

MAPS: Final = (CHECKPOINTS_MAP,)
