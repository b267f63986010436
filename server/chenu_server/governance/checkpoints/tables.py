"""Checkpoints in SQL."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from chenu_server.caller import PrincipalType
from chenu_server.governance.checkpoints.model import Checkpoint, CheckpointState, CheckpointType
from chenu_server.infra.db.columns import EnumText, FreeText, Json, Strings
from chenu_server.infra.db.metadata import METADATA
from chenu_server.infra.db.tablemap import TableMap

CHECKPOINTS: Final = sa.Table(
    "checkpoints",
    METADATA,
    sa.Column("identity_id", sa.Text, primary_key=True),
    sa.Column("checkpoint_id", sa.Text, primary_key=True),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column(
        "types",
        Json[tuple[CheckpointType, ...]](list, lambda plain: tuple(map(CheckpointType, plain))),
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
    sa.Index("ix_checkpoints_expiry", "state", "expires_us"),
    sa.Index("ix_checkpoints_use", "state", "use_before_us"),
)

CHECKPOINTS_MAP: Final = TableMap(Checkpoint, CHECKPOINTS)

MAPS: Final = (CHECKPOINTS_MAP,)
