"""Proposed tool calls in SQL: what each has beside its operation."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from chenu_server.governance.tools.model import ToolCall
from chenu_server.infra.db.columns import EnumText
from chenu_server.infra.db.metadata import METADATA
from chenu_server.infra.db.tablemap import TableMap
from chenu_server.vocabulary import ToolEffect

TOOL_CALLS: Final = sa.Table(
    "tool_calls",
    METADATA,
    sa.Column("identity_id", sa.Text, primary_key=True),
    sa.Column("call_id", sa.Text, primary_key=True),
    sa.Column("query_id", sa.Text, nullable=False),
    sa.Column("part", sa.Integer, nullable=False),
    sa.Column("tool", sa.Text, nullable=False),
    sa.Column("effect", EnumText(ToolEffect), nullable=False),
    sa.Column("audience", sa.Text, nullable=False),
    sa.Column("schema_sha256", sa.LargeBinary, nullable=False),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    sa.Column("taken_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("redeemed_us", sa.BigInteger, nullable=False),
    sa.CheckConstraint("length(salt) = 32", "ck_tool_calls_salt"),
    sa.CheckConstraint("part >= 0", "ck_tool_calls_part"),
    # By it a query that is withdrawn finds the calls that it proposed.
    sa.Index("ix_tool_calls_of_query", "identity_id", "query_id"),
)

TOOL_CALLS_MAP: Final = TableMap(
    ToolCall,
    TOOL_CALLS,
    fixed=frozenset({"query_id", "part", "tool", "effect", "audience", "schema_sha256", "salt"}),
)
MAPS: Final = (TOOL_CALLS_MAP,)
